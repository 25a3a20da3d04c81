/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Canonical digests: what is equal, what never is (each attack that canon.h speaks of), and that
 * the pieces in which a message comes make no difference.
 */

#include <stdio.h>

#include "store/canon.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define BODY "\nhello\n\nworld\n"

struct text {
        const char *data;
        size_t size;
};
#define T(literal) ((struct text){ (literal), sizeof(literal) - 1 })

DEFINE_CLEANUP(struct canon *, canon_free);

/* In pieces of step bytes; 0: at once. Returns whether it was regular. */
static bool digest_in(struct text text, size_t step, uint8_t digest[static DIGEST_SIZE]) {
        _cleanup_(canon_freep) struct canon *canon = canon_new(CANON_MESSAGE);

        ck_assert_ptr_nonnull(canon);
        for (size_t at = 0; at < text.size;) {
                size_t n = step == 0 ? text.size : MIN(step, text.size - at);

                ck_assert_int_eq(canon_update(canon, text.data + at, n), 0);
                at += n;
        }
        ck_assert_int_eq(canon_final(canon, digest), 0);
        return canon_is_regular(canon);
}

/* Whatever the pieces, it is one digest. */
static bool digest_of(struct text text, uint8_t digest[static DIGEST_SIZE]) {
        static const size_t steps[] = { 1, 2, 3, 7, 64, 4096, 16384, 65535 };
        bool regular = digest_in(text, 0, digest);

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                uint8_t other[DIGEST_SIZE];

                /* Byte by byte, a long header is searched again and again. */
                if (steps[i] < 64 && text.size > 10000)
                        continue;
                ck_assert(digest_in(text, steps[i], other) == regular);
                ck_assert_msg(memcmp(digest, other, DIGEST_SIZE) == 0, "in pieces of %zu: %.60s",
                              steps[i], text.data);
        }
        return regular;
}

static void check_regular(struct text a, bool expected) {
        uint8_t da[DIGEST_SIZE];

        ck_assert_msg(digest_of(a, da) == expected, "regular, or not: %.*s", (int)a.size, a.data);
}

static void check_same(struct text a, struct text b) {
        uint8_t da[DIGEST_SIZE], db[DIGEST_SIZE];

        ck_assert_msg(digest_of(a, da) && digest_of(b, db), "regular: %.200s", a.data);
        ck_assert_msg(memcmp(da, db, DIGEST_SIZE) == 0, "not the same:\n%.*s\n---\n%.*s",
                      (int)a.size, a.data, (int)b.size, b.data);
}

static void check_differ(struct text a, struct text b) {
        uint8_t da[DIGEST_SIZE], db[DIGEST_SIZE];

        digest_of(a, da);
        digest_of(b, db);
        ck_assert_msg(memcmp(da, db, DIGEST_SIZE) != 0, "the same:\n%.*s\n---\n%.*s", (int)a.size,
                      a.data, (int)b.size, b.data);
}

#define SAME(a, b)   check_same(T(a), T(b))
#define DIFFER(a, b) check_differ(T(a), T(b))
#define ODD(a)       check_regular(T(a), false)
#define REGULAR(a)   check_regular(T(a), true)

/* ---- Equal ---- */

#define MAIL "From: a@example.org\nSubject: one\nContent-Type: text/plain\n"

START_TEST(delivered_copies) {
        static const char plain[] = MAIL BODY;
        static const char lmtp[] =
                "Return-Path: <a@example.org>\n"
                "Delivered-To: bob\n"
                "Received: from mx.example.org\n\tby vm with LMTP\n\tid gBoLKw3DAmcYAQAA\n"
                "\t(envelope-from <a@example.org>)\n\tfor <bob>; Mon, 23 Nov 2026 22:09:17 +0100\n"
                "X-Original-To: bob@example.org\n" MAIL BODY;
        static const char other[] = "Return-Path: <a@example.org>\n"
                                    "Delivered-To: eve\n"
                                    "Received: by vm (Postfix)\n\tid 12345; Mon, 23 Nov 2026 "
                                    "22:09:18 +0100 (CET)\n" MAIL BODY;
        static const char exim[] = "Return-path: <a@example.org>\nEnvelope-to: eve@example.org\n"
                                   "Delivery-date: Mon, 23 Nov 2026 22:09:18 +0100\n" MAIL BODY;
        static const char cyrus[] =
                "X-Cyrus-Session-Id: vm-1-1-2\nX-Sieve: CMU Sieve 3.0\n" MAIL BODY;
        static const char mbox[] =
                MAIL "X-UID: 7\nStatus: RO\nX-Keywords:                      \nX-Status: A\n"
                     "X-IMAPbase: 1795470147 0000000007\nContent-Length: 13\n" BODY "\n";

        check_same(T(plain), T(lmtp));
        check_same(T(plain), T(other));
        check_same(T(plain), T(exim));
        check_same(T(plain), T(cyrus));
        check_same(T(plain), T(mbox));
}
END_TEST

START_TEST(relaxed_header) {
        SAME("SUBJECT:one\n  two\t three  \n" BODY, "Subject:   one two three\n" BODY);
        DIFFER("Subject: one two\n" BODY, "Subject: onetwo\n" BODY);
        DIFFER("Subject: one\nTo: b\n" BODY, "To: b\nSubject: one\n" BODY);
        DIFFER("Subject: one\n" BODY, "Subject: one\nSubject: one\n" BODY);
        DIFFER("Subject: one\n" BODY, "Subject: One\n" BODY);
        DIFFER("X-Mailer: a\n" BODY, "X-Mailer: b\n" BODY);
}
END_TEST

START_TEST(ends_of_lines) {
        SAME("From: a\nSubject: b\n c\n\none\ntwo\n",
             "From: a\r\nSubject: b\r\n c\r\n\r\none\r\ntwo\r\n");
        SAME("From: a\nContent-Type: b;\n c=d\n\none\n",
             "From: a\r\nContent-Type: b;\r\n c=d\r\n\r\none\r\n");
        /* Empty lines at the end, and a last line without end. */
        SAME("From: a\n\none\n\n\n\n", "From: a\n\none");
        SAME("From: a\n\none\n\n", "From: a\r\n\r\none\r\n");
        SAME("From: a\n\n", "From: a\r\n\r\n\r\n\r\n");
        SAME("\none\n", "\r\none\r\n");
        /* Not in the middle, and blanks are no emptiness. */
        DIFFER("From: a\n\none\n\ntwo\n", "From: a\n\none\ntwo\n");
        DIFFER("From: a\n\none\n \n", "From: a\n\none\n");
        DIFFER("From: a\n\none \n", "From: a\n\none\n");
        DIFFER("From: a\n\n\none\n", "From: a\n\none\n");
}
END_TEST

/* LF and CRLF twins around every border of blocks and buffers. */
START_TEST(long_bodies) {
        static char lf[6 * 16450], crlf[12 * 16450];

        for (size_t size = 16100; size < 16450; size += 13) {
                size_t n = 0, m = 0;

                n += (size_t)sprintf(lf, "From: a\n\n");
                m += (size_t)sprintf(crlf, "From: a\r\n\r\n");
                for (size_t i = 0; i < 5 * size; i++) {
                        if (i % 77 == 76 || i % size > size - 3) {
                                lf[n++] = crlf[m + 1] = '\n';
                                crlf[m] = '\r';
                                m += 2;
                        } else
                                lf[n++] = crlf[m++] = (char)('A' + i % 26);
                }
                check_same((struct text){ lf, n }, (struct text){ crlf, m });
                lf[n / 2] = '#';
                check_differ((struct text){ lf, n }, (struct text){ crlf, m });
        }
}
END_TEST

/* What is hashed is written down once more here, byte by byte: whoever changes it by accident, or
 * without a new CANON_VERSION, is told. */
START_TEST(pinned) {
        static const char input[] =
                "Received: x\r\nSubject:  a \r\n\tb\r\nContent-Type: c;\r\n  d\r\n\r\n"
                "1\r\n\r\n";
        static const char expected[] = "storescan mail\0\1"
                                       "Rsubject:a b\r\nEContent-Type: c;\r\n  d\r\nB"
                                       "1\r\n"
                                       "\0\0\0\0\0\0\0\3"                 /* size */
                                       "\0\0\0\0\0\0\0\0"                 /* flags */
                                       "\0\0\0\0\0\0\0\0"                 /* kind of ends */
                                       "\0\0\0\0\0\0\0\0"                 /* Content-Length */
                                       "\0\0\0\0\0\0\0\0"                 /* switches */
                                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* their digest */
                                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        static const char odd[] = "From x\n\n1\n",
                          odd_expected[] = "storescan odd\0\0\1From x\n\n1\n";
        uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE];

        ck_assert_int_eq(CANON_VERSION, 1);
        ck_assert(digest_of(T(input), a));
        ck_assert_int_eq(digest_buffer(expected, sizeof(expected) - 1, b), 0);
        ck_assert_mem_eq(a, b, DIGEST_SIZE);
        ck_assert(!digest_of(T(odd), a));
        ck_assert_int_eq(digest_buffer(odd_expected, sizeof(odd_expected) - 1, b), 0);
        ck_assert_mem_eq(a, b, DIGEST_SIZE);
}
END_TEST

START_TEST(raw) {
        static const char *const texts[] = { "", "From: a\n\nb\n", "no header", "storescan mail" };
        static const char tagged[] = "storescan raw\0\0\1From: a\n\nb\n";
        uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                size_t n = strlen(texts[i]);

                ck_assert_int_eq(canon_buffer(CANON_RAW, texts[i], n, a), 0);
                ck_assert_int_eq(canon_buffer(CANON_MESSAGE, texts[i], n, b), 0);
                ck_assert_mem_ne(a, b, DIGEST_SIZE);
                ck_assert_int_eq(digest_buffer(texts[i], n, b), 0);
                ck_assert_mem_ne(a, b, DIGEST_SIZE);
        }
        ck_assert_int_eq(canon_buffer(CANON_RAW, texts[1], strlen(texts[1]), a), 0);
        ck_assert_int_eq(digest_buffer(tagged, sizeof(tagged) - 1, b), 0);
        ck_assert_mem_eq(a, b, DIGEST_SIZE);
}
END_TEST

/* ---- Attacks ---- */

START_TEST(blanks_in_content_fields) {
        static const char *const names[] = { "Content-Type",
                                             "CONTENT-type",
                                             "Content_Type",
                                             "C-o-n-t-e-n-t-Type",
                                             "MIME-Version",
                                             "Mime.Version",
                                             "Content-Transfer-Encoding",
                                             "X-Content-Type",
                                             "Encoding",
                                             "1Content-Type" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                static const char *const values[] = {
                        " b; boundary=\"a b\"",   " b; boundary=\"a  b\"", " b; boundary=\"a\tb\"",
                        " b;\n boundary=\"a b\"", "b; boundary=\"a b\"",   " b; boundary=\"a b\" "
                };
                char a[200], b[200];

                for (size_t k = 0; k < ELEMENTSOF(values); k++)
                        for (size_t l = 0; l < k; l++) {
                                int n = sprintf(a, "%s:%s\n" BODY, names[i], values[k]);
                                int m = sprintf(b, "%s:%s\n" BODY, names[i], values[l]);

                                check_differ((struct text){ a, (size_t)n },
                                             (struct text){ b, (size_t)m });
                        }
        }
        /* Nor is the name's case the same to everybody. */
        DIFFER("Content-Type: a\n" BODY, "content-type: a\n" BODY);
}
END_TEST

START_TEST(fields_in_continuations) {
        DIFFER("From: a\n" BODY, "Received: x\n Content-Type: a; boundary=b\nFrom: a\n" BODY);
        DIFFER("From: a\n" BODY, "Received: x\n\t\tContent-Type : a\nFrom: a\n" BODY);
        DIFFER("From: a\n" BODY, "X-Keywords: x\n X:\nFrom: a\n" BODY);
        DIFFER("Subject: x Content-Type: a\n" BODY, "Subject: x\n Content-Type: a\n" BODY);
        DIFFER("Subject: x\n Content-Type: a\n" BODY, "Subject: x\n  Content-Type: a\n" BODY);
        /* Boundaries, uuencode, and what may end a header. */
        ODD("Subject: x\n --b\n" BODY);
        ODD("Received: x\n\t --b\nFrom: a\n" BODY);
        ODD("Content-Type: a;\n --b\n" BODY);
        ODD("Received: x\n begin 644 a\nFrom: a\n" BODY);
        ODD("Subject: x\n \n y\n" BODY);
        ODD("Subject: x\n\t\n" BODY);
        ODD("Received: x\n \nFrom: a\n" BODY);
        ODD(" x: y\nFrom: a\n" BODY);
        /* To a reader that skips one line, this is a parameter of Content-Type. */
        ODD("Content-Type: a;\nReceived: x\n boundary=b\n" BODY);
        ODD("Content-Type: a;\nStatus: O\nReceived: x\n boundary=b\n" BODY);
        SAME("Content-Type: a\nReceived: x\nFrom: a\n" BODY, "Content-Type: a\nFrom: a\n" BODY);
}
END_TEST

START_TEST(irregular_lines) {
        ODD("Content-Type : a\n" BODY);
        ODD("Received : a\nFrom: b\n" BODY);
        ODD("From alice@example.org Mon Nov 23 10:00:00 2026\nFrom: a\n" BODY);
        ODD(">From alice@example.org Mon Nov 23 10:00:00 2026\nFrom: a\n" BODY);
        ODD("From: a\nno colon\n" BODY);
        ODD("From: a\n--b\nContent-Type: c\n" BODY);
        ODD("From: a\n--b: c\n" BODY);
        ODD("From: a\n: b\n" BODY);
        ODD("Fr\303\266m: a\n" BODY);
        ODD("From: a\rContent-Type: b\n" BODY);
        ODD("Received: a\rContent-Type: b\nFrom: a\n" BODY);
        ODD("Received: a\r\r\nFrom: a\r\n\r\nb\r\n");
        ODD("From: a\0b\n" BODY);
        ODD("Received: a\0b\n" BODY);
        ODD("Received: a\vb\n" BODY);
        ODD("Received: a\fb\n" BODY);
        ODD("From: a\177\n" BODY);
        ODD("From: a\r\nReceived: b\nTo: c\r\n\r\nd\r\n");
        ODD("From: a\n\r\nb\n");
        ODD("From: a");
        ODD("\r");
        REGULAR("From: a\n");
        REGULAR("");
        REGULAR("From: M\374ller \342\202\254\n" BODY);
        /* Everything counts then, also what would be left out. */
        DIFFER("Received: a\nno colon\n" BODY, "Received: b\nno colon\n" BODY);
        DIFFER("Received: a\nno colon\n" BODY, "no colon\n" BODY);
        DIFFER("no colon\n" BODY, "no colon\n" BODY "\n");
}
END_TEST

START_TEST(left_out_only_if_plain) {
        static const char *const names[] = { "Received", "Status", "X-UID", "Delivered-To" };
        char a[2000];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                int n;

                n = sprintf(a, "%s: x\nFrom: a\n" BODY, names[i]);
                check_same((struct text){ a, (size_t)n }, T("From: a\n" BODY));
                n = sprintf(a, "%s: \205x\nFrom: a\n" BODY, names[i]); /* NEL ends a line to some */
                check_differ((struct text){ a, (size_t)n }, T("From: a\n" BODY));
                n = sprintf(a, "%s: \342\200\250x\nFrom: a\n" BODY, names[i]);
                check_differ((struct text){ a, (size_t)n }, T("From: a\n" BODY));
                n = sprintf(a, "X%s: x\nFrom: a\n" BODY, names[i]);
                check_differ((struct text){ a, (size_t)n }, T("From: a\n" BODY));
                /* What a reader with a buffer of 1000 bytes takes for a line of its own. */
                n = sprintf(a, "%s: %*sContent-Type: b\nFrom: a\n" BODY, names[i], 990, "");
                check_differ((struct text){ a, (size_t)n }, T("From: a\n" BODY));
        }
        /* The same with blanks that are collapsed. */
        (void)sprintf(a, "Subject:%*sContent-Type: b\n" BODY, 992, "");
        check_differ((struct text){ a, strlen(a) }, T("Subject: Content-Type: b\n" BODY));
        DIFFER("Received: x\nFrom: a\n" BODY, "From: a\n" BODY "Received: x\n");
        DIFFER("From: a\n\nReceived: x\nhello\n", "From: a\n\nhello\n");
        DIFFER("From: a\n\nReceived: x\n\nhello\n", "From: a\n\n\nhello\n");
        DIFFER("From: a\nReceived: x\n\nhello\n", "From: a\n\nReceived: x\n\nhello\n");
        /* The missing empty line. */
        DIFFER("From: a\nhello: b\n\nc\n", "From: a\n\nhello: b\n\nc\n");
        DIFFER("From: a\n", "From: a\n\n");
}
END_TEST

/* Repeats unit n times, then the mail. */
static void check_stuffed(const char *unit, unsigned n, bool expected) {
        const size_t room = strlen(unit) * n + 100;
        _cleanup_free_ char *text = malloc(room);
        size_t at = 0;

        for (unsigned i = 0; i < n; i++)
                at += (size_t)snprintf(text + at, room - at, "%s", unit);
        at += (size_t)snprintf(text + at, room - at, "From: a\n" BODY);
        check_regular((struct text){ text, at }, expected);
        if (expected)
                check_same((struct text){ text, at }, T("From: a\n" BODY));
        else
                check_differ((struct text){ text, at }, T("From: a\n" BODY));
}

START_TEST(stuffed_headers) {
        char line[520], long_field[4096], large[40000] = "X: ";
        size_t n;

        check_stuffed("Received: x\n", 100, true);
        check_stuffed("Received: x\n", 101, false);
        (void)snprintf(line, sizeof(line), "Received: %0*d\n", 400, 0);
        check_stuffed(line, 79, true);
        check_stuffed(line, 80, false); /* 32 KiB */
        n = (size_t)snprintf(long_field, sizeof(long_field), "Received: x\n");
        while (n + 400 < 2048)
                n += (size_t)snprintf(long_field + n, sizeof(long_field) - n, " %0*d\n", 390, 0);
        check_stuffed(long_field, 1, true);
        (void)snprintf(long_field + n, sizeof(long_field) - n, " %0*d\n", 390, 0);
        check_stuffed(long_field, 1, false); /* 2 KiB */
        check_regular(T("From: a\n" BODY), true);

        memset(large + 3, 'x', sizeof(large) - 5);
        large[sizeof(large) - 2] = '\n';
        large[sizeof(large) - 1] = '\0';
        {
                char twice[2 * sizeof(large) + sizeof(BODY)];

                n = (size_t)snprintf(twice, sizeof(twice), "%s" BODY, large);
                check_regular((struct text){ twice, n }, true);
                n = (size_t)snprintf(twice, sizeof(twice), "%s%s" BODY, large, large); /* 64 KiB */
                check_regular((struct text){ twice, n }, false);
        }
        n = 0;
        for (unsigned i = 0; i < 501; i++)
                n += (size_t)snprintf(large + n, sizeof(large) - n, "X: y\n");
        memcpy(large + n, "\n", 1);
        check_regular((struct text){ large, n + 1 }, false);
        check_regular((struct text){ large + 5, n + 1 - 5 }, true);
}
END_TEST

START_TEST(magic_behind_a_trace) {
        DIFFER("Received: x\nGIF89a: y\n" BODY, "GIF89a: y\n" BODY);
        DIFFER("Content-Length: 13\nBZh9: y\n" BODY, "BZh9: y\n" BODY);
        SAME("Received: x\nGIF89a: y\n" BODY, "Return-Path: x\nGIF89a: y\n" BODY);
        SAME("From: x\nReceived: x\nGIF89a: y\n" BODY, "From: x\nGIF89a: y\n" BODY);
        DIFFER("GIF89a: y\n" BODY, "gif89a: y\n" BODY);
        DIFFER("GIF89a: y\n" BODY, "GIF89a:y\n" BODY);
        SAME("From: x\nGIF89a: y\n" BODY, "FROM:x\ngif89a:y\n" BODY);
        /* Nothing but traces, for readers that skip empty lines at the beginning. */
        DIFFER("Received: x\n\nContent-Type: a\n" BODY, "\nContent-Type: a\n" BODY);
}
END_TEST

START_TEST(content_length) {
        /* True, also for who counts without empty lines at the end. */
        SAME("From: a\nContent-Length: 5\n\nhello\n\n", "From: a\n\nhello\n");
        SAME("From: a\nContent-Length: 6\n\nhello\n\n", "From: a\n\nhello\n");
        SAME("From: a\nContent-Length: 7\n\nhello\n\n", "From: a\n\nhello\n");
        SAME("From: a\r\nContent-Length: 7\r\n\r\nhello\r\n", "From: a\n\nhello\n");
        SAME("From: a\nContent-Length: 0\n\n", "From: a\n\n");
        /* Not true: somebody stops early, or reads what comes behind. */
        DIFFER("From: a\nContent-Length: 4\n\nhello\n\n", "From: a\n\nhello\n");
        DIFFER("From: a\nContent-Length: 8\n\nhello\n\n", "From: a\n\nhello\n");
        DIFFER("From: a\nContent-Length: 0\n\nhello\n", "From: a\n\nhello\n");
        DIFFER("From: a\nContent-Length: 0\n\nhello\n", "From: a\nContent-Length: 1\n\nhello\n");
        /* LF's count is not that of CRLF: one line more, and this would cut. */
        DIFFER("From: a\r\nContent-Length: 8\r\n\r\nhi\r\nyou\r\nall\r\n",
               "From: a\n\nhi\nyou\nall\n");
        DIFFER("From: a\nContent-Length: 05\n\nhello\n", "From: a\n\nhello\n");
        DIFFER("From: a\nContent-Length: 5 x\n\nhello\n", "From: a\n\nhello\n");
        DIFFER("From: a\nContent-Length:\n 5\n\nhello\n", "From: a\n\nhello\n");
        DIFFER("From: a\nContent-Length: 18446744073709551621\n\nhello\n", "From: a\n\nhello\n");
        ODD("From: a\nContent-Length: 5\nContent-Length: 5\n\nhello\n");
}
END_TEST

START_TEST(binary_bodies) {
        /* Bytes that LF and CRLF make different files. */
        DIFFER("From: a\n\nMZ\0\n", "From: a\r\n\r\nMZ\0\r\n");
        DIFFER("From: a\n\nM\1Z\n", "From: a\r\n\r\nM\1Z\r\n");
        DIFFER("From: a\n\nM\177Z\n", "From: a\r\n\r\nM\177Z\r\n");
        DIFFER("From: a\n\na\rb\n", "From: a\r\n\r\na\rb\r\n");
        DIFFER("From: a\n\na\n\r", "From: a\r\n\r\na\r\n\r");
        DIFFER("From: a\n\na\rb\n", "From: a\n\na\nb\n");
        DIFFER("From: a\n\na\0b\n", "From: a\n\nab\n");
        SAME("From: a\n\na\tb\f\033$B\374\n", "From: a\r\n\r\na\tb\f\033$B\374\r\n");
        /* Both kinds in one message: each place counts. */
        DIFFER("From: a\n\na\r\nb\n", "From: a\n\na\nb\n");
        DIFFER("From: a\n\na\r\nb\n", "From: a\n\na\nb\r\n");
        DIFFER("From: a\n\na\r\nb\r\n", "From: a\r\n\r\na\nb\n");
        DIFFER("From: a\n\na\r\nb\r\n", "From: a\n\na\nb\n");
        DIFFER("From: a\n\na\r\nb\r\nc\n", "From: a\n\na\r\nb\nc\n");
        DIFFER("From: a\n\na\r\r\nb\r\n", "From: a\n\na\r\nb\r\n");
}
END_TEST

/* A header is no body, whatever it holds. */
START_TEST(confusion) {
        DIFFER("A: b\nBC: d\n\n", "A: b\n\nC: d\n");
        DIFFER("A: b\n\nRc:d\n", "A: b\nC: d\n\n");
        DIFFER("", "\n");
        DIFFER("A: b\n", "A: b\n\nN\n");
        DIFFER("storescan mail", "");
        DIFFER("A: b\n EContent-Type: c\n\n", "A: b\nContent-Type: c\n\n");
        DIFFER("Content-A: b\nRsubject: c\n\n", "Content-A: b\nSubject: c\n\n");
}
END_TEST

UNIT_MAIN("canon", delivered_copies, relaxed_header, ends_of_lines, long_bodies, pinned, raw,
          blanks_in_content_fields, fields_in_continuations, irregular_lines,
          left_out_only_if_plain, stuffed_headers, magic_behind_a_trace, content_length,
          binary_bodies, confusion);
