/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rule by which a worker trusts its engine: CLEAN is said only while the canary was found
 * lately, temporary files can be made (where libclamav needed some), and it had nothing to complain about.
 */

#include "daemon/worker/canary.h"
#include "daemon/worker/engine.h"
#include "daemon/worker/spool.h"

struct trust {
        struct engine *engine;
        const struct canary *canary; /* NULL: the engine has no signatures */
        uint32_t max_scan_msec;      /* for all scans of one item together; 0: none */
        struct spool spool;
        uint64_t canary_usec; /* when it was last found; 0: not to be relied on */
        uint64_t item_usec;   /* when the first scan of the item began; 0: not yet */
        bool broken;          /* answer what is asked, then end */
};

/* CLOCK_MONOTONIC. */
uint64_t trust_now_usec(void);

/* Looks for the canary. 0, or -EIO and why in problem. */
int trust_prove(struct trust *trust, char problem[static ENGINE_PROBLEM_MAX]);

/* What is scanned from now on is another item, with time of its own. */
void trust_begin(struct trust *trust);

/* engine_scan() with all that it takes to believe it. After a scan that left the engine broken all
 * verdicts are UNKNOWN. */
void trust_scan(struct trust *trust, const void *data, size_t size, struct scan *ret);
