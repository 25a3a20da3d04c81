/* SPDX-License-Identifier: Apache-2.0 */

/* The history of generations: text and table. */

#include <stdio.h>

#include "store/generations.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define NOW UINT64_C(1795470147)

static struct generation named(unsigned n) {
        struct generation g = { .id = "gen" };

        g.id[4] = (uint8_t)(n >> 8);
        g.id[5] = (uint8_t)n;
        return g;
}

static void note(struct generations *g, unsigned n, uint64_t now) {
        const struct generation generation = named(n);

        generations_note(g, &generation, 0xabcdef01, now);
}

START_TEST(test_note) {
        const struct generation first = named(1), second = named(2), third = named(3);
        const struct generation_past *past;
        struct generations g = {};

        ck_assert_ptr_null(generations_find(&g, &first));
        note(&g, 1, NOW);
        note(&g, 2, NOW + 100);
        note(&g, 1, NOW + 200);
        ck_assert_uint_eq(g.n, 2);
        ck_assert_uint_eq(g.installed_sec, NOW);
        past = generations_find(&g, &first);
        ck_assert_ptr_nonnull(past);
        ck_assert_uint_eq(past->first_sec, NOW);
        ck_assert_uint_eq(past->last_sec, NOW + 200);
        ck_assert_uint_eq(past->options, 0xabcdef01);
        ck_assert_uint_eq(generations_find(&g, &second)->first_sec, NOW + 100);
        ck_assert_ptr_null(generations_find(&g, &third));
}
END_TEST

#define DAYS 1000

/* Years of daily signatures: the last ones are known, and when it began. */
START_TEST(test_many) {
        struct generations g = {}, again;
        char text[GENERATIONS_TEXT_MAX];
        size_t n;

        for (unsigned i = 0; i < DAYS; i++)
                note(&g, i, NOW + i * UINT64_C(86400));
        ck_assert_uint_eq(g.n, GENERATIONS_MAX);
        ck_assert_uint_eq(g.installed_sec, NOW);
        for (unsigned i = 0; i < DAYS; i++) {
                const struct generation generation = named(i);

                ck_assert_int_eq(generations_find(&g, &generation) != NULL,
                                 i >= DAYS - GENERATIONS_MAX);
        }
        n = generations_format(&g, text);
        ck_assert_uint_lt(n, sizeof(text));
        ck_assert_int_eq(generations_parse(text, n, &again), 0);
        ck_assert_mem_eq(&again, &g, sizeof(g));
}
END_TEST

/* The one that runs goes last, however long ago it came first. */
START_TEST(test_kept) {
        const struct generation old = named(0);
        struct generations g = {};

        for (unsigned i = 0; i < 2 * GENERATIONS_MAX; i++) {
                note(&g, i, NOW + i * 10);
                note(&g, 0, NOW + i * 10 + 5);
        }
        ck_assert_ptr_nonnull(generations_find(&g, &old));
        ck_assert_uint_eq(generations_find(&g, &old)->first_sec, NOW);
}
END_TEST

START_TEST(test_clock_goes_back) {
        char text[GENERATIONS_TEXT_MAX];
        struct generations g = {}, again;

        note(&g, 1, NOW);
        note(&g, 2, NOW - 5000);
        note(&g, 1, NOW - 6000);
        ck_assert_int_eq(generations_parse(text, generations_format(&g, text), &again), 0);
        ck_assert_mem_eq(&again, &g, sizeof(g));
}
END_TEST

static const char good[] = "storescan-generations 1\n"
                           "installed 1795470147\n"
                           "Zm9vYmFy 1795470147 1795556547 5f3a21c0\n"
                           "Zm9vYmF6 1795556547 1795556547 00000000\n";

START_TEST(test_text) {
        char text[GENERATIONS_TEXT_MAX];
        struct generations g;

        ck_assert_int_eq(generations_parse(good, strlen(good), &g), 0);
        ck_assert_uint_eq(g.n, 2);
        ck_assert_mem_eq(g.past[0].generation.id, "foobar", 6);
        ck_assert_uint_eq(g.past[0].options, 0x5f3a21c0);
        ck_assert_uint_eq(generations_format(&g, text), strlen(good));
        ck_assert_mem_eq(text, good, strlen(good));
}
END_TEST

/* Cut anywhere, or with any byte changed to one that can't stand there. */
START_TEST(test_damaged) {
        static const char *const bad[] = {
                "",
                "storescan-generations 2\ninstalled 1\n",
                "storescan-generations 1\ninstalled \n",
                "storescan-generations 1\ninstalled 1795470147\nshort 1 2 3\n",
                "storescan-generations 1\ninstalled 1795470147\nZm9vYmFy 2 1 00000000\n",
                "storescan-generations 1\ninstalled 1795470147\nZm9vYmFy 1 2 000000000\n",
                "storescan-generations 1\ninstalled 1795470147\nZm9v*mFy 1 2 00000000\n",
                "storescan-generations 1\ninstalled 1795470147\nZm9vYmFy 5 5 0\nZm9vYmF6 4 4 0\n",
        };
        struct generations g;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(generations_parse(bad[i], strlen(bad[i]), &g) == -EINVAL, "%s",
                              bad[i]);
        for (size_t n = 0; n < strlen(good); n++) {
                bool whole = n > strlen("storescan-generations 1\n") && good[n - 1] == '\n';

                ck_assert_int_eq(generations_parse(good, n, &g), whole ? 0 : -EINVAL);
        }
        for (size_t n = 0; n < strlen(good); n++) {
                char text[sizeof(good)];

                memcpy(text, good, sizeof(good));
                text[n] = '\0';
                ck_assert_int_eq(generations_parse(text, strlen(good), &g), -EINVAL);
        }
}
END_TEST

UNIT_MAIN("generations", test_note, test_many, test_kept, test_clock_goes_back, test_text,
          test_damaged);
