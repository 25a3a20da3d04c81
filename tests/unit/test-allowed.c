/* SPDX-License-Identifier: Apache-2.0 */

/* The list of allowed digests: its text, its order, and what an entry lets through. */

#include <stdio.h>
#include <string.h>

#include "store/allowed.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define A "0000000000000000000000000000000000000000000000000000000000000001"
#define B "00000000000000000000000000000000000000000000000000000000000000ff"

static const struct generation running = { .id = "foobar" }, other = { .id = "foobaz" };

static int parse(const char *text, struct allowed *ret, unsigned *ret_line) {
        return allowed_parse(text, strlen(text), ret, ret_line);
}

START_TEST(test_text) {
        static const char text[] = A " Zm9vYmFy\n" B " forever\n";
        char line[ALLOWED_LINE_MAX + 1], again[sizeof(text)] = "";
        struct allowed allowed = {};
        unsigned at;

        ck_assert_int_eq(parse(text, &allowed, &at), 0);
        ck_assert_uint_eq(allowed.n, 2);
        for (size_t i = 0; i < allowed.n; i++) {
                ck_assert_uint_eq(allowed_format(&allowed.entries[i], line), strlen(line));
                strcat(again, line);
        }
        ck_assert_str_eq(again, text);
        allowed_done(&allowed);
        ck_assert_int_eq(parse("", &allowed, &at), 0);
        ck_assert_uint_eq(allowed.n, 0);
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *text;
                unsigned line;
        } bad[] = {
                { A " forever", 1 },
                { A " Forever\n", 1 },
                { A "  forever\n", 1 },
                { A " forever \n", 1 },
                { A "\n", 1 },
                { "\n", 1 },
                { A " Zm9vYmF\n", 1 },
                { A " Zm9vYmF!\n", 1 },
                { "0" A " forever\n", 1 },
                { A " forever\n" A " forever\n", 2 },
                { B " forever\n" A " forever\n", 2 },
                { A " forever\n# a comment\n", 2 },
                { A " forever\n" B " x\n", 2 },
        };
        struct allowed allowed = {};
        unsigned line;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_msg(parse(bad[i].text, &allowed, &line) == -EINVAL, "%s", bad[i].text);
                ck_assert_uint_eq(line, bad[i].line);
                ck_assert_ptr_null(allowed.entries);
        }
}
END_TEST

START_TEST(test_holds) {
        struct allowed allowed = {};
        uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE], c[DIGEST_SIZE] = {};
        unsigned line;

        ck_assert_int_eq(parse(A " Zm9vYmFy\n" B " forever\n", &allowed, &line), 0);
        ck_assert_int_eq(allowed_digest(A, a), 0);
        ck_assert_int_eq(allowed_digest(B, b), 0);
        ck_assert(allowed_holds(&allowed, a, sizeof(a), &running));
        ck_assert(!allowed_holds(&allowed, a, sizeof(a), &other));
        ck_assert(allowed_holds(&allowed, b, sizeof(b), &running));
        ck_assert(allowed_holds(&allowed, b, sizeof(b), &other));
        ck_assert(!allowed_holds(&allowed, c, sizeof(c), &running));
        allowed_done(&allowed);
        ck_assert(!allowed_holds(&allowed, b, sizeof(b), &other));
}
END_TEST

/* As many as there may be, in any order, and away again: always sorted, none lost. */
START_TEST(test_many) {
        struct allowed allowed = {};
        struct allowed_entry entry = { .forever = true };

        for (uint32_t i = 0; i < 1000; i++) {
                uint32_t key = i * 617 % 1000;

                memcpy(entry.digest, &key, sizeof(key));
                ck_assert_int_eq(allowed_add(&allowed, &entry), 0);
                ck_assert_int_eq(allowed_add(&allowed, &entry), 0);
                ck_assert_uint_eq(allowed.n, i + 1);
        }
        for (size_t i = 1; i < allowed.n; i++)
                ck_assert_int_lt(memcmp(allowed.entries[i - 1].digest, allowed.entries[i].digest,
                                        DIGEST_SIZE),
                                 0);
        for (uint32_t key = 0; key < 1000; key++) {
                memcpy(entry.digest, &key, sizeof(key));
                ck_assert(allowed_find(&allowed, entry.digest));
                ck_assert(allowed_remove(&allowed, entry.digest));
                ck_assert(!allowed_remove(&allowed, entry.digest));
        }
        ck_assert_uint_eq(allowed.n, 0);
        ck_assert_ptr_null(allowed.entries);
}
END_TEST

UNIT_MAIN("allowed", test_text, test_refused, test_holds, test_many);
