/* SPDX-License-Identifier: Apache-2.0 */

/*
 * journal.c: the sentences, the bounded queue with several producers, and that nobody ever waits
 * for a log that does not move.
 */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "daemon/clock.h"
#include "daemon/journal.h"
#include "unit.h"

static char message[8192];

static struct log_record record(void) {
        struct log_record r = {
                .kind = EVENT_BLOCKED,
                .has_verdict = true,
                .has_opener = true,
                .action = LOG_ACTION_DENIED,
                .verdict = VERDICT_INFECTED,
                .pid = 42,
                .uid = 1000,
                .comm = "imap",
                .signature = "Eicar",
                .path = "/srv/mail/cur/1",
        };

        return r;
}

static void expect(const struct log_record *r, const char *text) {
        size_t n = journal_message(r, message, sizeof(message));

        ck_assert_str_eq(message, text);
        ck_assert_uint_eq(n, strlen(text));
}

START_TEST(test_sentences) {
        struct log_record r = record();

        expect(&r, "Denied open of '/srv/mail/cur/1' by imap[42] (uid 1000): infected with Eicar.");
        r.tier = LOG_TIER_STAMP;
        r.signature[0] = '\0';
        expect(&r,
               "Denied open of '/srv/mail/cur/1' by imap[42] (uid 1000): infected, known by its "
               "stamp.");
        r = record();
        r.action = LOG_ACTION_ALLOWED;
        r.verdict = VERDICT_UNSCANNABLE;
        r.reason = REASON_ENCRYPTED;
        strcpy(r.signature, "Heuristics.Encrypted.Zip");
        r.comm[0] = '\0';
        r.uid = (uid_t)-1;
        expect(&r, "Allowed open of '/srv/mail/cur/1' by process[42]: not scannable (encrypted: "
                   "Heuristics.Encrypted.Zip).");
        r.verdict = VERDICT_UNKNOWN;
        r.reason = REASON_TIMEOUT;
        r.signature[0] = '\0';
        r.has_opener = false;
        r.action = LOG_ACTION_NONE;
        expect(&r, "Found '/srv/mail/cur/1': could not be scanned (timeout).");
}
END_TEST

START_TEST(test_hostile_texts) {
        struct log_record r = record();

        strcpy(r.path, "/srv/a\nb\x1b[31m'\\\x7f");
        strcpy(r.comm, "x\ny");
        expect(&r,
               "Denied open of '/srv/a\\x0ab\\x1b[31m\\x27\\x5c\\x7f' by x\\x0ay[42] (uid 1000): "
               "infected with Eicar.");
}
END_TEST

START_TEST(test_not_utf8) {
        struct log_record r = record();

        strcpy(r.comm, "x");
        /* Good, cut short, overlong, surrogate, beyond Unicode, stray, C1 control. */
        strcpy(r.path, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7"
                       "|\xc3|\xe2\x82|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\x80|\xc2\x9b");
        expect(&r, "Denied open of '\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7"
                   "|\\xc3|\\xe2\\x82|\\xc0\\xaf|\\xed\\xa0\\x80|\\xf4\\x90\\x80\\x80|\\x80|"
                   "\\xc2\\x9b' "
                   "by x[42] (uid 1000): infected with Eicar.");
}
END_TEST

START_TEST(test_cut) {
        struct log_record r = record();
        char small[20];

        memset(r.path, '\n', sizeof(r.path) - 1); /* escapes to four times its length */
        r.path[sizeof(r.path) - 1] = '\0';
        ck_assert_uint_eq(journal_message(&r, message, sizeof(message)), sizeof(message) - 1);
        ck_assert_uint_eq(journal_message(&r, small, sizeof(small)), sizeof(small) - 1);
        ck_assert_str_eq(small, "Denied open of '\\x0");
}
END_TEST

/* stderr becomes a pipe that we read. */
static int take_stderr(void) {
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        close(fds[1]);
        return fds[0];
}

static size_t count_lines(int fd, const char *word) {
        static char text[1 << 20];
        size_t n = 0, lines = 0;
        ssize_t k;

        fcntl(fd, F_SETFL, O_NONBLOCK);
        while (n < sizeof(text) - 1 && (k = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
                n += (size_t)k;
        text[n] = '\0';
        for (const char *p = text; (p = strstr(p, word)); p++)
                lines++;
        return lines;
}

#define PRODUCERS 4
#define EACH      200

static struct journal *journal;

static void *produce(void *userdata) {
        for (int i = 0; i < EACH; i++)
                journal_say(journal, EVENT_KERNEL, NULL, "producer %p line %d", userdata, i);
        return NULL;
}

START_TEST(test_many_producers) {
        pthread_t threads[PRODUCERS];
        int out = take_stderr();
        size_t lines;

        ck_assert_int_eq(journal_new(PRODUCERS * EACH, &journal), 0);
        for (size_t i = 0; i < PRODUCERS; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, (void *)i), 0);
        for (size_t i = 0; i < PRODUCERS; i++)
                pthread_join(threads[i], NULL);
        ck_assert_uint_eq(journal_dropped(journal), 0);
        journal = journal_free(journal);
        lines = count_lines(out, "storescand: kernel: producer ");
        ck_assert_uint_eq(lines, PRODUCERS * EACH);
}
END_TEST

/* The invariant of the whole file: a log that nobody reads costs its writers records, not time. */
START_TEST(test_stuck) {
        int out = take_stderr();
        uint64_t before, dropped;
        static char filler[4096];

        memset(filler, 'x', sizeof(filler) - 1);
        fcntl(out, F_SETPIPE_SZ, 4096);
        fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
        while (write(STDERR_FILENO, filler, sizeof(filler)) > 0)
                ;
        fcntl(STDERR_FILENO, F_SETFL, 0);

        ck_assert_int_eq(journal_new(16, &journal), 0);
        before = now_usec();
        for (int i = 0; i < 1000; i++)
                journal_say(journal, EVENT_KERNEL, NULL, "line %d", i);
        ck_assert_uint_lt(now_usec() - before, USEC_PER_SEC);
        dropped = journal_dropped(journal);
        ck_assert_uint_ge(dropped, 1000 - 16 - 1);
        ck_assert_uint_lt(dropped, 1000);

        /* The log moves again: the loss is told. */
        while (read(out, filler, sizeof(filler)) == sizeof(filler) &&
               count_lines(out, "dropped") == 0)
                (void)poll(&(struct pollfd){ .fd = out, .events = POLLIN }, 1, 1000);
        (void)journal_free(journal);
}
END_TEST

START_TEST(test_free_of_a_stuck_log) {
        int out = take_stderr();
        static char filler[4096];
        uint64_t before;

        fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
        while (write(STDERR_FILENO, filler, sizeof(filler)) > 0)
                ;
        fcntl(STDERR_FILENO, F_SETFL, 0);
        ck_assert_int_eq(journal_new(16, &journal), 0);
        journal_say(journal, EVENT_KERNEL, NULL, "nobody reads this");
        before = now_usec();
        journal = journal_free(journal);
        ck_assert_uint_lt(now_usec() - before, 3 * USEC_PER_SEC);
        (void)out; /* stays open: its writer still waits */
}
END_TEST

/* One reader that tries an infected file again and again does not fill the log. */
START_TEST(test_repeats) {
        int out = take_stderr();
        size_t lines;

        ck_assert_int_eq(journal_new(256, &journal), 0);
        for (int i = 0; i < 200; i++) {
                struct log_record *r = journal_get(journal, EVENT_BLOCKED);

                ck_assert_ptr_nonnull(r);
                r->has_verdict = r->has_opener = true;
                r->verdict = VERDICT_INFECTED;
                snprintf(r->path, sizeof(r->path), "/srv/%d", i % 2);
                journal_put(journal, r);
        }
        journal = journal_free(journal);
        lines = count_lines(out, "storescand: blocked: ");
        ck_assert_uint_eq(lines, 2);
}
END_TEST

/* A store whose mail is all encrypted is told of once, not once for each mail. */
START_TEST(test_mail_crypt_once) {
        static const char *const stores[] = { "one", "two" };
        int out = take_stderr();
        size_t lines;

        ck_assert_int_eq(journal_new(256, &journal), 0);
        for (int i = 0; i < 20; i++) {
                struct log_record *r = journal_get(journal, EVENT_MAIL_CRYPT);

                ck_assert_ptr_nonnull(r);
                r->has_verdict = true;
                r->verdict = VERDICT_UNSCANNABLE;
                r->reason = REASON_ENCRYPTED;
                r->store = stores[i % 2];
                snprintf(r->path, sizeof(r->path), "/srv/%d", i);
                journal_put(journal, r);
        }
        journal = journal_free(journal);
        lines = count_lines(out, "storescand: mail-crypt: ");
        ck_assert_uint_eq(lines, 2);
}
END_TEST

UNIT_MAIN("journal", test_sentences, test_hostile_texts, test_not_utf8, test_cut,
          test_many_producers, test_stuck, test_free_of_a_stuck_log, test_repeats,
          test_mail_crypt_once);
