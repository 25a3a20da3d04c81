/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How storescand does, judged by what it says of itself: for people, and for monitoring, which goes by the
 * exit status. Pure: asks nobody. */

#include <stddef.h>
#include <stdint.h>

#include "daemon/ctl/metrics.h"

/* freshclam looks several times a day, and there is a new daily.cvd every day. */
#define SIGNATURES_DAYS_MAX 3

/* The exit statuses of "storescanctl status", kept for good. */
enum health {
        HEALTH_WELL,
        HEALTH_ATTENTION,   /* hooked, but somebody should look at it */
        HEALTH_NOT_HOOKED,  /* opens pass by, in a store at least */
        HEALTH_NOT_RUNNING, /* nobody answers */
        _HEALTH_MAX
};

/* What the self-test found in a store. */
struct hook_status {
        char store[64], state[16] /* yes, no, unknown */, problem[128];
        uint64_t age_usec; /* UINT64_MAX: never */
};

#define HEALTH_REASONS_MAX 16 /* what is more is left out: the first are reason enough */

struct health_report {
        enum health health;
        struct health_reason {
                char text[256];     /* what is wrong, a clause; of any bytes */
                const char *advice; /* the next step */
        } reasons[HEALTH_REASONS_MAX];
        size_t n;
};

/* now_usec: since 1970. */
void health_judge(const struct metrics *says, const struct hook_status *hooks, size_t n_hooks,
                  uint64_t now_usec, struct health_report *ret);

/* The next step where a store can't be tested, by why. */
const char *health_untested_advice(const char *problem);

/* "well", "attention", "not-hooked", "not-running"; stable. */
const char *health_name(enum health health);
