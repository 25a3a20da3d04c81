/* SPDX-License-Identifier: Apache-2.0 */

/* The macros of store/util.h. */

#include "store/util.h"
#include "tests/unit/unit.h"

static unsigned calls;

/* 1, 2, ... */
static unsigned next(void) {
        return ++calls;
}

/* A call that does something, and says something else the next time, must not be made twice. */
START_TEST(test_each_side_once) {
        ck_assert_uint_eq(MIN(5U, next()), 1);
        ck_assert_uint_eq(MIN(next(), 5U), 2);
        ck_assert_uint_eq(MAX(1U, next()), 3);
        ck_assert_uint_eq(MAX(next(), 1U), 4);
        ck_assert_uint_eq(calls, 4);
}
END_TEST

START_TEST(test_nested) {
        size_t big = SIZE_MAX;

        ck_assert_int_eq(MIN(MAX(-3, 2), MAX(1, MIN(7, 9))), 2);
        ck_assert_uint_eq(MIN(big, MAX((size_t)1, (size_t)2)), 2);
        ck_assert_int_eq(MAX(-1, 0), 0);
}
END_TEST

UNIT_MAIN("util", test_each_side_once, test_nested);
