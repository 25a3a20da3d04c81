/* SPDX-License-Identifier: Apache-2.0 */

/* What was counted today, by a wall clock that is set. */

#include "daemon/today.h"

#include <time.h>

#include "store/util.h"
#include "tests/unit/unit.h"

#define HOUR     ((uint64_t)3600 * USEC_PER_SEC)
#define MIDNIGHT ((uint64_t)1795737600 * USEC_PER_SEC) /* 2026-11-27 00:00 UTC */

static void set_zone(const char *zone) {
        ck_assert_int_eq(setenv("TZ", zone, 1), 0);
        tzset();
}

START_TEST(counts_from_the_start) {
        struct stats stats = { .denied = 5, .infected = 3 };
        struct today today = {};

        set_zone("UTC0");
        today_at(&today, &stats, MIDNIGHT + HOUR);
        stats.denied = 7;
        today_at(&today, &stats, MIDNIGHT + (23 * HOUR));
        ck_assert_uint_eq(today.since_usec, MIDNIGHT + HOUR);
        ck_assert_uint_eq(today.denied, 5);
        ck_assert_uint_eq(today.infected, 3);
}
END_TEST

START_TEST(begins_anew_at_midnight) {
        struct stats stats = { .denied = 5 };
        struct today today = {};

        set_zone("UTC0");
        today_at(&today, &stats, MIDNIGHT - 1);
        stats.denied = 7;
        today_at(&today, &stats, MIDNIGHT);
        ck_assert_uint_eq(today.since_usec, MIDNIGHT);
        ck_assert_uint_eq(today.denied, 7);
        /* A year later the day has the same number. */
        today_at(&today, &stats, MIDNIGHT + (365 * 24 * HOUR));
        ck_assert_uint_eq(today.since_usec, MIDNIGHT + (365 * 24 * HOUR));
}
END_TEST

START_TEST(midnight_is_local) {
        struct stats stats = {};
        struct today today = {};

        set_zone("XYZ-1"); /* an hour ahead */
        today_at(&today, &stats, MIDNIGHT - (2 * HOUR));
        today_at(&today, &stats, MIDNIGHT - HOUR - 1);
        ck_assert_uint_eq(today.since_usec, MIDNIGHT - (2 * HOUR));
        today_at(&today, &stats, MIDNIGHT - HOUR);
        ck_assert_uint_eq(today.since_usec, MIDNIGHT - HOUR);
        today_at(&today, &stats, MIDNIGHT);
        ck_assert_uint_eq(today.since_usec, MIDNIGHT - HOUR);
}
END_TEST

START_TEST(wants_to_be_called_soon) {
        struct stats stats = {};
        struct today today = {};
        uint64_t due = today_run(&today, &stats, HOUR);

        ck_assert_uint_gt(due, HOUR);
        ck_assert_uint_le(due, 2 * HOUR);
        ck_assert_uint_ne(today.since_usec, 0);
        ck_assert_uint_eq(today_run(&today, &stats, due - 1), due);
}
END_TEST

UNIT_MAIN("today", counts_from_the_start, begins_anew_at_midnight, midnight_is_local,
          wants_to_be_called_soon);
