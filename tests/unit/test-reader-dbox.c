/* SPDX-License-Identifier: Apache-2.0 */

/* The messages of dbox files, in tables that say each byte's place. */

#include "tests/unit/reader-text.h"

START_TEST(dbox_whole) {
        ASSERT_DBOX("", "");
        ASSERT_DBOX(H, "0+16 16+0 header last");
        ASSERT_DBOX(H M("5") "a\n\nb\n" POST "\n", "0+16 16+0 header; 16+40 46+5 whole last");
        ASSERT_DBOX(H M("5") "a\n\nb\n" POST "\n" M("2") "c\n" POST "Gabc\nBINBOX\n\n",
                    "0+16 16+0 header; 16+40 46+5 whole; "
                    "56+49 86+2 whole last guid=abc mailbox=INBOX");
        ASSERT_DBOX(H M("0") POST "\n", "0+16 16+0 header; 16+35 46+0 whole last");
        ASSERT_DBOX(H M("0") POST "\n" M("1") "c" POST "\n",
                    "0+16 16+0 header; 16+35 46+0 whole; 51+36 81+1 whole last");
        /* The body may look like anything. */
        ASSERT_DBOX(H M("a") POST "\n" POST "x" POST "\n",
                    "0+16 16+0 header; 16+45 46+10 whole last");
        /* Version 1: a blank ends the metadata. */
        ASSERT_DBOX("1 M1e C6b04b343 A1f\n\1\2N 00000001 0000000000000002\na\n" POST
                    "E0\nS6b04b343\n    \n\1\2N 00000002 0000000000000002\na\n" POST "\n",
                    "0+20 20+0 header; 20+54 50+2 whole; 74+37 104+2 whole last");
        /* A longer message header than today's. */
        ASSERT_DBOX("2 M28 C0\n\1\2N          0000000000000002          \na\n" POST "\n",
                    "0+9 9+0 header; 9+47 49+2 whole last");
        /* What Dovecot itself does not look at. */
        ASSERT_DBOX(H "\1\2xxxxxxxxxxx000000000000000A\n0123456789" POST "\n",
                    "0+16 16+0 header; 16+45 46+10 whole last");
}
END_TEST

START_TEST(dbox_metadata) {
        static const struct {
                const char *lines, *expected;
        } cases[] = {
                { "", "" },
                { "G0123456789abcdef\n", " guid=0123456789abcdef" },
                { "Gone\nGtwo\n", " guid=one" },
                { "G\nGtwo\n", "" },
                { "Ga b\r\nBx\r\n", " guid=a b mailbox=x" },
                { "BFolder/Sub\n", " mailbox=Folder/Sub" },
                { "R6b04b343\n", " received=1795470147" },
                { "Rx\nR1\n", "" },
                { "R\n", "" },
                { "R10000000000000000\n", "" },
                { "Zff\n", " plain=255" },
                { "ZFFFFFFFFFFFFFFFF\n", " plain=18446744073709551615" },
                { "Z2\n", "" },
                { "X5 10 B76 ab/cd/x\n", " external" },
                { "P1\nO2\nV3\nQ4\n", "" },
        };
        char long_text[600];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL, *expected = NULL;

                append(&text, H M("2") "a\n" POST "%s\n", cases[i].lines);
                append(&expected, "0+16 16+0 header; 16+%zu 46+2 whole last%s",
                       37 + strlen(cases[i].lines), cases[i].expected);
                assert_items(READER_DBOX, 0, text, strlen(text), expected);
        }

        /* A NUL ends a text, and at a line's beginning all. */
        ASSERT_DBOX(H M("2") "a\n" POST "Ga\0b\nBc\n\0Bd\n",
                    "0+16 16+0 header; 16+48 46+2 whole last guid=a mailbox=c");
        /* What is too long is left out. */
        memset(long_text, 'x', sizeof(long_text));
        for (size_t n = 0; n < sizeof(long_text); n++) {
                _cleanup_free_ char *text = NULL, *expected = NULL;

                append(&text, H M("2") "a\n" POST "G%.*s\nB%.*s\nZ3\n\n", (int)n, long_text, (int)n,
                       long_text);
                append(&expected, "0+16 16+0 header; 16+%zu 46+2 whole last", 44 + 2 * n);
                if (n > 0 && n <= ITEM_GUID_MAX)
                        append(&expected, " guid=%.*s", (int)n, long_text);
                if (n > 0 && n <= ITEM_MAILBOX_MAX)
                        append(&expected, " mailbox=%.*s", (int)n, long_text);
                append(&expected, " plain=3");
                assert_items(READER_DBOX, 0, text, strlen(text), expected);
        }
}
END_TEST

START_TEST(dbox_file_headers) {
        static const struct {
                const char *line;
                enum item_state state;
                bool message_found; /* its message header of 30 bytes */
        } cases[] = {
                { "2 M1e C6b04b343", ITEM_HEADER, true },
                { "2 C6b04b343 M1e", ITEM_HEADER, true },
                { "1 M1E", ITEM_HEADER, true },
                { "2 M28 M1e", ITEM_HEADER, true },
                { "2 M1e C6b04b343\r", ITEM_DAMAGED, true },
                { "2 M1e Xsomething", ITEM_DAMAGED, true },
                { "2  M1e", ITEM_DAMAGED, true },
                { "2 M1e Cxyz", ITEM_DAMAGED, true },
                { "2 M1e C6b04b343 A000000000000000 A000000000000000 A0000000000000000",
                  ITEM_DAMAGED, true },
                { "2 M28 C6b04b343", ITEM_HEADER, false },
                { "2 M1d", ITEM_DAMAGED, true },
                { "2 Mffff", ITEM_DAMAGED, true },
                { "2 M", ITEM_DAMAGED, true },
                { "2", ITEM_DAMAGED, true },
                { "3 M1e", ITEM_DAMAGED, true },
                { "", ITEM_DAMAGED, true },
                { "From x", ITEM_DAMAGED, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL, *expected = NULL;
                size_t n = strlen(cases[i].line) + 1;

                append(&text, "%s\n" M("2") "a\n" POST "\n", cases[i].line);
                if (cases[i].state == ITEM_HEADER)
                        append(&expected, "0+%zu %zu+0 header", n, n);
                else
                        append(&expected, "0+%zu 0+%zu damaged", n, n);
                append(&expected,
                       cases[i].message_found ? "; %zu+37 %zu+2 whole last"
                                              : "; %zu+37 %zu+37 damaged last",
                       n, cases[i].message_found ? n + 30 : n);
                assert_items(READER_DBOX, 0, text, strlen(text), expected);
        }
        /* None at all. */
        ASSERT_DBOX(M("2") "a\n" POST "\n", "0+37 30+2 whole last");
}
END_TEST

START_TEST(dbox_in_progress) {
        ASSERT_DBOX(H M("0"), "0+16 16+0 header; 16+30 46+0 in-progress last");
        ASSERT_DBOX(H M("0") "Subject", "0+16 16+0 header; 16+37 46+7 in-progress last");
        ASSERT_DBOX(H M("0") POST, "0+16 16+0 header; 16+34 46+4 in-progress last");
        ASSERT_DBOX(H M("0") POST "Gx\n", "0+16 16+0 header; 16+37 46+7 in-progress last");
        /* A body that looks like the metadata of an empty message. */
        ASSERT_DBOX(H M("0") POST "\nx", "0+16 16+0 header; 16+36 46+6 in-progress last");
        /* Left over by a writer that died: what was appended later is found. */
        ASSERT_DBOX(H M("0") "Subj" M("2") "a\n" POST "\n",
                    "0+16 16+0 header; 16+34 46+4 damaged; 50+37 80+2 whole last");
        ASSERT_DBOX(H M("0") "Subj" M("0") "Subj",
                    "0+16 16+0 header; 16+34 46+4 damaged; 50+34 80+4 in-progress last");
}
END_TEST

START_TEST(dbox_damaged) {
        ASSERT_DBOX(H "x", "0+16 16+0 header; 16+1 16+1 damaged last");
        ASSERT_DBOX(H "\0\0\0" GOOD "\1\2\1" GOOD,
                    "0+16 16+0 header; 16+3 16+3 damaged; 19+37 49+2 whole; 56+3 56+3 damaged; "
                    "59+37 89+2 whole last");
        /* Sizes that lie: too small, too large, far too large. */
        ASSERT_DBOX(H M("1") "a\n" POST "\n" GOOD,
                    "0+16 16+0 header; 16+37 46+7 damaged; 53+37 83+2 whole last");
        ASSERT_DBOX(H M("9") "a\n" POST "\n" GOOD,
                    "0+16 16+0 header; 16+37 46+7 damaged; 53+37 83+2 whole last");
        ASSERT_DBOX(H "\1\2N          ffffffffffffffff\na\n" POST "\n" GOOD,
                    "0+16 16+0 header; 16+37 46+7 damaged; 53+37 83+2 whole last");
        ASSERT_DBOX(H "\1\2N          7fffffffffffffff\na\n" POST "\n" GOOD,
                    "0+16 16+0 header; 16+37 46+7 damaged; 53+37 83+2 whole last");
        /* That would end where the message before it ends, if sums were not looked after. */
        ASSERT_DBOX(H GOOD "\1\2N          ffffffffffffffdd\na\n" POST "\n",
                    "0+16 16+0 header; 16+37 46+2 whole; 53+37 83+7 damaged last");
        /* A size that is no number. */
        ASSERT_DBOX(H "\1\2N          000000000000000g\na\n" POST "\n" GOOD,
                    "0+16 16+0 header; 16+37 16+37 damaged; 53+37 83+2 whole last");
        ASSERT_DBOX(H "\1\2N                         2\na\n" POST "\n",
                    "0+16 16+0 header; 16+37 16+37 damaged last");
        /* Metadata without an end takes nothing with it that is none. */
        ASSERT_DBOX(H M("2") "a\n" POST "Gx\n", "0+16 16+0 header; 16+39 46+9 damaged last");
        ASSERT_DBOX(H M("2") "a\n" POST "Gx\n" M("2") "a\n" POST "Gx\n",
                    "0+16 16+0 header; 16+39 46+2 whole guid=x; 55+39 85+9 damaged last");
        ASSERT_DBOX(H M("2") "a\n" POST "Gx\n\0x\n" GOOD,
                    "0+16 16+0 header; 16+42 46+2 whole guid=x; 58+37 88+2 whole last");
        ASSERT_DBOX(H M("2") "a\n" POST "gx\n\n" GOOD,
                    "0+16 16+0 header; 16+36 46+2 whole; 52+4 52+4 damaged; 56+37 86+2 whole last");
}
END_TEST

/* Cut off anywhere: whole is what is whole, and the rest is one damaged item. */
START_TEST(dbox_truncated) {
        static const char text[] = H M("5") "a\n\nb\n" POST "Gx\n\n" M("2") "c\n" POST "Gy\n\n";

        for (size_t i = 0; i < sizeof(text); i++) {
                struct memory memory = { .data = (const uint8_t *)text, .size = i };
                _cleanup_free_ struct item *items = NULL;
                size_t n, whole = 0;

                items = walk_items(READER_DBOX, 0, &memory, 0, &n);
                for (size_t k = 0; k < n; k++)
                        whole += items[k].state == ITEM_WHOLE;
                ck_assert_uint_eq(whole, (i >= 59 ? 1u : 0u) + (i >= 99 ? 1u : 0u));
                ck_assert_uint_eq(n, i == 0 ? 0 : i <= 16 ? 1 : i <= 59 ? 2 : 3);
        }
}
END_TEST

UNIT_MAIN("reader-dbox", dbox_whole, dbox_metadata, dbox_file_headers, dbox_in_progress,
          dbox_damaged, dbox_truncated);
