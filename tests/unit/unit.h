/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every unit test's main needs: run one Check suite, print each failure, say so in the exit
 * status. Each test function runs in a process of its own (CK_FORK=no turns that off for gdb).
 */

#include <check.h>
#include <stdlib.h>

static inline int unit_run(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int failed;

        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A suite of one case, from a list of tests: UNIT_MAIN("stamp", test_a, test_b). */
#define UNIT_MAIN(name, ...)                                                  \
        int main(void) {                                                      \
                const TTest *const tests[] = { __VA_ARGS__ };                 \
                Suite *suite = suite_create(name);                            \
                TCase *tcase = tcase_create(name);                            \
                                                                              \
                for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) \
                        tcase_add_test(tcase, tests[i]);                      \
                suite_add_tcase(suite, tcase);                                \
                return unit_run(suite);                                       \
        }                                                                     \
        struct unit_semicolon_
