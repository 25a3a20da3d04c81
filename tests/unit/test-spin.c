/* SPDX-License-Identifier: Apache-2.0 */

/* When the gate looks for the next event instead of sleeping. */

#include "daemon/spin.h"
#include "tests/unit/unit.h"

/* Of so many waits, how many spin; come: whether somebody comes then. */
static unsigned spins(struct spin *spin, unsigned waits, bool come) {
        unsigned n = 0;

        for (unsigned i = 0; i < waits; i++) {
                uint64_t usec = spin_begin(spin);

                if (usec == 0)
                        continue;
                ck_assert_uint_eq(usec, spin->most_usec);
                spin_end(spin, come);
                n++;
        }
        return n;
}

START_TEST(test_off) {
        struct spin spin = {};

        ck_assert_uint_eq(spins(&spin, 100000, true), 0);
}
END_TEST

START_TEST(test_in_vain) {
        struct spin spin = { .most_usec = 50 };

        ck_assert_uint_gt(spins(&spin, 1000, false), 2);
        spins(&spin, 100000, false);
        ck_assert_uint_le(spins(&spin, 100000, false), 25);
}
END_TEST

START_TEST(test_it_pays) {
        struct spin spin = { .most_usec = 50 };

        ck_assert_uint_ge(spins(&spin, 1000, true), 980);
        ck_assert_uint_eq(spins(&spin, 1000, true), 1000);
        /* The end of a burst is noticed soon, and so is the next one. */
        ck_assert_uint_le(spins(&spin, 10, false), 4);
        ck_assert_uint_ge(spins(&spin, 100, true), 80);
}
END_TEST

UNIT_MAIN("spin", test_off, test_in_vain, test_it_pays);
