/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Trees of parts: written as "kind[body](parts)", "?" for doubtful ones, with the bytes that the
 * offsets enclose; ends of lines as "/", a lone CR as "^".
 */

#include "store/mime.h"

#include <stdio.h>

#include "store/util.h"
#include "tests/unit/unit.h"

DEFINE_CLEANUP(struct mime *, mime_free);

static const char *const kinds[_MIME_KIND_MAX] = {
        [MIME_LEAF] = "leaf",       [MIME_MULTIPART] = "multi", [MIME_MESSAGE] = "message",
        [MIME_OUTSIDE] = "outside", [MIME_UU] = "uu",
};

static void write_bytes(FILE *f, const struct mime *mime, size_t start, size_t end) {
        for (size_t i = start; i < end; i++)
                if (mime->data[i] == '\n')
                        fputc('/', f);
                else if (mime->data[i] != '\r')
                        fputc(mime->data[i], f);
                else if (i + 1 == end || mime->data[i + 1] != '\n')
                        fputc('^', f);
}

static void write_part(FILE *f, const struct mime *mime, size_t index) {
        const struct mime_part *p = &mime->parts[index];

        fprintf(f, "%s%s", kinds[p->kind], p->doubtful ? "?" : "");
        if (p->kind != MIME_MULTIPART && p->kind != MIME_MESSAGE) {
                fputc('[', f);
                write_bytes(f, mime, p->body, p->end);
                fputc(']', f);
        }
        fputc('(', f);
        for (size_t i = 0; i < mime->n; i++)
                if (mime->parts[i].parent == index)
                        write_part(f, mime, i);
        fputc(')', f);
}

static char *tree_of(const char *text) {
        _cleanup_(mime_freep) struct mime *mime = NULL;
        char *s = NULL;
        size_t size;
        FILE *f = open_memstream(&s, &size);

        ck_assert_int_eq(mime_new(text, strlen(text), &mime), 0);
        write_part(f, mime, 0);
        fclose(f);
        return s;
}

/* With LF and CRLF. */
static void check_tree(const char *text, const char *expected) {
        _cleanup_free_ char *lf = tree_of(text), *crlf = NULL, *copy = calloc(2, strlen(text) + 1);
        size_t n = 0;

        for (const char *s = text; *s; s++) {
                if (*s == '\n')
                        copy[n++] = '\r';
                copy[n++] = *s;
        }
        crlf = tree_of(copy);
        ck_assert_str_eq(lf, expected);
        ck_assert_str_eq(crlf, expected);
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\n\n"

/* clang-format off */
static const struct {
        const char *text, *tree;
} trees[] = {
        { "", "leaf[]()" },
        { "A: b\n", "leaf[]()" },
        { "no header at all\n\nbody\n", "leaf[body/]()" },
        { "\nbody", "leaf[body]()" },
        { MIXED("b") "pre\n--b\n\none\n--b\nA: b\n\ntwo\n\n--b--\npost\n",
          "multi(outside[pre]()leaf[one]()leaf[two/]()outside[post/]())" },
        { MIXED("\"b c\"") "--b c  \n\none\n--b c--\n", "multi(leaf[one]())" },
        { "Content-Type: Multipart/Mixed (what; boundary=no);\n\tBOUNDARY=\"\\b\" ; x\n\n--b\n\none", 
          "multi(leaf[one]())" },
        /* The first field of a name counts. */
        { "Content-Type: text/plain\n" MIXED("b") "--b\n\none\n--b--\n", "leaf[--b//one/--b--/]()" },
        /* None of its own, none at all. */
        { MIXED("b") "--c\n\none\n--c--\n", "leaf[--c//one/--c--/]()" },
        { MIXED("") "--\n\none\n----\n", "leaf[--//one/----/]()" },
        { "Content-Type: multipart/mixed\n\n--b\n\none\n", "leaf[--b//one/]()" },
        /* Boundaries that begin like others. */
        { MIXED("b") "--b\n" MIXED("bb") "--bb\n\none\n--bb--\nx\n--b\n\ntwo\n--b--\n",
          "multi(multi(leaf[one]()outside[x]())leaf[two]())" },
        { MIXED("bb") "--bb\n" MIXED("b") "--b\n\none\n--bb\n\ntwo\n--bb--",
          "multi(multi(leaf[one]())leaf[two]())" },
        { MIXED("b") "--b\n\none\n--b junk\n\ntwo\n--b--\n", "multi(leaf[one]()leaf[two]())" },
        /* Not closed; closed by the outer one; closed twice. */
        { MIXED("b") "--b\n" MIXED("c") "--c\n\none\n--b\n\ntwo",
          "multi(multi(leaf[one]())leaf[two]())" },
        { MIXED("b") "--b\n\none\n--b--\n--b\n\nx\n--b--\n", "multi(leaf[one]()outside[--b//x/--b--/]())" },
        /* Without body, or without header. */
        { MIXED("b") "--b\n--b\n\n--b\nA: b\n--b--", "multi(leaf[]()leaf[]()leaf[]())" },
        /* A header that may be none. */
        { MIXED("b") "--b\nA: b\nnone\n\none\n--b\n\ntwo\n--b--", "multi(leaf?[A: b/none//one]()leaf[two]())" },
        { MIXED("b") "--b\n A: b\n\none\n--b--", "multi(leaf?[ A: b//one]())" },
        { MIXED("b") "--b\nA: b\n \nC: d\n\none\n--b--", "multi(leaf?[A: b/ /C: d//one]())" },
        { MIXED("b") "--b\nA: b\n c\nD : e\n\none\n--b--", "multi(leaf[one]())" },
        /* Messages in messages. */
        { "Content-Type: message/rfc822\n\nA: b\n\nbody\n", "message(leaf[body/]())" },
        { "Content-Type: message/rfc822\n\n>From x\nA: b\n\nbody\n", "message(leaf[body/]())" },
        { "Content-Type: message/rfc822\n\nnone\n\nbody\n", "message(leaf?[none//body/]())" },
        { "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogYg==\n",
          "leaf[QTogYg==/]()" },
        { "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\none\n--b--",
          "multi(message(leaf[one]()))" },
        /* uuencode. */
        { "\ntext\nbegin 644 a b\n#86)C\n`\nend\nmore\n", "leaf[text/begin 644 a b/#86)C/`/end/more/](uu[#86)C/`/]())" },
        { "\nbegin 0644 a\n`\nend\nbegin 755 b\n#86)C\nend", "leaf[begin 0644 a/`/end/begin 755 b/#86)C/end](uu[`/]()uu[#86)C/]())" },
        { "\nbegin 644 a\n#86)C\n", "leaf[begin 644 a/#86)C/]()" },
        { "\nbegin 644\n#86)C\nend\n", "leaf[begin 644/#86)C/end/]()" },
        { "\nbegin 644 a\nend of it all\nend\n", "leaf[begin 644 a/end of it all/end/]()" },
        { "Content-Type: text/html\n\nbegin 644 a\n#86)C\nend\n", "leaf[begin 644 a/#86)C/end/]()" },
};
/* clang-format on */

START_TEST(test_trees) {
        for (size_t i = 0; i < ELEMENTSOF(trees); i++)
                check_tree(trees[i].text, trees[i].tree);
}
END_TEST

static struct mime *parse(const char *text) {
        struct mime *mime = NULL;

        ck_assert_int_eq(mime_new(text, strlen(text), &mime), 0);
        return mime;
}

#define OCTETS "Content-Type: application/octet-stream; "
#define EIGHT  "Content-Transfer-Encoding: 8BIT\n"

static const struct {
        const char *header, *type, *filename;
        enum mime_encoding encoding;
        enum mime_charset charset;
        bool attachment;
} fields[] = {
        { "", "text/plain", "", MIME_IDENTITY, MIME_ASCII, false },
        { "Content-Type: rubbish\n", "text/plain", "", MIME_IDENTITY, MIME_ASCII, false },
        { "content-type:TEXT/Html\n", "text/html", "", MIME_IDENTITY, MIME_ASCII, false },
        { "Content-Type: text/plain; charset=\"UTF-8\"\n" EIGHT, "text/plain", "", MIME_IDENTITY,
          MIME_UTF8, false },
        { "Content-Type: text/plain; charset=UTF-8\n", "text/plain", "", MIME_IDENTITY, MIME_ASCII,
          false },
        { "Content-Type: text/plain; charset=ISO-8859-1\nContent-Transfer-Encoding:\n base64\n",
          "text/plain", "", MIME_BASE64, MIME_LATIN1, false },
        { "Content-Type: text/plain; charset=utf-16\n" EIGHT, "text/plain", "", MIME_IDENTITY,
          MIME_ASCII, false },
        { OCTETS "name=\"a b.exe\"\nContent-Transfer-Encoding: Quoted-Printable (why)\n",
          "application/octet-stream", "a b.exe", MIME_QUOTED_PRINTABLE, MIME_ASCII, true },
        { OCTETS "name=x\nContent-Disposition: inline; filename=\"../../y\\\\z.exe\"\n",
          "application/octet-stream", "z.exe", MIME_IDENTITY, MIME_ASCII, true },
        { "Content-Disposition: attachment;\n filename*=iso-8859-1''%41%2eexe\n"
          "Content-Transfer-Encoding: x-uuencode\n",
          "text/plain", "A.exe", MIME_UUENCODE, MIME_ASCII, true },
        { "Content-Type: text/plain; name*0=\"a\x1b[2J\xff\"; name*1=b\n", "text/plain", "a [2J?",
          MIME_IDENTITY, MIME_ASCII, true },
        { "X-Content-Type: text/html\nContent-Typed: text/html\nContent-Transfer-Encoding: q\n",
          "text/plain", "", MIME_IDENTITY, MIME_ASCII, false },
};

START_TEST(test_fields) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                _cleanup_free_ char *text = NULL;
                _cleanup_(mime_freep) struct mime *mime = NULL;
                const struct mime_part *p;

                ck_assert_int_gt(asprintf(&text, "%s\nbody\n", fields[i].header), 0);
                mime = parse(text);
                p = &mime->parts[0];
                ck_assert_str_eq(p->type, fields[i].type);
                ck_assert_str_eq(p->filename, fields[i].filename);
                ck_assert_int_eq(p->encoding, fields[i].encoding);
                ck_assert_int_eq(p->charset, fields[i].charset);
                ck_assert_int_eq(p->attachment, fields[i].attachment);
                ck_assert_int_eq(p->html, streq(p->type, "text/html"));
        }
}
END_TEST

static char *repeat(const char *before, unsigned n, bool number, const char *piece,
                    const char *after) {
        char *s = NULL;
        size_t size;
        FILE *f = open_memstream(&s, &size);

        fputs(before, f);
        for (unsigned i = 0; i < n; i++) {
                if (number)
                        fprintf(f, MIXED("n%03u") "--n%03u\n", i, i);
                fputs(piece, f);
        }
        fputs(after, f);
        fclose(f);
        return s;
}

START_TEST(test_depth) {
        for (unsigned depth = MIME_DEPTH_MAX - 1; depth <= MIME_DEPTH_MAX + 5; depth++) {
                _cleanup_free_ char *text = repeat("", depth, true, "", "\nx\n");
                _cleanup_(mime_freep) struct mime *mime = parse(text);
                const struct mime_part *last = &mime->parts[mime->n - 1];

                ck_assert_uint_eq(last->depth, MIN(depth, (unsigned)MIME_DEPTH_MAX));
                ck_assert_int_eq(last->kind, MIME_LEAF);
                ck_assert_uint_eq(last->end, strlen(text));
        }
}
END_TEST

START_TEST(test_messages_in_messages) {
        _cleanup_free_ char *text =
                repeat("", 100, false, "Content-Type: message/rfc822\n\n", "A: b\n\nx");
        _cleanup_(mime_freep) struct mime *mime = parse(text);

        ck_assert_uint_eq(mime->n, MIME_DEPTH_MAX + 1);
        ck_assert_int_eq(mime->parts[MIME_DEPTH_MAX].kind, MIME_LEAF);
}
END_TEST

START_TEST(test_number) {
        for (unsigned n = MIME_PARTS_MAX - 2; n <= MIME_PARTS_MAX; n++) {
                _cleanup_free_ char *text = repeat(MIXED("o") "--o\n\nx\n--o\n" MIXED("b"), n - 1,
                                                   false, "--b\n\nx\n", "--o--");
                _cleanup_(mime_freep) struct mime *mime = parse(text);

                /* The message, the first part, the multipart, and its parts. */
                if (n + 2 <= MIME_PARTS_MAX) {
                        ck_assert_uint_eq(mime->n, n + 2);
                        continue;
                }
                ck_assert_uint_eq(mime->n, 3);
                ck_assert_int_eq(mime->parts[2].kind, MIME_LEAF);
                ck_assert_uint_eq(mime->parts[2].end, strlen(text) - strlen("\n--o--"));
        }
}
END_TEST

START_TEST(test_number_of_uuencoded) {
        _cleanup_free_ char *text =
                repeat("\n", MIME_UU_MAX + 9, false, "begin 644 a\n`\nend\n", "");
        _cleanup_(mime_freep) struct mime *mime = parse(text);

        ck_assert_uint_eq(mime->n, MIME_UU_MAX + 1);
}
END_TEST

START_TEST(test_long_header) {
        _cleanup_free_ char *text =
                repeat(MIXED("b") "--b\n", 70000 / 10, false, "Name: val\n", "\nbody\n--b--\n");
        _cleanup_(mime_freep) struct mime *mime = parse(text);

        ck_assert_uint_eq(mime->n, 2);
        ck_assert(mime->parts[1].doubtful && mime->parts[1].body == mime->parts[1].start);
}
END_TEST

START_TEST(test_junk_behind_boundary) {
        _cleanup_free_ char *text =
                repeat(MIXED("b") "--b\n\none\n--b", 101, false, "x", "\n\ntwo\n--b--\n");
        _cleanup_(mime_freep) struct mime *mime = parse(text);

        /* The line is text. */
        ck_assert_uint_eq(mime->n, 2);
        ck_assert_int_eq(mime->parts[1].kind, MIME_LEAF);
}
END_TEST

START_TEST(test_same) {
        static const char base[] = MIXED("b") "--b\n\nbegin 644 a\n#86)C\nend\n--b--";
        static const char text[] = MIXED("b") "--b\n\nbegun 644 a\n#86)C\nend\n--b--";
        static const char other[] = MIXED("b") "--b\n\nbegin 644 a\n#86)C\nend\n--a--";
        _cleanup_(mime_freep) struct mime *a = parse(base), *b = parse(text), *c = parse(other);

        ck_assert(mime_same(a, a, true));
        ck_assert(mime_same(a, b, false) && !mime_same(a, b, true));
        ck_assert(!mime_same(a, c, false));
}
END_TEST

UNIT_MAIN("mime", test_trees, test_fields, test_depth, test_messages_in_messages, test_number,
          test_number_of_uuencoded, test_long_header, test_junk_behind_boundary, test_same);
