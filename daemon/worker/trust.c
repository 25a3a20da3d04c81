/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the decision whether a verdict stands on sound ground. Must not know of jobs and items. */

#include "daemon/worker/trust.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/util.h"

#define CANARY_FRESH_USEC (5 * USEC_PER_SEC)

uint64_t trust_now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

int trust_prove(struct trust *t, char problem[static ENGINE_PROBLEM_MAX]) {
        /* Without signatures there is nothing that could find it: servers are proven by their pool. */
        int r = t->canary ? canary_check(t->canary, t->engine, problem) : 0;

        if (engine_lost_pool(t->engine)) {
                (void)snprintf(problem, ENGINE_PROBLEM_MAX, "what talks to clamd hung up");
                r = -ECONNRESET;
        }
        (void)spool_tidy(&t->spool);
        t->canary_usec = r < 0 ? 0 : trust_now_usec();
        return r;
}

/* UNKNOWN, as the last answer of this worker. */
static void distrust(struct trust *t, const char *why, struct scan *ret) {
        t->broken = true;
        scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE, why);
}

/* Takes a verdict back if it does not stand on sound ground. */
static void confirm(struct trust *t, struct scan *scan) {
        char problem[ENGINE_PROBLEM_MAX];
        int r;

        if (scan->verdict == VERDICT_INFECTED)
                return;
        r = engine_scanned_here(t->engine) ? spool_check(&t->spool) : 0;
        if (r < 0) {
                (void)snprintf(problem, sizeof(problem), "temporary files can't be made: %s",
                               strerror(-r));
                distrust(t, problem, scan);
                return;
        }
        /* Was it the content or the machine? */
        if (scan->doubtful && trust_prove(t, problem) < 0)
                distrust(t, problem, scan);
        else if (scan->verdict == VERDICT_UNKNOWN && scan->reason == REASON_ENGINE &&
                 trust_prove(t, problem) < 0)
                t->broken = true;
}

void trust_begin(struct trust *t) {
        t->item_usec = 0;
}

/* What is left of the item's time; 0: nothing. For an engine without a limit any other number. */
static uint32_t time_left(const struct trust *t, uint64_t now) {
        uint64_t elapsed = t->item_usec == 0 ? 0 : (now - t->item_usec) / USEC_PER_MSEC;

        if (t->max_scan_msec == 0)
                return UINT32_MAX;
        return elapsed >= t->max_scan_msec ? 0 : t->max_scan_msec - (uint32_t)elapsed;
}

void trust_scan(struct trust *t, const void *data, size_t size, struct scan *ret) {
        char problem[ENGINE_PROBLEM_MAX];
        uint64_t now = trust_now_usec();
        uint32_t left = time_left(t, now);

        if (t->broken) {
                scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE, "the engine failed before");
                return;
        }
        if (left == 0) {
                scan_set(ret, VERDICT_UNKNOWN, REASON_TIMEOUT,
                         "no time was left to look at all of it");
                return;
        }
        if (t->canary_usec == 0 || now - t->canary_usec > CANARY_FRESH_USEC)
                if (trust_prove(t, problem) < 0) {
                        distrust(t, problem, ret);
                        return;
                }
        if (t->item_usec == 0)
                t->item_usec = now;
        (void)engine_set_time_limit(t->engine, t->max_scan_msec > 0 ? left : 0);
        engine_scan(t->engine, data, size, ret);
        confirm(t, ret);
        if (engine_scanned_here(t->engine))
                (void)spool_tidy(&t->spool);
}
