/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A file of one item that is infected, in a store where such are replaced: has it cured, and judged
 * again. Those who wait go on waiting, up to their deadline (scans.c). Nothing but what the engine
 * finds clean is served afterwards; what could not be replaced is blocked.
 */

#include "daemon/clock.h"
#include "daemon/policy.h"
#include "daemon/scans-private.h"
#include "daemon/stores.h"

/* How often others may change it, or cure it, before it is blocked. */
#define CURES_MAX 3

static bool wants_cure(const struct scan *scan) {
        const struct cures *cures = scan->scans->cures;

        if (!cures || scan->cure_over || policy_deed(scan->store) != DEED_REPLACE)
                return false;
        if (scan->verdict == VERDICT_INFECTED)
                return !scan_is_released(scan) &&
                       !cures_hopeless(cures, scan->dev, scan->ino, 0, scan->size);
        /* What was read may be half of a notice, half of what it takes the place of. */
        return scan->verdict == VERDICT_CLEAN && !scan->leased &&
               cures_has(cures, scan->dev, scan->ino, 0);
}

/* The content may be another one than before. */
static void judge_again(struct scan *scan) {
        const struct generation *running = pool_generation(scan->scans->pool);
        struct stat st;

        scan->leased = scans_can_know_writers(scan->fd, NULL) && lease_take(scan->fd) >= 0;
        if (fstat(scan->fd, &st) < 0) {
                scan->verdict = VERDICT_UNKNOWN;
                scan->reason = REASON_READ;
                scan->cure_over = true;
                scan_decided(scan);
                return;
        }
        scan->size = (uint64_t)st.st_size;
        if (running)
                scan->generation = *running;
        scan_start(scan, true);
}

static void cured(struct cure *cure, void *userdata) {
        struct scan *scan = userdata;

        cure_free(scan->cure);
        scan->cure = cure;
        switch (cure->outcome) {
        case CURE_REPLACED:
                scan->cure_over = true;
                judge_again(scan);
                break;
        case CURE_AGAIN: judge_again(scan); break;
        case CURE_BUSY:
        case CURE_FAILED:
        default:
                scan->cure_over = true;
                if (scan->verdict != VERDICT_INFECTED) {
                        judge_again(scan);
                        break;
                }
                /* Of what is known by its stamp, the plan told more. */
                if (scan->signature[0] == '\0')
                        memcpy(scan->signature, cure->signature, sizeof(scan->signature));
                scan_decided(scan);
        }
}

/* Whatever an engine makes of it: it is served when it is completed. */
static bool is_half_replaced(struct scan *scan) {
        const struct cures *cures = scan->scans->cures;

        if (!cures || policy_deed(scan->store) == DEED_ALLOW ||
            !cures_unfinished(cures, scan->dev, scan->ino, 0, UINT64_MAX))
                return false;
        scan->verdict = VERDICT_UNKNOWN;
        scan->reason = REASON_HALF;
        scan->was_infected = true;
        return true;
}

bool scan_cure(struct scan *scan) {
        struct scans *scans = scan->scans;
        bool awaited;
        pid_t pid;
        int r;

        if (is_half_replaced(scan))
                return false;
        if (!wants_cure(scan))
                return false;
        scan->was_infected = true;
        scan->cure_over = ++scan->n_cures > CURES_MAX;
        if (scan->cure_over)
                return false;
        awaited = scan_is_awaited(scan, &pid);
        /* It is ours, and would keep the remedy out. */
        scan_unhash(scan);
        lease_drop(scan->fd);
        scan->leased = false;
        r = cures_begin(
                scans->cures,
                &(struct cure_subject){
                        .fd = scan->fd,
                        .awaited = awaited,
                        .pid = pid,
                        .store = scan->store,
                        .form = stores_form(scan->store->format),
                        .size = scan->size,
                        .due_usec = now_usec() + config_scan_timeout(scans->config, scan->store),
                        .generation = &scan->generation,
                        .done = cured,
                        .userdata = scan,
                });
        scan->cure_over = r < 0;
        return r >= 0;
}
