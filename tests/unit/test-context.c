/* SPDX-License-Identifier: Apache-2.0 */

/* What is told of messages: found, unfolded, decoded, and harmless whatever comes in. */

#include <stdio.h>

#include "store/context.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static void check_all(const char *mail, const char *id, const char *from, const char *subject) {
        struct context context;

        memset(&context, 'x', sizeof(context));
        context_read(mail, strlen(mail), &context);
        ck_assert_str_eq(context.message_id, id);
        ck_assert_str_eq(context.from, from);
        ck_assert_str_eq(context.subject, subject);
}

static void check_subject(const char *value, const char *expected) {
        char mail[4096];

        (void)snprintf(mail, sizeof(mail), "Subject:%s\n\nbody\n", value);
        check_all(mail, "", "", expected);
}

START_TEST(fields) {
        check_all("Received: x\nMessage-ID: <1@a>\nFrom: A <a@example.org>\nSubject: hi\n\n",
                  "<1@a>", "A <a@example.org>", "hi");
        check_all("message-id:<1@a>\r\nFROM:a\r\nSubject: one\r\n\ttwo\r\n  three \r\n\r\nFrom: x",
                  "<1@a>", "a", "one two three");
        /* The first of each, mbox's line, nothing, no end. */
        check_all("From a@b Mon Nov 23 10:00:00 2026\nFrom: c\nFrom: d\nSubject: e\nSubject: f\n\n",
                  "", "c", "e");
        check_all("", "", "", "");
        check_all("\nFrom: a\n", "", "", "");
        check_all("\r\nFrom: a\n", "", "", "");
        check_all("no header at all", "", "", "");
        check_all("From: a", "", "a", "");
        check_all("From:", "", "", "");
        check_all("From:\n \n b\n\n", "", "b", "");
        check_all("X: y\n Subject: folded away\n\n", "", "", "");
        check_all("Message-ID:\n <very-long@example.org>\n", "<very-long@example.org>", "", "");
        check_all("Subject : a\nX-Subject: b\n", "", "", "");
}
END_TEST

START_TEST(encoded_words) {
        check_subject(" =?UTF-8?Q?Entw=C3=BCrfe_und_mehr?=", "Entw\303\274rfe und mehr");
        check_subject(" =?utf-8?b?RW50d8O8cmZl?=", "Entw\303\274rfe");
        check_subject(" =?ISO-8859-1?Q?Entw=FCrfe?= x", "Entw\303\274rfe x");
        check_subject(" =?iso-8859-1*de?B?/A==?=", "\303\274");
        check_subject(" =?us-ascii?q?a=3Db?=", "a=b");
        /* Blanks between two belong to neither; a character may be split. */
        check_subject(" =?utf-8?q?a?= =?utf-8?q?b?=\n =?utf-8?b?w7w=?= c", "ab\303\274 c");
        check_subject(" =?utf-8?q?=C3?= =?utf-8?q?=BC?=", "\303\274");
        check_subject(" a =?utf-8?q?b?= =? =?utf-8?q?c?=", "a b =? c");
        /* Others stay. */
        check_subject(" =?windows-1252?q?=80?=", "=?windows-1252?q?=80?=");
        check_subject(" =?utf-8?x?a?=", "=?utf-8?x?a?=");
        check_subject(" =?utf-8?q?a", "=?utf-8?q?a");
        check_subject(" =?utf-8?q?a?", "=?utf-8?q?a?");
        check_subject(" =?utf-8?q", "=?utf-8?q");
        check_subject(" =??q?a?=", "=??q?a?=");
        check_subject(" =?utf-8?q?a=4?=", "a=4");
        check_subject(" =?utf-8?q?a=zz?=", "a=zz");
        check_subject(" =?utf-8?q?"
                      "?=",
                      "");
        /* An identifier is no text. */
        check_all("Message-ID: =?utf-8?q?a?=\n", "=?utf-8?q?a?=", "", "");
}
END_TEST

START_TEST(hostile) {
        check_subject(" a\033[2Jb", "a?[2Jb");
        check_subject(" caf\351!", "caf?!");
        check_subject(" \342\200\256gpj.exe", "?gpj.exe");
        check_subject(" =?utf-8?q?a=0Bb=00c=1B?=", "a?b?c?");
        check_subject(" =?utf-8?q?a=0Ab?=", "a?b");
        check_subject(" =?iso-8859-1?q?=9B31m?=", "?31m");
        check_subject(" \355\240\200", "???");
        check_subject(" \300\257", "??");
        check_subject(" a\rb", "a b");
        check_subject(" \342\202", "??");
        check_subject(" \342\202\254", "\342\202\254");
}
END_TEST

/* At every length the cut is at the end of a character. */
START_TEST(cut) {
        for (size_t n = 0; n < 300; n++) {
                struct context context;
                char mail[600] = "Subject: ";
                size_t size = 9;

                memset(mail + size, 'x', n);
                size += n;
                for (unsigned i = 0; i < 60; i++) {
                        memcpy(mail + size, "\342\202\254", 3);
                        size += 3;
                }
                context_read(mail, size, &context);
                size = strlen(context.subject);
                ck_assert_uint_le(size, CONTEXT_SUBJECT_SIZE - 1);
                ck_assert_uint_ge(size, MIN(n + 180, (size_t)CONTEXT_SUBJECT_SIZE - 3));
                ck_assert_mem_eq(context.subject, mail + 9, size);
                if (size > n)
                        ck_assert_uint_eq((size - n) % 3, 0);
        }
}
END_TEST

START_TEST(only_the_beginning) {
        _cleanup_free_ char *mail = malloc(2 * CONTEXT_LOOKED);
        struct context context;

        for (size_t i = 0; i < 2 * CONTEXT_LOOKED; i += 4)
                memcpy(mail + i, "X:y\n", 4);
        memcpy(mail + CONTEXT_LOOKED - 8, "From: a\n", 8);
        memcpy(mail + CONTEXT_LOOKED, "Subject: b\n", 11);
        context_read(mail, 2 * CONTEXT_LOOKED, &context);
        ck_assert_str_eq(context.from, "a");
        ck_assert_str_eq(context.subject, "");
}
END_TEST

UNIT_MAIN("context", fields, encoded_words, hostile, cut, only_the_beginning);
