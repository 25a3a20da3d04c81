/* SPDX-License-Identifier: Apache-2.0 */

/* Which items are kept from readers, and until when. */

#include "daemon/unfinished.h"

#include "store/util.h"
#include "tests/unit/unit.h"

static struct unfinished unfinished;

static void add(ino_t ino, uint64_t offset, uint64_t size, bool told) {
        ck_assert_int_eq(unfinished_add(&unfinished,
                                        &(struct unfinished_place){ 1, ino, offset, size }, told),
                         0);
}

static bool has(ino_t ino, uint64_t offset, uint64_t size) {
        return unfinished_overlaps(&unfinished, 1, ino, offset, size);
}

static void release(void) {
        unfinished_done(&unfinished);
}

START_TEST(test_ranges) {
        ck_assert(!has(7, 0, UINT64_MAX));
        add(7, 100, 50, true);
        ck_assert(has(7, 0, UINT64_MAX));
        ck_assert(has(7, 149, 1));
        ck_assert(!has(7, 150, UINT64_MAX));
        ck_assert(!has(7, 0, 100));
        ck_assert(!has(8, 100, 50));
        ck_assert(!unfinished_overlaps(&unfinished, 2, 7, 100, 50));
}
END_TEST

START_TEST(test_looks) {
        add(7, 0, 10, false); /* its process died */
        unfinished_looked(&unfinished, false);
        ck_assert(has(7, 0, 10)); /* nobody could tell of it */
        add(7, 0, 10, true);
        unfinished_looked(&unfinished, true);
        ck_assert(has(7, 0, 10)); /* it waits */
        unfinished_looked(&unfinished, true);
        ck_assert(!has(7, 0, 10)); /* it is completed */
        add(8, 0, 10, true);
        unfinished_looked(&unfinished, false);
        unfinished_looked(&unfinished, true);
        ck_assert(!has(8, 0, 10));
        for (ino_t i = 0; i < 100; i++)
                add(i, i, 1, i % 2 == 0);
        unfinished_looked(&unfinished, true);
        for (ino_t i = 0; i < 100; i++)
                ck_assert_int_eq(has(i, i, 1), i % 2 == 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("unfinished");
        TCase *tcase = tcase_create("unfinished");

        tcase_add_checked_fixture(tcase, NULL, release);
        tcase_add_test(tcase, test_ranges);
        tcase_add_test(tcase, test_looks);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
