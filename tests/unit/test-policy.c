/* SPDX-License-Identifier: Apache-2.0 */

/* policy.c: what on_infected comes to in each format. */

#include <check.h>
#include <stdlib.h>

#include "daemon/policy.h"

static enum deed deed(enum store_format format, enum on_infected word) {
        struct config_store store = { .format = format, .on_infected = word };

        return policy_deed(&store);
}

static bool warns(enum store_format format, enum on_infected word) {
        struct config_store store = { .format = format, .on_infected = word };

        return policy_hazard(&store);
}

START_TEST(files_of_one) {
        static const enum store_format mail[] = { STORE_FORMAT_MAILDIR, STORE_FORMAT_SDBOX,
                                                  STORE_FORMAT_CYRUS, STORE_FORMAT_MH,
                                                  STORE_FORMAT_SIS };

        for (size_t i = 0; i < ELEMENTSOF(mail); i++) {
                ck_assert_int_eq(deed(mail[i], ON_INFECTED_REPLACE), DEED_REPLACE);
                ck_assert_int_eq(deed(mail[i], ON_INFECTED_BLOCK), DEED_BLOCK);
                ck_assert(!warns(mail[i], ON_INFECTED_REPLACE));
                ck_assert(!warns(mail[i], ON_INFECTED_BLOCK));
        }
}
END_TEST

START_TEST(files_of_many) {
        static const enum store_format many[] = { STORE_FORMAT_MDBOX, STORE_FORMAT_MBOX };

        for (size_t i = 0; i < ELEMENTSOF(many); i++) {
                ck_assert_int_eq(deed(many[i], ON_INFECTED_REPLACE), DEED_REPLACE);
                ck_assert_int_eq(deed(many[i], ON_INFECTED_BLOCK), DEED_REPLACE);
                ck_assert(!warns(many[i], ON_INFECTED_REPLACE));
                ck_assert(warns(many[i], ON_INFECTED_BLOCK));
        }
}
END_TEST

START_TEST(any_files) {
        ck_assert_int_eq(deed(STORE_FORMAT_FILES, ON_INFECTED_REPLACE), DEED_BLOCK);
        ck_assert_int_eq(deed(STORE_FORMAT_FILES, ON_INFECTED_BLOCK), DEED_BLOCK);
        ck_assert(warns(STORE_FORMAT_FILES, ON_INFECTED_REPLACE));
        ck_assert(!warns(STORE_FORMAT_FILES, ON_INFECTED_BLOCK));
}
END_TEST

START_TEST(answers) {
        struct config_store store = { .on_error = ON_FAILURE_ALLOW };

        for (int i = 0; i < _STORE_FORMAT_MAX; i++) {
                store.format = (enum store_format)i;
                store.on_infected = ON_INFECTED_DETECT;
                ck_assert(!policy_hazard(&store));
                ck_assert(policy_allows(&store, VERDICT_INFECTED));
                /* What is not replaced, for whatever reason, is denied. */
                store.on_infected = ON_INFECTED_REPLACE;
                ck_assert(!policy_allows(&store, VERDICT_INFECTED));
                store.on_infected = ON_INFECTED_BLOCK;
                ck_assert(!policy_allows(&store, VERDICT_INFECTED));
        }
        ck_assert(policy_allows(&store, VERDICT_CLEAN));
        ck_assert(policy_allows(&store, VERDICT_UNKNOWN));
        store.on_error = ON_FAILURE_DENY;
        store.on_unscannable = ON_FAILURE_DENY;
        ck_assert(!policy_allows(&store, VERDICT_UNKNOWN));
        ck_assert(!policy_allows(&store, VERDICT_UNSCANNABLE));
        store.on_unscannable = ON_FAILURE_ALLOW;
        ck_assert(policy_allows(&store, VERDICT_UNSCANNABLE));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("policy");
        TCase *tcase = tcase_create("policy");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, files_of_one);
        tcase_add_test(tcase, files_of_many);
        tcase_add_test(tcase, any_files);
        tcase_add_test(tcase, answers);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
