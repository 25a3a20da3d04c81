/* SPDX-License-Identifier: Apache-2.0 */

/* The breaker, by a clock that is set. */

#include "daemon/breaker.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define START (1000 * USEC_PER_SEC)

static unsigned n_opened, n_closed;

static void changed(void *userdata, bool open) {
        ck_assert_ptr_eq(userdata, &n_opened);
        if (open)
                n_opened++;
        else
                n_closed++;
}

static struct breaker new_breaker(void) {
        return (struct breaker){
                .failures_max = 3,
                .window_usec = 60 * USEC_PER_SEC,
                .changed = changed,
                .userdata = &n_opened,
        };
}

static void failing(struct breaker *b, unsigned n, uint64_t now) {
        while (n-- > 0)
                breaker_tell(b, BREAKER_FAILURE, now);
}

START_TEST(test_opens) {
        struct breaker b = new_breaker();

        failing(&b, 2, START);
        ck_assert(breaker_lets(&b, START));
        failing(&b, 1, START);
        ck_assert(!breaker_lets(&b, START));
        ck_assert(!breaker_lets(&b, START + BREAKER_PAUSE_MIN - 1));
        ck_assert_uint_eq(n_opened, 1);
        failing(&b, 10, START + 1); /* had gone before */
        ck_assert_uint_eq(n_opened, 1);
}
END_TEST

START_TEST(test_in_a_row) {
        struct breaker b = new_breaker();

        for (unsigned i = 0; i < 100; i++) {
                failing(&b, 2, START + i);
                breaker_tell(&b, BREAKER_SUCCESS, START + i);
        }
        failing(&b, 2, START + 200);
        breaker_tell(&b, BREAKER_NEITHER, START + 201);
        ck_assert(breaker_lets(&b, START + 202));
        ck_assert_uint_eq(n_opened + n_closed, 0);
        failing(&b, 1, START + 203); /* NEITHER is no success */
        ck_assert_uint_eq(n_opened, 1);
}
END_TEST

START_TEST(test_window) {
        struct breaker b = new_breaker();

        for (unsigned i = 0; i < 100; i++)
                failing(&b, 1, START + i * 31 * USEC_PER_SEC); /* three take 62 s */
        ck_assert_uint_eq(n_opened, 0);
        failing(&b, 2, START + 99 * 31 * USEC_PER_SEC + 1);
        ck_assert_uint_eq(n_opened, 1);
}
END_TEST

START_TEST(test_probe) {
        struct breaker b = new_breaker();
        uint64_t now = START, pause = BREAKER_PAUSE_MIN;

        failing(&b, 3, now);
        for (unsigned i = 0; i < 10; i++) {
                ck_assert(!breaker_lets(&b, now + pause - 1));
                now += pause;
                ck_assert(breaker_lets(&b, now));
                ck_assert(!breaker_lets(&b, now)); /* one alone */
                failing(&b, 1, now);
                pause = MIN(2 * pause, BREAKER_PAUSE_MAX);
        }
        ck_assert_uint_eq(pause, BREAKER_PAUSE_MAX);
        ck_assert_uint_eq(n_opened, 1);
        now += pause;
        ck_assert(breaker_lets(&b, now));
        breaker_tell(&b, BREAKER_SUCCESS, now);
        ck_assert(breaker_lets(&b, now) && breaker_lets(&b, now));
        ck_assert_uint_eq(n_closed, 1);

        /* The next time it begins with a short pause again. */
        failing(&b, 3, now);
        ck_assert(breaker_lets(&b, now + BREAKER_PAUSE_MIN));
}
END_TEST

/* A probe that came to nothing: the next open is one. One that is never heard of: likewise, in time. */
START_TEST(test_probe_without_result) {
        struct breaker b = new_breaker();
        uint64_t now = START;

        failing(&b, 3, now);
        now += BREAKER_PAUSE_MIN;
        ck_assert(breaker_lets(&b, now));
        breaker_tell(&b, BREAKER_NEITHER, now);
        ck_assert(breaker_lets(&b, now));
        ck_assert(!breaker_lets(&b, now + BREAKER_PROBE_MAX - 1));
        ck_assert(breaker_lets(&b, now + BREAKER_PROBE_MAX));
        ck_assert_uint_eq(n_closed, 0);
}
END_TEST

START_TEST(test_late) {
        struct breaker b = new_breaker();

        breaker_tell(&b, BREAKER_SUCCESS, START);
        /* Slow: it judged something while they waited. */
        for (unsigned i = 0; i < 100; i++)
                breaker_tell_late(&b, START - USEC_PER_SEC, START + USEC_PER_SEC);
        ck_assert_uint_eq(n_opened, 0);
        for (unsigned i = 0; i < 3; i++)
                breaker_tell_late(&b, START + USEC_PER_SEC, START + 30 * USEC_PER_SEC);
        ck_assert_uint_eq(n_opened, 1);
}
END_TEST

START_TEST(test_never) {
        struct breaker b = new_breaker();

        b.failures_max = 0;
        failing(&b, 1000, START);
        ck_assert(breaker_lets(&b, START));
}
END_TEST

START_TEST(test_limit) {
        struct breaker b = new_breaker();

        failing(&b, 3, START);
        breaker_limit(&b, 5, 60 * USEC_PER_SEC);
        ck_assert(!breaker_lets(&b, START));
        breaker_limit(&b, 0, 60 * USEC_PER_SEC);
        ck_assert(breaker_lets(&b, START));
        ck_assert_uint_eq(n_closed, 1);
        breaker_limit(&b, 5, 60 * USEC_PER_SEC);
        breaker_tell(&b, BREAKER_SUCCESS, START);
        failing(&b, 4, START);
        ck_assert(breaker_lets(&b, START));
        failing(&b, 1, START);
        ck_assert(!breaker_lets(&b, START));
}
END_TEST

UNIT_MAIN("breaker", test_opens, test_in_a_row, test_window, test_probe, test_probe_without_result,
          test_late, test_never, test_limit);
