/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The messages of mbox files, in tables that say each byte's place. What is expected was seen with
 * Dovecot 2.3.19, which reads them the same way.
 */

#include "tests/unit/reader-text.h"

START_TEST(mbox_ends) {
        ASSERT_MBOX("", "");
        ASSERT_MBOX(F, "0+36 36+0 whole last");
        ASSERT_MBOX(F "S: a\n\nb\n", "0+44 36+7 whole last");
        ASSERT_MBOX(F "S: a\n\nb", "0+43 36+7 whole last");
        ASSERT_MBOX(F "S: a\n\nb\n\n" F "S: b\n\nb\n", "0+45 36+8 whole; 45+44 81+7 whole last");
        ASSERT_MBOX(F "S: a\n\nb\n\n\n\n", "0+47 36+10 whole last");
        /* One LF too few between them: it is the separator all the same. */
        ASSERT_MBOX(F "S: a\n\nb\n" F "S: b\n\nb\n", "0+44 36+7 whole; 44+44 80+7 whole last");
        ASSERT_MBOX(F "\n" F "S: b\n\nb\n", "0+37 36+0 whole; 37+44 73+7 whole last");
        ASSERT_MBOX(F "\n\n" F, "0+38 36+1 whole; 38+36 74+0 whole last");
}
END_TEST

START_TEST(mbox_crlf) {
#define FCRLF "From a@b.c Mon Nov 23 10:00:00 2026\r\n" /* 37 */
        ASSERT_MBOX(FCRLF "S: a\r\n\r\nb\r\n\r\n" FCRLF "S: b\r\n\r\nb\r\n",
                    "0+50 37+11 whole; 50+48 87+9 whole last");
        /* Only one CR goes with the LF. */
        ASSERT_MBOX(F "S: a\n\nb\r\r\n" F "S: b\n\nb\r\r\n",
                    "0+46 36+8 whole; 46+46 82+8 whole last");
        /* Content-Length that counts CRs, and one that does not. */
        ASSERT_MBOX(FCRLF "Content-Length: 43\r\n\r\nx\r\n" FCRLF "b\r\n\r\n" FCRLF "\r\nend\r\n",
                    "0+104 37+65 whole from; 104+44 141+5 whole last");
        ASSERT_MBOX(FCRLF "Content-Length: 40\r\n\r\nx\r\n" FCRLF "b\r\n\r\n" FCRLF "\r\nend\r\n",
                    "0+62 37+23 whole; 62+42 99+3 whole; 104+44 141+5 whole last");
        /* A CR of the From_ line is not the message's. */
        ASSERT_MBOX(FCRLF "\n" F, "0+38 37+0 whole; 38+36 74+0 whole last");
}
END_TEST

/* Which lines begin a message: valid ones in a table, behind a message of 44 bytes. */
START_TEST(mbox_from_lines) {
        static const struct {
                const char *line;
                bool strict, lenient;
        } cases[] = {
                { "From x Thu Nov 29 22:33:52 2001", true, true },
                { "From x Thu Nov 29 22:33 2001", true, true },
                { "From x Thu Nov  9 22:33:52 2001", true, true },
                { "From x Thu Nov 9 22:33:52 2001", true, true },
                { "From x  Thu Nov 29 22:33:52 2001 +0300", true, true },
                { "From x Thu Nov 29 22:33:52 +0300 2001", true, true },
                { "From x Thu Nov 29 22:33:52 EST 2001", true, true },
                { "From x Thu Nov 29 22:33:52 2001 remote from y", true, true },
                { "From x Thu, 9 Nov 2002 22:33:52", true, true },
                { "From x Thu, 19 Nov 2002 22:33", true, true },
                { "From x xyz nov 99 99:99 0000", true, true },
                { "From x Thu ??? 29 22:33:52 2001", true, true },
                { "From  Thu Nov 29 22:33:52 2001", true, true },
                { "From \"a b\"@c Thu Nov 29 22:33:52 2001", true, true },
                { "From \"a \\\" b\" Thu Nov 29 22:33:52 2001", true, true },
                { "From a\tb Thu Nov 29 22:33:52 2001", true, true },
                { "From x Thu Dec 31 23:59:58 1969 +0000", true, true },
                { "From x Thu Nov 29 22:33:52 2001\r", true, true },
                { "From x Wed Dec 31 23:59:59 1969 +0000", false, true },
                { "From Thu Nov 29 22:33:52 2001", false, true },
                { "From x y Thu Nov 29 22:33:52 2001", false, true },
                { "From x Thu Nov 29 22:3:52 2001", false, true },
                { "From x Thu Nov 123 22:33:52 2001", false, true },
                { "From x Thu Nov 29 22:33:52  2001", true, true },
                { "From x Thu Nov 29 22:33:52   2001", false, true },
                { "From x Thu Nov 29 22:33:52 201", false, true },
                { "From x\tThu Nov 29 22:33:52 2001", false, true },
                { "From x\rThu Nov 29 22:33:52 2001", false, true },
                { "From the beginning on", false, false },
                { "From now on at 10:30", false, true },
                { "From: x Thu Nov 29 22:33:52 2001", false, false },
                { " From x Thu Nov 29 22:33:52 2001", false, false },
                { ">From x Thu Nov 29 22:33:52 2001", false, false },
                { "from x Thu Nov 29 22:33:52 2001", false, false },
                { "From", false, false },
                { "From ", false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL, *expected = NULL, *lenient = NULL;
                size_t line = strlen(cases[i].line) + 1;

                append(&text, F "S: a\n\nb\n%s\nS: b\n\nb\n", cases[i].line);
                if (cases[i].strict)
                        append(&expected, "0+44 36+7 whole; 44+%zu %zu+7 whole last", line + 8,
                               44 + line);
                else
                        append(&expected, "0+%zu 36+%zu whole last%s", 52 + line, 15 + line,
                               cases[i].lenient ? " from" : "");
                assert_items(READER_MBOX, 0, text, strlen(text), expected);
                if (cases[i].lenient)
                        append(&lenient, "0+44 36+7 whole; 44+%zu %zu+7 whole last", line + 8,
                               44 + line);
                else
                        append(&lenient, "0+%zu 36+%zu whole last", 52 + line, 15 + line);
                assert_items(READER_MBOX, READER_LENIENT, text, strlen(text), lenient);
        }
}
END_TEST

START_TEST(mbox_odd_places) {
        /* The LF of a From_ line does not count for the next line, nor that of a bare "From ". */
        ASSERT_MBOX(F F "S: a\n\nb\n", "0+80 36+43 whole last from");
        ASSERT_LENIENT(F F "S: a\n\nb\n", "0+36 36+0 whole; 36+44 72+7 whole last");
        ASSERT_MBOX(F "S: a\n\nb\nFrom \n" F "\nb\n", "0+89 36+52 whole last from");
        ASSERT_MBOX(F "From \n" F "\nb\n", "0+42 36+5 whole; 42+39 78+2 whole last");
        ASSERT_MBOX(F "From \nFrom \n" F "\nb\n", "0+87 36+50 whole last from");
        /* Dovecot finds a date here if the next line is in its buffer: both views are given. */
        ASSERT_MBOX(F "S: a\n\nb\nFrom x \nab Nov 23 10:00:00 2026\n\nb\n",
                    "0+79 36+42 whole last from");
        ASSERT_LENIENT(F "S: a\n\nb\nFrom x \nab Nov 23 10:00:00 2026\n\nb\n",
                       "0+44 36+7 whole; 44+35 52+26 whole last");
        /* In a header. */
        ASSERT_MBOX(F "S: a\n" F "S: b\n\nb\n", "0+41 36+4 whole; 41+44 77+7 whole last");
        /* In the middle of a line; behind a NUL; with one in it. */
        ASSERT_MBOX(F "S: a\n\nb " F, "0+80 36+43 whole last");
        ASSERT_MBOX(F "S: a\n\nb\n\0" F, "0+81 36+44 whole last");
        ASSERT_MBOX(F "\nb\nFrom a\0b Mon Nov 23 10:00:00 2026\n",
                    "0+39 36+2 whole; 39+34 73+0 whole last");
}
END_TEST

START_TEST(mbox_tails) {
        static const char whole[] = F "S: a\n\nb\n\n" F;

        for (size_t i = 0; i < 36; i++) {
                char expected[64];

                snprintf(expected, sizeof(expected), i > 0 ? "0+%zu 0+%zu %s last" : "", i, i,
                         i < 5 ? "damaged" : "in-progress");
                assert_items(READER_MBOX, 0, whole, i, expected);
        }
        /* Part of the message before it, until it has its end. */
        for (size_t i = 46; i < 81; i++) {
                struct memory memory = { .data = (const uint8_t *)whole, .size = i };
                _cleanup_free_ struct item *items = NULL;
                size_t n;

                items = walk_items(READER_MBOX, 0, &memory, 0, &n);
                ck_assert_uint_eq(n, 1);
                ck_assert_uint_eq(items[0].message_size, i - 36);
                ck_assert_int_eq(items[0].has_from_lines, i >= 45 + 27);
        }
        assert_items(READER_MBOX, 0, whole, 81, "0+45 36+8 whole; 45+36 81+0 whole last");
}
END_TEST

START_TEST(mbox_damaged) {
        ASSERT_MBOX("\n", "0+1 0+1 damaged last");
        ASSERT_MBOX("garbage", "0+7 0+7 damaged last");
        ASSERT_MBOX("\n" F "\nb\n", "0+1 0+1 damaged; 1+39 37+2 whole last");
        ASSERT_MBOX("a\nFrom x\n\n" F "\nb\n", "0+10 0+10 damaged; 10+39 46+2 whole last");
        ASSERT_MBOX("From x\n" F, "0+7 0+7 damaged; 7+36 43+0 whole last");
        ASSERT_MBOX("From x y z 10:00\n" F, "0+17 0+17 damaged; 17+36 53+0 whole last");
}
END_TEST

/* The body holds a From_ line; Content-Length decides whether that begins a message. */

START_TEST(mbox_content_length) {
        static const struct {
                const char *lines;
                bool believed;
                int claimed; /* beyond the header, whose size is that of lines and 6 more; -1: none */
        } cases[] = {
                { "", false, -1 },
                { "Content-Length: 40\n", true, -1 },
                { "content-length:40\n", true, -1 },
                { "Content-Length:\t40 \t\n", true, -1 },
                { "Content-Length : 40\n", true, -1 },
                { "Content-Length: 0000000040\n", true, -1 },
                { "Content-Length: 18446744073709551656\n", true, -1 },
                { "Content-Length: 40\n \n", true, -1 },
                { "Content-Length: x\nContent-Length: 40\n", true, -1 },
                { "Content-Length: 40\nContent-Length: 3\n", true, -1 },
                { "Content-Length: 3\nContent-Length: 40\n", false, 40 },
                { "Content-Length:\nContent-Length: 40\n", false, 40 },
                { "Content-Length:  40\n", false, 40 },
                { "Content-Length: 40x\n", false, 40 },
                { "Content-Length: 40\n x\n", false, 40 },
                { "Content-Length:\n 40\n", false, -1 },
                { "Content-Length: +40\n", false, -1 },
                { "Content-Length 40\n", false, -1 },
                { "X-Content-Length: 40\n", false, -1 },
                { " Content-Length: 40\n", false, -1 },
                { "Content-Length: 39\n", false, -1 },
                { "Content-Length: 41\n", false, 41 },
                { "Content-Length: 2\n", false, -1 },
                { "Content-Length: 0\n", false, -1 },
                { "Content-Length: 18446744073709551615\n", false, -1 },
                { "Content-Length: 9223372036854775807\n", false, -1 },
                /* To the last line end: this one and the next are one message. */
                { "Content-Length: 81\n", true, -1 },
                { "Content-Length: 82\n", false, 82 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL, *expected = NULL;
                size_t h = strlen(cases[i].lines) + 6;

                if (streq(cases[i].lines, "Content-Length: 81\n"))
                        h = 0;
                append(&text, F "S: a\n%s\n" BODY NEXT, cases[i].lines);
                if (h == 0)
                        append(&expected, "0+%zu 36+%zu whole last from", strlen(text),
                               strlen(text) - 37);
                else if (cases[i].believed)
                        append(&expected, "0+%zu 36+%zu whole from; %zu+41 %zu+4 whole last",
                               h + 77, h + 40, h + 77, h + 113);
                else {
                        append(&expected, "0+%zu 36+%zu whole", h + 38, h + 1);
                        if (cases[i].claimed >= 0)
                                append(&expected, " claimed=%zu", h + (size_t)cases[i].claimed);
                        append(&expected, "; %zu+39 %zu+2 whole; %zu+41 %zu+4 whole last", h + 38,
                               h + 74, h + 77, h + 113);
                }
                assert_items(READER_MBOX, 0, text, strlen(text), expected);
        }
        ASSERT_MBOX(F "Content-Length\0x: 40\n\n" BODY NEXT,
                    "0+99 36+62 whole from; 99+41 135+4 whole last");
}
END_TEST

START_TEST(mbox_content_length_ends) {
        /* To the file's end: with the separator, and without. */
        ASSERT_MBOX(F "Content-Length: 40\n\n" BODY "\n", "0+97 36+60 whole last from");
        ASSERT_MBOX(F "Content-Length: 40\n\n" BODY "\r\n", "0+98 36+60 whole last from");
        ASSERT_MBOX(F "Content-Length: 40\n\n" BODY,
                    "0+58 36+21 whole claimed=60; 58+38 94+1 whole last");
        /* To what is no From_ line, or not yet one. */
        ASSERT_MBOX(F "Content-Length: 40\n\n" BODY "\nText\n",
                    "0+58 36+21 whole; 58+44 94+7 whole last");
        ASSERT_MBOX(F "Content-Length: 40\n\n" BODY "\nFrom x Thu Nov 29 22:33:52 2001",
                    "0+58 36+21 whole claimed=60; 58+70 94+34 whole last from");
        /* The body begins with a From_ line; the header has no end. */
        ASSERT_MBOX(F "Content-Length: 38\n\n" F "b\n" NEXT,
                    "0+95 36+58 whole from; 95+41 131+4 whole last");
        ASSERT_MBOX(F "Content-Length: 38\n" F "b" NEXT,
                    "0+93 36+56 whole from; 93+41 129+4 whole last");
        /* The pieces that others see. */
        ASSERT_LENIENT(F "Content-Length: 40\n\n" BODY NEXT,
                       "0+58 36+21 whole; 58+39 94+2 whole; 97+41 133+4 whole last");
        /* UW-IMAP's first message is one like the others. */
        ASSERT_MBOX("From MAILER_DAEMON Mon Nov 23 10:00:00 2026\n"
                    "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
                    "X-IMAP: 1795427000 0000000001\n\nText\n\n" F "\nb\n",
                    "0+140 44+95 whole; 140+39 176+2 whole last");
}
END_TEST

/* A From_ line at each place of the window: no read may cut it in two unseen. */
START_TEST(mbox_window_edges) {
        enum { BEFORE = 140000 };
        _cleanup_free_ char *data = malloc(3 * BEFORE);
        uint64_t edge = 131072;

        ck_assert_ptr_nonnull(data);
        for (uint64_t at = edge - 45; at < edge + 10; at++) {
                struct memory memory = { .data = (const uint8_t *)data };
                _cleanup_free_ struct item *items = NULL;
                size_t n;

                memset(data, 'x', 3 * (size_t)BEFORE);
                memcpy(data, F "S: a\n\n", 42);
                for (uint64_t i = 100; i < at - 1; i += 977)
                        data[i] = '\n';
                memcpy(data + at - 1, "\n" F "S: b\n\n", 43);
                memcpy(data + 2 * at - 2, "\r\n" F, 38);
                memory.size = 2 * at + 36;
                items = walk_items(READER_MBOX, 0, &memory, 0, &n);
                ck_assert_uint_eq(n, 3);
                ck_assert_uint_eq(items[1].offset, at);
                ck_assert_uint_eq(items[0].message_size, at - 1 - 36);
                ck_assert_uint_eq(items[2].offset, 2 * at);
                ck_assert_uint_eq(items[1].message_size, at - 2 - 36);
        }
}
END_TEST

/* Lines longer than the window, of every kind. */
START_TEST(mbox_long_lines) {
        static const char *const begins[] = { "", "S: ", "Content-Length: ", "From ", " ", "\n" };
        enum { LONG = 300000 };
        _cleanup_free_ char *data = malloc(LONG + 200);

        ck_assert_ptr_nonnull(data);
        for (size_t i = 0; i < ELEMENTSOF(begins); i++) {
                size_t size = 36 + strlen(begins[i]) + LONG;
                struct memory memory = { .data = (const uint8_t *)data, .size = size + 1 + 36 };
                _cleanup_free_ struct item *items = NULL;
                size_t n;

                memset(data, '1', LONG + 200);
                memcpy(data, F, 36);
                memcpy(data + 36, begins[i], strlen(begins[i]));
                memcpy(data + size, "\n" F, 37);
                items = walk_items(READER_MBOX, 0, &memory, 0, &n);
                ck_assert_uint_eq(n, 2);
                ck_assert_uint_eq(items[1].offset, size + 1);
                ck_assert_uint_eq(items[0].message_size, size - 36);
                ck_assert_int_eq(items[0].has_from_lines, streq(begins[i], "From "));
        }

        /* As a From_ line it is none by Dovecot's rule; a lenient walk scans what it holds. */
        memset(data, 'a', LONG + 200);
        memcpy(data, F "\nb\nFrom ", 44);
        memcpy(data + LONG, " Mon Nov 23 10:00:00 2026\n\nb\n", 29);
        assert_items(READER_MBOX, 0, data, LONG + 29, "0+300029 36+299992 whole last from");
        assert_items(READER_MBOX, READER_LENIENT, data, LONG + 29,
                     "0+39 36+2 whole; 39+299990 39+299989 whole last");
}
END_TEST

UNIT_MAIN("reader-mbox", mbox_ends, mbox_crlf, mbox_from_lines, mbox_odd_places, mbox_tails,
          mbox_damaged, mbox_content_length, mbox_content_length_ends, mbox_window_edges,
          mbox_long_lines);
