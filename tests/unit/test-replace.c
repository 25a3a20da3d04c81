/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Plans: which parts, in what order, and that lines which the notice makes are never more than text.
 * What decodes from them is tested by replace-decoded.
 */

#include "store/replace.h"

#include <stdio.h>

#include "store/util.h"
#include "tests/unit/unit.h"

DEFINE_CLEANUP(struct mime *, mime_free);
DEFINE_CLEANUP(struct replace_plan *, replace_plan_free);

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\n\n"
#define NOTICE   "Gone: x.\n\nAsk for it.\n"

static struct mime *parse(const char *text) {
        struct mime *mime = NULL;

        ck_assert_int_eq(mime_new(text, strlen(text), &mime), 0);
        return mime;
}

/* The message after the plan for one part; its lines without the blanks at their ends. */
static char *replaced(const char *text, size_t part, const char *notice) {
        _cleanup_(mime_freep) struct mime *mime = parse(text);
        _cleanup_(replace_plan_freep) struct replace_plan *plan = NULL;
        _cleanup_free_ char *copy = strdup(text);
        char *trimmed = calloc(1, strlen(text) + 1);
        size_t n = 0;

        ck_assert_int_eq(replace_plan_new(mime, &part, 1, notice, &plan), 0);
        replace_plan_apply(plan, copy, strlen(text));
        ck_assert_uint_eq(strlen(copy), strlen(text));
        for (size_t i = 0; copy[i]; i++) {
                if (copy[i] == '\n')
                        while (n > 0 && trimmed[n - 1] == ' ')
                                n--;
                trimmed[n++] = copy[i];
        }
        trimmed[n] = '\0';
        return trimmed;
}

static void check_replaced(const char *text, size_t part, const char *notice,
                           const char *expected) {
        _cleanup_free_ char *got = replaced(text, part, notice);

        ck_assert_str_eq(got, expected);
}

/* clang-format off */
static const struct {
        const char *text, *notice, *expected;
} texts[] = {
        { "\n0123456789\n0123456789\n0123456789012\n", NOTICE, "\nGone: x.\n\nAsk for it.\n" },
        /* Words go to the next line, or where there is room. */
        { "\n0123456789\n\n01234\n0123\n01\n0123\n", NOTICE, "\nGone: x.\n\nAsk\nfor\n\nit.\n" },
        { "\n01234567890123456789\n", NOTICE, "\nGone: x. Ask for it.\n" },
        /* The first line only; nothing. */
        { "\n01234567890123\n", NOTICE, "\nGone: x.\n" },
        { "\n0123456\n", NOTICE, "\n\n" },
        { "\n0123456789\n", NULL, "\n\n" },
        /* What begins a line must not be taken for more than text. */
        { "\n0123456\n012345\n", "From x\nbegin\n", "\n From x\n begin\n" },
        { "\n0123456\n012345\n", "--x\n>y\n", "\n --x\n >y\n" },
        { "\n0123456\n0123456\n", "Fromage\nends\n", "\nFromage\nends\n" },
        /* Long words. */
        { "\n0123456789\n0123456789012345678901234567890123456789\n01234567890123\n",
          "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n",
          "\n\n abcdefghijklmnopqrstuvwxyzabcdefghijklm\n nopqrstuvwxyz\n" },
        { "Content-Type: text/html\n\n0123456789012345678901234567890123456789\n", "a<b>&\n\"c\"\n",
          "Content-Type: text/html\n\na&lt;b&gt;&amp;<br> &quot;c&quot;\n" },
        { "Content-Transfer-Encoding: quoted-printable\n\nabc=20def=\nabcdef\n", "a=b c\nd\n",
          "Content-Transfer-Encoding: quoted-printable\n\na=3Db c\nd\n" },
        /* Not UTF-8 where nobody says so. */
        { "\n0123456789\n", "\xc3\xa4\xe4\xb8\x80\n", "\n ae?\n" },
        { "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n0123456789\n",
          "\xc3\xa4\n",
          "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n \xc3\xa4\n" },
        /* A part that may have no header begins with a blank, whatever the notice is like. */
        { MIXED("b") "--b\nno header line\n\nno more\n--b--\n", "Content: x\n",
          MIXED("b") "--b\n Content: x\n\n\n--b--\n" },
};
/* clang-format on */

START_TEST(test_texts) {
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                check_replaced(texts[i].text, 0, texts[i].notice, texts[i].expected);
}
END_TEST

START_TEST(test_base64) {
        static const char header[] = "Content-Transfer-Encoding: base64\n\n";
        _cleanup_free_ char *text = NULL, *expected = NULL;

        /* 8 characters and "=": "hello  ". What is none of base64 is a blank afterwards. */
        ck_assert_int_gt(asprintf(&text, "%sQUJD*RE\nVGRw=\n=\n-\n", header), 0);
        ck_assert_int_gt(asprintf(&expected, "%saGVs bG\n8gIA=\n=\n\n", header), 0);
        check_replaced(text, 0, "hello", expected);
}
END_TEST

START_TEST(test_uuencode) {
        /* Kept: lengths. Made valid: a line that is none. The checksum of "abc" is "F". */
        check_replaced("\nbegin 644 x\n#86)CF\n#86)C\nlower case\n`junk\nend\n", 1, "abcabcabcd",
                       "\nbegin 644 x\n#86)CF\n#86)C\n&86)C9\"`@\n`\nend\n");
}
END_TEST

START_TEST(test_errors) {
        _cleanup_(mime_freep) struct mime *empty = parse("A: b\n"), *ends = parse("\n\n\n"),
                                          *one = parse(MIXED("b") "--b\n\n\n--b\n\nx\n--b--");
        _cleanup_(replace_plan_freep) struct replace_plan *plan = NULL;
        size_t parts[] = { 0, 1, 3 };

        ck_assert_int_eq(replace_plan_new(empty, parts, 1, NOTICE, &plan), -ENODATA);
        ck_assert_int_eq(replace_plan_new(ends, parts, 1, NOTICE, &plan), -ENODATA);
        ck_assert_int_eq(replace_plan_new(one, parts + 1, 1, NOTICE, &plan), -ENODATA);
        ck_assert_int_eq(replace_plan_new(one, parts + 2, 1, NOTICE, &plan), -EINVAL);
        ck_assert_int_eq(replace_plan_new(one, parts, 0, NOTICE, &plan), -ENODATA);
        ck_assert_ptr_null(plan);
}
END_TEST

#define TEXT_PART       "\ntext text text\n"
#define ATTACHMENT_PART "Content-Type: application/x\n\nattached attached\n"

static const char several[] =
        MIXED("b") "before all\n--b\n" TEXT_PART "--b\n" ATTACHMENT_PART
                   "--b\nContent-Type: message/rfc822\n\n" MIXED("c") "--c\n" ATTACHMENT_PART
                                                                      "--c--\n--b--\n";

/* What is named with parts below it stands for them. */
START_TEST(test_parts) {
        _cleanup_(mime_freep) struct mime *mime = parse(several);
        _cleanup_(replace_plan_freep) struct replace_plan *plan = NULL, *all = NULL;
        size_t message = 4, everything[] = { 6, 3, 2, 1 };

        ck_assert_uint_eq(mime->n, 7);
        ck_assert_int_eq(mime->parts[message].kind, MIME_MESSAGE);
        ck_assert_int_eq(replace_plan_new(mime, &message, 1, NOTICE, &plan), 0);
        ck_assert_uint_eq(plan->n_patches, 1);
        ck_assert_uint_eq(plan->part, 6);
        ck_assert(plan->noticed && !plan->whole);
        ck_assert_int_eq(replace_plan_new(mime, everything, 4, NOTICE, &all), 0);
        ck_assert_uint_eq(all->n_patches, 4);
        ck_assert_uint_eq(all->part, MIME_NONE);
        ck_assert(all->whole);
        for (size_t i = 1; i < all->n_patches; i++)
                ck_assert_uint_gt(all->patches[i].offset, all->patches[i - 1].offset);
}
END_TEST

/* The order: attachments, texts, what is outside of parts, all attachments, the whole body. */
START_TEST(test_search) {
        static const size_t expected[] = { 3, 6, 2, 1, MIME_NONE, MIME_NONE };
        _cleanup_(mime_freep) struct mime *mime = parse(several);
        struct replace_search search = { .mime = mime, .notice = NOTICE };
        struct replace_plan *plan;

        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                ck_assert_int_eq(replace_next(&search, &plan), 1);
                ck_assert_uint_eq(plan->part, expected[i]);
                ck_assert_uint_eq(plan->n_patches, i < 4 ? 1 : i == 4 ? 2 : 4);
                ck_assert_int_eq(plan->whole, i == 5);
                replace_plan_free(plan);
        }
        ck_assert_int_eq(replace_next(&search, &plan), 0);
        ck_assert_int_eq(replace_next(&search, &plan), 0);
}
END_TEST

static unsigned count_plans(const char *text) {
        _cleanup_(mime_freep) struct mime *mime = parse(text);
        struct replace_search search = { .mime = mime, .notice = NOTICE };
        struct replace_plan *plan;
        unsigned n = 0;

        while (replace_next(&search, &plan) > 0) {
                n++;
                replace_plan_free(plan);
        }
        return n;
}

START_TEST(test_search_bounds) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_uint_eq(count_plans("A: b\n"), 0);
        ck_assert_uint_eq(count_plans("\n\n \n"), 1);
        ck_assert_uint_eq(count_plans("\nbody\n"), 1);
        ck_assert_uint_eq(count_plans(MIXED("b") "--b\n" ATTACHMENT_PART "--b\n\n\n--b--\n"), 1);
        fputs(MIXED("b"), f);
        for (unsigned i = 0; i < 500; i++)
                fputs("--b\n" ATTACHMENT_PART, f);
        fputs("--b\n" TEXT_PART "--b--\n", f);
        fclose(f);
        ck_assert_uint_eq(count_plans(text), REPLACE_ALONE_MAX + 2);
        free(text);
}
END_TEST

/* The uuencoded file alone; then the text, with the file in it. */
START_TEST(test_search_uuencode) {
        static const char text[] = "\nhello\nbegin 644 x\n#86)C\n`\nend\nbye\n";
        _cleanup_(mime_freep) struct mime *mime = parse(text);
        struct replace_search search = { .mime = mime, .notice = NOTICE };
        char copy[sizeof(text)];
        struct replace_plan *plan;

        memcpy(copy, text, sizeof(text));
        ck_assert_int_eq(replace_next(&search, &plan), 1);
        ck_assert_uint_eq(plan->part, 1);
        replace_plan_apply(plan, copy, sizeof(text) - 1);
        ck_assert_str_eq(copy, "\nhello\nbegin 644 x\n#(\"`@\n`\nend\nbye\n");
        replace_plan_free(plan);
        ck_assert_int_eq(replace_next(&search, &plan), 1);
        ck_assert(plan->whole && plan->part == 0);
        replace_plan_apply(plan, copy, sizeof(text) - 1);
        ck_assert_ptr_null(strstr(copy, "begin"));
        replace_plan_free(plan);
        ck_assert_int_eq(replace_next(&search, &plan), 0);
}
END_TEST

START_TEST(test_detached) {
        char data[24];

        ck_assert(replace_detached("Gone: \xc3\xa4.\nAsk.\n", data, sizeof(data)));
        ck_assert(memcmp(data, "Gone: ae.\r\nAsk.\r\n       ", sizeof(data)) == 0);
        ck_assert(replace_detached("Gone: \xc3\xa4.\nAsk.\n", data, 10));
        ck_assert(memcmp(data, "Gone: ae. ", 10) == 0);
        ck_assert(!replace_detached("Gone: \xc3\xa4.\nAsk.\n", data, 8));
        ck_assert(memcmp(data, "        ", 8) == 0);
        ck_assert(!replace_detached("Gone.\n", data, 0));
}
END_TEST

START_TEST(test_apply_to_less) {
        _cleanup_(mime_freep) struct mime *mime = parse("\nhello\n");
        _cleanup_(replace_plan_freep) struct replace_plan *plan = NULL;
        char copy[8] = "\nhello\n";
        size_t root = 0;

        ck_assert_int_eq(replace_plan_new(mime, &root, 1, NOTICE, &plan), 0);
        replace_plan_apply(plan, copy, 3);
        ck_assert_str_eq(copy, "\nhello\n");
}
END_TEST

UNIT_MAIN("replace", test_texts, test_base64, test_uuencode, test_errors, test_parts, test_search,
          test_search_bounds, test_search_uuencode, test_detached, test_apply_to_less);
