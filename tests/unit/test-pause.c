/* SPDX-License-Identifier: Apache-2.0 */

/* A pause begins, lets go, and ends. Its neighbours are stand-ins that write down what is asked. */

#include <stdarg.h>
#include <stdio.h>

#include "daemon/clock.h"
#include "daemon/pause.h"
#include "tests/unit/unit.h"

static char calls[256]; /* one letter each */
static char said[512];
static struct stats stats;
static struct stamper_withdrawal *withdrawal;

static void called(char letter) {
        size_t n = strlen(calls);

        ck_assert_uint_lt(n + 1, sizeof(calls));
        calls[n] = letter;
        calls[n + 1] = '\0';
}

static void expect_calls(const char *expected) {
        ck_assert_str_eq(calls, expected);
        calls[0] = '\0';
}

void gate_answer(struct gate *gate, int fd, bool allow, bool keep) {
        ck_assert(allow);
        called(keep ? 'K' : 'A');
}

void gate_flush(struct gate *gate) {
        called('f');
}

void gate_close(struct gate *gate, int fd) {
        ck_assert_int_eq(fd, 7);
        called('c');
}

void scans_let_go(struct scans *scans) {
        called('s');
}

void many_let_go(struct many *many) {
        called('m');
}

struct stamper *scans_stamper(struct scans *scans) {
        return NULL;
}

void stamper_withdraw(struct stamper *stamper, int fd, struct stamper_withdrawal *w) {
        ck_assert_int_eq(fd, 7);
        called('w');
        withdrawal = w;
}

void journal_say(struct journal *journal, enum event_kind kind, const char *store,
                 const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(said, sizeof(said), format, ap);
        va_end(ap);
        called(kind == EVENT_PAUSED ? 'P' : kind == EVENT_RESUMED ? 'R' : '?');
}

static void changed(void *userdata) {
        ck_assert_ptr_eq(userdata, &stats);
        called('C');
}

static struct pause new_pause(void) {
        return (struct pause){ .stats = &stats, .changed = changed, .userdata = &stats };
}

START_TEST(test_time_is_mandatory) {
        struct pause p = new_pause();

        ck_assert_int_eq(pause_begin(&p, 0, "test"), -EINVAL);
        ck_assert_int_eq(pause_begin(&p, PAUSE_MAX_USEC + 1, "test"), -EINVAL);
        ck_assert_int_eq(pause_begin(&p, USEC_INFINITY, "test"), -EINVAL);
        ck_assert(!pause_is_on(&p));
        ck_assert_uint_eq(pause_run(&p, now_usec()), USEC_INFINITY);
        pause_end(&p, "test");
        expect_calls("");
}
END_TEST

START_TEST(test_pause) {
        struct pause p = new_pause();
        uint64_t begin = now_usec();

        ck_assert_int_eq(pause_begin(&p, 60 * USEC_PER_SEC, "uid 5"), 0);
        expect_calls("smPC");
        ck_assert_ptr_nonnull(strstr(said, "60 s by uid 5"));
        ck_assert(pause_is_on(&p));
        ck_assert_uint_ge(pause_run(&p, begin), begin + 60 * USEC_PER_SEC);
        for (unsigned i = 0; i < 3; i++)
                ck_assert(pause_let(&p, 7, false));
        expect_calls("AAA");
        ck_assert_uint_eq(stats.paused, 3);
        pause_end(&p, "uid 6");
        expect_calls("RC");
        ck_assert_ptr_nonnull(strstr(said, "by uid 6"));
        ck_assert_ptr_nonnull(strstr(said, " 3 accesses"));
        ck_assert(!pause_is_on(&p));
}
END_TEST

START_TEST(test_ends_by_itself) {
        struct pause p = new_pause();
        uint64_t due;

        ck_assert_int_eq(pause_begin(&p, USEC_PER_SEC, "test"), 0);
        ck_assert_int_eq(pause_begin(&p, 5 * USEC_PER_SEC, "test"), 0); /* longer, after all */
        due = pause_run(&p, now_usec());
        expect_calls("smPCsmPC");
        ck_assert_uint_eq(pause_run(&p, due - 1), due);
        expect_calls("");
        ck_assert_uint_eq(pause_run(&p, due), USEC_INFINITY);
        expect_calls("RC");
        ck_assert(!pause_is_on(&p));
}
END_TEST

/* The answer goes out, the stamp goes off, and only then the fd. */
START_TEST(test_writer) {
        struct pause p = new_pause();

        ck_assert_int_eq(pause_begin(&p, USEC_PER_SEC, "test"), 0);
        calls[0] = '\0';
        ck_assert(pause_let(&p, 7, true));
        expect_calls("Kfw");
        ck_assert(pause_busy(&p));
        pause_end(&p, "test");
        ck_assert(pause_busy(&p));
        calls[0] = '\0';
        withdrawal->done(withdrawal, -EIO);
        expect_calls("c");
        ck_assert_uint_eq(stats.stamps_failed, 1);
        ck_assert(!pause_busy(&p));
}
END_TEST

UNIT_MAIN("pause", test_time_is_mandatory, test_pause, test_ends_by_itself, test_writer);
