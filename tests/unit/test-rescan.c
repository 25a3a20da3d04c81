/* SPDX-License-Identifier: Apache-2.0 */

/* What the past is worth, by a clock that is set. */

#include "store/rescan.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define DAY  UINT64_C(86400)
#define THEN UINT64_C(1795470147) /* the first generation */
#define NOW  (THEN + 10 * DAY)    /* the second one came a minute ago */

static const struct generation old = { .id = "older!" }, running = { .id = "newer!" },
                               lax = { .id = "laxer!" }, stranger = { .id = "others" };

static struct generations history(void) {
        struct generations g = {};

        generations_note(&g, &old, 1, THEN);
        generations_note(&g, &lax, 2, THEN + DAY);
        generations_note(&g, &running, 1, NOW - 60);
        return g;
}

static struct stamp stamp_of(const struct generation *generation, enum verdict verdict,
                             uint64_t sec) {
        return (struct stamp){
                .verdict = verdict,
                .generation = *generation,
                .time_msec = sec * 1000,
        };
}

static bool accepts(const struct rescan_policy *policy, const struct stamp *stamp, uint64_t sec) {
        const struct generations g = history();

        return rescan_accepts(policy, &g, &running, stamp, sec * 1000);
}

START_TEST(test_on_access) {
        const struct rescan_policy policy = { .mode = RESCAN_ON_ACCESS };
        const struct stamp stamp = stamp_of(&old, VERDICT_CLEAN, NOW - DAY);

        ck_assert(!accepts(&policy, &stamp, NOW));
}
END_TEST

START_TEST(test_sweep) {
        const struct rescan_policy policy = { .mode = RESCAN_SWEEP };
        const struct stamp stamp = stamp_of(&old, VERDICT_CLEAN, THEN + 5);

        ck_assert(accepts(&policy, &stamp, NOW));
        ck_assert(accepts(&policy, &stamp, NOW + 1000 * DAY));
}
END_TEST

START_TEST(test_never_older) {
        const struct rescan_policy policy = {
                .mode = RESCAN_NEVER_OLDER,
                .max_age_sec = 3 * DAY,
        };
        struct stamp stamp = stamp_of(&old, VERDICT_CLEAN, NOW - 3 * DAY);

        ck_assert(accepts(&policy, &stamp, NOW));
        ck_assert(!accepts(&policy, &stamp, NOW + 1));
        stamp.time_msec = THEN * 1000;
        ck_assert(!accepts(&policy, &stamp, NOW));
}
END_TEST

/* However lenient: only what was found clean, here, by the rules of now. */
START_TEST(test_never_accepted) {
        static const enum verdict bad[] = { VERDICT_UNKNOWN, VERDICT_INFECTED,
                                            VERDICT_UNSCANNABLE };
        struct generations g = history();
        struct stamp stamp;

        for (unsigned mode = 0; mode < _RESCAN_MODE_MAX; mode++) {
                const struct rescan_policy policy = {
                        .mode = (enum rescan_mode)mode,
                        .max_age_sec = 1000 * DAY,
                };

                for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                        stamp = stamp_of(&old, bad[i], NOW - DAY);
                        ck_assert(!accepts(&policy, &stamp, NOW));
                }
                stamp = stamp_of(&stranger, VERDICT_CLEAN, NOW - DAY);
                ck_assert(!accepts(&policy, &stamp, NOW));
                stamp = stamp_of(&lax, VERDICT_CLEAN, NOW - DAY);
                ck_assert(!accepts(&policy, &stamp, NOW));
                stamp = stamp_of(&old, VERDICT_CLEAN, NOW + DAY); /* still to come */
                ck_assert(!accepts(&policy, &stamp, NOW));
                stamp = stamp_of(&old, VERDICT_CLEAN, THEN - DAY); /* from before it was here */
                ck_assert(!accepts(&policy, &stamp, NOW));
                /* What runs is not in the table: nothing is known of its options. */
                stamp = stamp_of(&old, VERDICT_CLEAN, NOW - DAY);
                ck_assert(!rescan_accepts(&policy, &g, &stranger, &stamp, NOW * 1000));
        }
}
END_TEST

START_TEST(test_outbreak) {
        const struct rescan_policy policy = {
                .mode = RESCAN_SWEEP,
                .outbreak_until_sec = NOW + DAY,
                .age = RESCAN_AGE_INSTALL,
        };
        const struct stamp stamp = stamp_of(&old, VERDICT_CLEAN, NOW - DAY);
        const struct stat ancient = { .st_mtim.tv_sec = 1, .st_ctim.tv_sec = 1 };
        const struct generations g = history();

        ck_assert(rescan_outbreak(&policy, NOW));
        ck_assert(!accepts(&policy, &stamp, NOW));
        ck_assert(!accepts(&policy, &stamp, NOW + DAY - 1));
        ck_assert(!rescan_leaves(&policy, &g, &running, &ancient, true, NOW));
        /* Back to normal by itself. */
        ck_assert(!rescan_outbreak(&policy, NOW + DAY));
        ck_assert(accepts(&policy, &stamp, NOW + DAY));
        ck_assert(rescan_leaves(&policy, &g, &running, &ancient, true, NOW + DAY));
}
END_TEST

static bool leaves_as(enum rescan_age age, uint64_t mtime, uint64_t ctime, bool clean,
                      uint64_t now) {
        const struct rescan_policy policy = { .age = age };
        const struct stat st = {
                .st_mtim.tv_sec = (time_t)mtime,
                .st_ctim.tv_sec = (time_t)ctime,
        };
        const struct generations g = history();

        return rescan_leaves(&policy, &g, &running, &st, clean, now);
}

static bool leaves(enum rescan_age age, uint64_t mtime, uint64_t ctime, uint64_t now) {
        return leaves_as(age, mtime, ctime, true, now);
}

START_TEST(test_age) {
        ck_assert(!leaves(RESCAN_AGE_OFF, 1, 1, NOW));

        /* A day at first: what is older is left. */
        ck_assert(leaves(RESCAN_AGE_INSTALL, THEN - DAY - 1, THEN - DAY - 1, THEN));
        ck_assert(!leaves(RESCAN_AGE_INSTALL, THEN - DAY, THEN - DAY, THEN));
        /* After ten days eleven: what came in between is never left. */
        for (uint64_t day = 0; day <= 10; day++) {
                uint64_t now = THEN + day * DAY, limit = (day + 1) * DAY;

                ck_assert(leaves(RESCAN_AGE_INSTALL, now - limit - 1, now - limit - 1, now));
                ck_assert(!leaves(RESCAN_AGE_INSTALL, now - limit, now - limit, now));
        }
        /* Since the update it is a day again. */
        ck_assert(leaves(RESCAN_AGE_UPDATE, NOW - 2 * DAY, NOW - 2 * DAY, NOW));
        ck_assert(!leaves(RESCAN_AGE_UPDATE, NOW - DAY / 2, NOW - DAY / 2, NOW));
        /* That holds for what was found clean. What came since the installation, and is not known to be
         * clean, is scanned however old it gets. */
        ck_assert(!leaves_as(RESCAN_AGE_UPDATE, NOW - 2 * DAY, NOW - 2 * DAY, false, NOW));
        ck_assert(leaves_as(RESCAN_AGE_UPDATE, THEN - 2 * DAY, THEN - 2 * DAY, false, NOW));
        ck_assert(leaves_as(RESCAN_AGE_INSTALL, THEN - 2 * DAY, THEN - 2 * DAY, false, NOW));
        /* The date that a client chose has no say, nor one before the epoch. */
        ck_assert(!leaves(RESCAN_AGE_INSTALL, 1, THEN, THEN));
        ck_assert(!leaves(RESCAN_AGE_INSTALL, THEN, 1, THEN));
        ck_assert(!leaves(RESCAN_AGE_INSTALL, (uint64_t)-1, 1, THEN));
        /* A clock that is wrong leaves nothing. */
        ck_assert(!leaves(RESCAN_AGE_INSTALL, 1, 1, THEN - 1));
}
END_TEST

UNIT_MAIN("rescan", test_on_access, test_sweep, test_never_older, test_never_accepted,
          test_outbreak, test_age);
