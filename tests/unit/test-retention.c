/* SPDX-License-Identifier: Apache-2.0 */

/* Which items of a quarantine go by age and size. */

#include "daemon/ctl/retention.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define DAY (24 * 3600 * USEC_PER_SEC)
#define NOW (100 * DAY)

START_TEST(by_age) {
        struct retained items[] = {
                { .time_usec = NOW - 91 * DAY, .size = 10 },
                { .time_usec = NOW - 90 * DAY, .size = 10 }, /* not older than it may be */
                { .time_usec = NOW - 91 * DAY, .size = 10, .needed = true },
                { .time_usec = NOW + DAY, .size = 10 },
                { .time_usec = 0, .size = 10 },
        };

        ck_assert_uint_eq(retention_choose(items, ELEMENTSOF(items), NOW, 90 * DAY, 0), 2);
        ck_assert(items[0].gone && items[4].gone);
        ck_assert(!items[1].gone && !items[2].gone && !items[3].gone);
}
END_TEST

START_TEST(by_size_oldest_first) {
        struct retained items[] = {
                { .time_usec = NOW - 1 * DAY, .size = 40 },
                { .time_usec = NOW - 3 * DAY, .size = 40 },
                { .time_usec = NOW - 2 * DAY, .size = 40 },
                { .time_usec = NOW - 4 * DAY, .size = 40, .needed = true },
        };

        ck_assert_uint_eq(retention_choose(items, ELEMENTSOF(items), NOW, 90 * DAY, 160), 0);
        ck_assert_uint_eq(retention_choose(items, ELEMENTSOF(items), NOW, 90 * DAY, 159), 1);
        ck_assert(items[1].gone && !items[0].gone && !items[2].gone && !items[3].gone);
        /* What is needed stays, even if it is too much alone. */
        ck_assert_uint_eq(retention_choose(items, ELEMENTSOF(items), NOW, 90 * DAY, 1), 3);
        ck_assert(!items[3].gone);
}
END_TEST

START_TEST(age_counts_before_size) {
        struct retained items[] = {
                { .time_usec = NOW - 100 * DAY + 1, .size = UINT64_MAX },
                { .time_usec = NOW - 1 * DAY, .size = 50 },
        };

        ck_assert_uint_eq(retention_choose(items, ELEMENTSOF(items), NOW, 90 * DAY, 50), 1);
        ck_assert(items[0].gone && !items[1].gone);
        /* Sizes that can't be added up are too large. */
        ck_assert_uint_eq(retention_choose(items, ELEMENTSOF(items), NOW, 0, UINT64_MAX - 1), 1);
        ck_assert(items[0].gone);
}
END_TEST

START_TEST(no_limits) {
        struct retained items[] = { { .time_usec = 1, .size = UINT64_MAX } };

        ck_assert_uint_eq(retention_choose(items, ELEMENTSOF(items), NOW, 0, 0), 0);
        ck_assert(!items[0].gone);
        ck_assert_uint_eq(retention_choose(NULL, 0, NOW, DAY, 1), 0);
}
END_TEST

UNIT_MAIN("retention", by_age, by_size_oldest_first, age_counts_before_size, no_limits);
