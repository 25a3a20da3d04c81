/* SPDX-License-Identifier: Apache-2.0 */

/* The state of a sweep: its text, torn writes, and what a pass may leave out. */

#include "store/sweep-state.h"

#include <stdio.h>

#include "store/util.h"
#include "tests/unit/unit.h"

static const struct sweep_rules plain = { .generation = { { 1, 2, 3, 4, 5, 6 } } },
                                strict = { .generation = { { 1, 2, 3, 4, 5, 6 } }, .strict = true },
                                partial = { .generation = { { 1, 2, 3, 4, 5, 6 } },
                                            .partial = true },
                                other = { .generation = { { 6, 5, 4, 3, 2, 1 } } };

/* As large as it can be. */
static struct sweep_state *full(void) {
        struct sweep_state *s = calloc(1, sizeof(*s));
        char name[32];

        ck_assert_ptr_nonnull(s);
        sweep_state_begin(s, &partial, UINT64_MAX);
        s->sequence = s->pass = s->total = UINT64_MAX;
#define X(name, meaning) s->counters.name = UINT64_MAX;
        SWEEP_COUNTER_TABLE(X)
#undef X
        memset(s->position, '\xff', SWEEP_PATH_MAX);
        for (unsigned i = 0; i <= SWEEP_EXCEPT_MAX; i++) {
                (void)snprintf(name, sizeof(name), "item %u", i);
                sweep_except_add(&s->except, name);
                sweep_except_add(&s->settled_except, name);
        }
        s->mixed = s->settled_strict = true;
        s->settled_msec = s->finished_msec = UINT64_MAX;
        s->settled_generation = other.generation;
        return s;
}

START_TEST(test_text) {
        _cleanup_free_ struct sweep_state *s = full(), *again = calloc(1, sizeof(*again));
        static char text[SWEEP_SLOT_SIZE], text2[SWEEP_SLOT_SIZE];
        size_t n = sweep_state_format(s, text);

        ck_assert_uint_lt(n, SWEEP_SLOT_SIZE);
        ck_assert_uint_eq(n, strlen(text));
        ck_assert_int_eq(sweep_state_parse(text, n, again), 0);
        ck_assert_uint_eq(sweep_state_format(again, text2), n);
        ck_assert_str_eq(text, text2);
        ck_assert_mem_eq(&again->counters, &s->counters, sizeof(s->counters));
        ck_assert_str_eq(again->position, s->position);
        ck_assert(again->except.overflow && again->except.n == SWEEP_EXCEPT_MAX);

        memset(s, 0, sizeof(*s));
        (void)snprintf(s->position, sizeof(s->position), "a b/50%%\n\x7f\x01/ä:2,S");
        n = sweep_state_format(s, text);
        ck_assert_ptr_nonnull(strstr(text, "\nposition a%20b/50%25%0a%7f%01/%c3%a4:2,S\n"));
        ck_assert_int_eq(sweep_state_parse(text, n, again), 0);
        ck_assert_str_eq(again->position, s->position);
}
END_TEST

/* Whatever byte is changed or missing, it is noticed. */
START_TEST(test_damage) {
        _cleanup_free_ struct sweep_state *s = calloc(1, sizeof(*s)),
                                          *again = calloc(1, sizeof(*again));
        static char text[SWEEP_SLOT_SIZE];
        size_t n;

        sweep_state_begin(s, &plain, 1000);
        sweep_except_add(&s->except, "x");
        n = sweep_state_format(s, text);
        for (size_t i = 0; i < n; i++) {
                ck_assert_int_lt(sweep_state_parse(text, i, again), 0);
                text[i] ^= 1;
                ck_assert_int_lt(sweep_state_parse(text, n, again), 0);
                text[i] ^= 1;
        }
        ck_assert_uint_eq(again->pass, 0);
        ck_assert_int_eq(sweep_state_parse(text, n, again), 0);
        memcpy(text + strlen("storescan-sweep "), "2", 1);
        ck_assert_int_eq(sweep_state_parse(text, n, again), -EPROTONOSUPPORT);
}
END_TEST

START_TEST(test_slots) {
        static char file[SWEEP_SLOTS * SWEEP_SLOT_SIZE];
        _cleanup_free_ struct sweep_state *s = calloc(1, sizeof(*s)),
                                          *got = calloc(1, sizeof(*got));

        ck_assert_int_eq(sweep_state_choose(file, 0, got), -ENOENT);
        ck_assert_int_eq(sweep_state_choose(file, sizeof(file), got), -ENOENT);
        for (s->sequence = 1; s->sequence < 9; s->sequence++) {
                char before[64];

                s->pass = 100 + s->sequence;
                /* A writer that dies in the middle leaves the one before. */
                memcpy(before, file + sweep_state_offset(s), sizeof(before));
                (void)sweep_state_format(s, file + sweep_state_offset(s));
                file[sweep_state_offset(s) + 50] ^= 1;
                ck_assert_int_eq(sweep_state_choose(file, sizeof(file), got),
                                 s->sequence == 1 ? -ENOENT : 0);
                if (s->sequence > 1)
                        ck_assert_uint_eq(got->sequence, s->sequence - 1);
                file[sweep_state_offset(s) + 50] ^= 1;
                ck_assert_int_eq(sweep_state_choose(file, sizeof(file), got), 0);
                ck_assert_uint_eq(got->sequence, s->sequence);
                ck_assert_uint_eq(got->pass, s->pass);
        }
        ck_assert_int_eq(sweep_state_choose(file, SWEEP_SLOT_SIZE, got), 0);
        ck_assert_uint_eq(got->sequence, 8);
}
END_TEST

static bool covers(const struct sweep_state *s, const struct sweep_rules *rules, const char *path,
                   uint64_t ctime) {
        return sweep_state_covers(s, rules, path, ctime, 100000);
}

START_TEST(test_covers) {
        _cleanup_free_ struct sweep_state *s = calloc(1, sizeof(*s));

        ck_assert_ptr_nonnull(s);
        ck_assert(!covers(s, &plain, "a", 0));
        sweep_state_begin(s, &plain, 50000);
        sweep_except_add(&s->except, "open all the time");
        ck_assert(!covers(s, &plain, "a", 10000)); /* not before its end */
        sweep_state_finish(s, 60000);
        ck_assert(covers(s, &plain, "a", 10000));
        ck_assert(!covers(s, &plain, "open all the time", 10000));
        ck_assert(!covers(s, &other, "a", 10000));
        ck_assert(!covers(s, &strict, "a", 10000));                   /* hubs' word was taken */
        ck_assert(!covers(s, &plain, "a", 55000));                    /* changed later */
        ck_assert(!covers(s, &plain, "a", 49500));                    /* nobody knows */
        ck_assert(!sweep_state_covers(s, &plain, "a", 10000, 49000)); /* the clock was set */

        /* A pass that saw less says nothing; what the one before said is still so. */
        sweep_state_begin(s, &partial, 70000);
        sweep_state_finish(s, 80000);
        ck_assert(covers(s, &plain, "a", 10000) && !covers(s, &plain, "a", 65000));
        sweep_state_begin(s, &plain, 70000);
        sweep_state_resume(s, &other, 75000);
        sweep_state_finish(s, 80000);
        ck_assert(!covers(s, &plain, "a", 65000) && !covers(s, &other, "a", 65000));
        sweep_state_begin(s, &plain, 70000);
        s->except.overflow = true;
        sweep_state_finish(s, 80000);
        ck_assert(!covers(s, &plain, "a", 65000));
        sweep_state_begin(s, &strict, 70000);
        sweep_state_resume(s, &strict, 75000);
        sweep_state_finish(s, 80000);
        ck_assert(covers(s, &plain, "a", 65000) && covers(s, &strict, "a", 65000));
        ck_assert(covers(s, &plain, "open all the time", 10000));
        sweep_state_begin(s, &strict, 90000);
        sweep_state_resume(s, &plain, 91000);
        sweep_state_finish(s, 92000);
        ck_assert(covers(s, &plain, "a", 85000) && !covers(s, &strict, "a", 85000));
}
END_TEST

UNIT_MAIN("sweep-state", test_text, test_damage, test_slots, test_covers);
