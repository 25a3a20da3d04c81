/* SPDX-License-Identifier: Apache-2.0 */

/* What "storescanctl status" calls well and what not. */

#include "daemon/ctl/health.h"

#include <errno.h>
#include <string.h>

#include "store/util.h"
#include "tests/unit/unit.h"

#define DAY ((uint64_t)24 * 3600 * USEC_PER_SEC)
#define NOW (20000 * DAY)

static const struct hook_status hooked = { "mail", "yes", "", 0 };
static const struct hook_status passed_by = { "mail", "no", "", 0 };
static const struct hook_status untested = { "mail", "unknown", "Operation not supported",
                                             UINT64_MAX };
static const struct hook_status not_yet = { "mail", "unknown", "", UINT64_MAX };

static struct store_said there = { (char *)(uintptr_t) "mail", "guarded", false };
static struct store_said missing = { (char *)(uintptr_t) "mail", "missing", false };
static struct store_said unmounted = { (char *)(uintptr_t) "mail", "unmounted", true };
static struct store_said failed = { (char *)(uintptr_t) "mail", "failed", false };

static const struct {
        struct metrics says;
        const struct hook_status *hook;
        enum health health;
        size_t n;
        const char *text; /* of the first reason */
} cases[] = {
        { { .guarding = true }, &hooked, HEALTH_WELL, 0, NULL },
        { { .guarding = true }, NULL, HEALTH_WELL, 0, NULL },
        { { .guarding = true }, &not_yet, HEALTH_WELL, 0, NULL },
        { { .guarding = true, .breaker = "closed", .database_usec = NOW - (3 * DAY) },
          &hooked,
          HEALTH_WELL,
          0,
          NULL },
        /* Clocks differ. */
        { { .guarding = true, .database_usec = NOW + DAY }, &hooked, HEALTH_WELL, 0, NULL },
        { { .guarding = true, .database_usec = NOW - (4 * DAY) },
          &hooked,
          HEALTH_ATTENTION,
          1,
          "the signatures are 4 days old" },
        { { .guarding = true, .paused = true },
          &hooked,
          HEALTH_ATTENTION,
          1,
          "every open passes unscanned" },
        { { .guarding = true, .breaker = "open" }, &hooked, HEALTH_ATTENTION, 1, NULL },
        { { .guarding = true, .breaker = "probing" }, &hooked, HEALTH_ATTENTION, 1, NULL },
        { { .guarding = true, .refused_signatures = true }, &hooked, HEALTH_ATTENTION, 1, NULL },
        { { .guarding = true, .refused_config = true }, &hooked, HEALTH_ATTENTION, 1, NULL },
        { { .guarding = true, .failed_sweep = "mail" },
          &hooked,
          HEALTH_ATTENTION,
          1,
          "the sweep of store 'mail' failed" },
        { { .guarding = true },
          &untested,
          HEALTH_ATTENTION,
          1,
          "store 'mail' can't be tested: Operation not supported" },
        { { .guarding = true },
          &passed_by,
          HEALTH_NOT_HOOKED,
          1,
          "opens in store 'mail' pass storescand by" },
        { { .guarding = true, .paused = true },
          &passed_by,
          HEALTH_NOT_HOOKED,
          2,
          "opens in store 'mail' pass storescand by" },
        { { .guarding = true, .stores = &there, .n_stores = 1 }, &hooked, HEALTH_WELL, 0, NULL },
        { { .guarding = true, .stores = &missing, .n_stores = 1 },
          &hooked,
          HEALTH_ATTENTION,
          1,
          "the folder of store 'mail' is missing" },
        { { .guarding = true, .stores = &unmounted, .n_stores = 1 },
          &hooked,
          HEALTH_ATTENTION,
          2,
          "the file system of store 'mail' is not mounted" },
        { { .guarding = true, .stores = &failed, .n_stores = 1 },
          NULL,
          HEALTH_NOT_HOOKED,
          1,
          NULL },
        { {}, NULL, HEALTH_NOT_HOOKED, 1, "storescand does not guard yet" },
};

START_TEST(cases_are_judged) {
        struct health_report report;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                health_judge(&cases[i].says, cases[i].hook, cases[i].hook ? 1 : 0, NOW, &report);
                ck_assert_msg(report.health == cases[i].health && report.n == cases[i].n,
                              "case %zu", i);
                if (cases[i].text)
                        ck_assert_str_eq(report.reasons[0].text, cases[i].text);
                for (size_t k = 0; k < report.n; k++)
                        ck_assert_uint_gt(strlen(report.reasons[k].advice), 0);
        }
}
END_TEST

START_TEST(what_is_not_there_is_not_marked) {
        ck_assert_str_eq(health_untested_advice(error_text(ENOENT)),
                         "Correct its path, or mount what belongs there.");
        ck_assert_ptr_nonnull(strstr(health_untested_advice(error_text(EROFS)), "is marked"));
}
END_TEST

START_TEST(many_reasons_are_cut) {
        struct hook_status hooks[HEALTH_REASONS_MAX + 1];
        struct health_report report;

        for (size_t i = 0; i < ELEMENTSOF(hooks); i++)
                hooks[i] = i < HEALTH_REASONS_MAX ? untested : passed_by;
        health_judge(&(struct metrics){ .guarding = true }, hooks, ELEMENTSOF(hooks), NOW, &report);
        ck_assert_uint_eq(report.n, HEALTH_REASONS_MAX);
        ck_assert_int_eq(report.health, HEALTH_NOT_HOOKED);
}
END_TEST

START_TEST(statuses_are_kept) {
        static const char *const names[] = { "well", "attention", "not-hooked", "not-running" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ck_assert_str_eq(health_name((enum health)i), names[i]);
}
END_TEST

UNIT_MAIN("health", cases_are_judged, what_is_not_there_is_not_marked, many_reasons_are_cut,
          statuses_are_kept);
