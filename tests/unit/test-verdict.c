/* SPDX-License-Identifier: Apache-2.0 */

/* Verdicts and reasons: stable words, and which go together. */

#include <string.h>

#include "store/util.h"
#include "store/verdict.h"
#include "tests/unit/unit.h"

/* Words in logs and JSON are a promise: changing one here means breaking somebody's filter. */
START_TEST(words) {
        static const char *const verdicts[] = { "unknown", "clean", "infected", "unscannable" };
        static const char *const reasons[] = {
                "none",     "limits",  "encrypted", "broken",       "engine",   "timeout",
                "crash",    "hang",    "read",      "overload",     "shutdown", "stamp",
                "protocol", "breaker", "poison",    "half-replaced"
        };

        ck_assert_uint_eq(ELEMENTSOF(verdicts), _VERDICT_MAX);
        ck_assert_uint_eq(ELEMENTSOF(reasons), _REASON_MAX);
        for (int i = 0; i < _VERDICT_MAX; i++)
                ck_assert_str_eq(verdict_name((enum verdict)i), verdicts[i]);
        for (int i = 0; i < _REASON_MAX; i++)
                ck_assert_str_eq(reason_name((enum reason)i), reasons[i]);
        ck_assert_str_eq(verdict_name(_VERDICT_MAX), "invalid");
        ck_assert_str_eq(verdict_name((enum verdict) - 1), "invalid");
        ck_assert_str_eq(reason_name(_REASON_MAX), "invalid");
        ck_assert_str_eq(reason_name((enum reason) - 1), "invalid");
}
END_TEST

START_TEST(nothing_is_clean_by_default) {
        ck_assert_int_eq(VERDICT_UNKNOWN, 0);
        ck_assert(!verdict_reason_fits(0, 0));
}
END_TEST

START_TEST(which_fit) {
        for (int r = 1; r < _REASON_MAX; r++) {
                bool content = r == REASON_LIMITS || r == REASON_ENCRYPTED || r == REASON_BROKEN;

                ck_assert(!verdict_reason_fits(VERDICT_CLEAN, (enum reason)r));
                ck_assert(!verdict_reason_fits(VERDICT_INFECTED, (enum reason)r));
                ck_assert_int_eq(verdict_reason_fits(VERDICT_UNSCANNABLE, (enum reason)r) != 0,
                                 content);
                ck_assert_int_eq(verdict_reason_fits(VERDICT_UNKNOWN, (enum reason)r) != 0,
                                 !content);
        }
        ck_assert(verdict_reason_fits(VERDICT_CLEAN, REASON_NONE));
        ck_assert(verdict_reason_fits(VERDICT_INFECTED, REASON_NONE));
        ck_assert(!verdict_reason_fits(VERDICT_UNSCANNABLE, REASON_NONE));
        ck_assert(!verdict_reason_fits(VERDICT_UNKNOWN, REASON_NONE));
}
END_TEST

START_TEST(out_of_range_never_fits) {
        for (int v = -2; v <= _VERDICT_MAX + 2; v++)
                for (int r = -2; r <= _REASON_MAX + 2; r++)
                        if (v < 0 || v >= _VERDICT_MAX || r < 0 || r >= _REASON_MAX)
                                ck_assert(!verdict_reason_fits((enum verdict)v, (enum reason)r));
}
END_TEST

UNIT_MAIN("verdict", words, nothing_is_clean_by_default, which_fit, out_of_range_never_fits);
