/* SPDX-License-Identifier: Apache-2.0 */

/* The policies on what is older than the engine. */

#include "store/rescan.h"

#include "store/util.h"

#define DAY_SEC (UINT64_C(24) * 3600)
/* Clocks of a host are set now and then. */
#define SLACK_MSEC (60 * UINT64_C(1000))

bool rescan_outbreak(const struct rescan_policy *policy, uint64_t now_sec) {
        return now_sec < policy->outbreak_until_sec;
}

bool rescan_accepts(const struct rescan_policy *policy, const struct generations *generations,
                    const struct generation *running, const struct stamp *stamp,
                    uint64_t now_msec) {
        const struct generation_past *now = generations_find(generations, running);
        const struct generation_past *past = generations_find(generations, &stamp->generation);

        if (stamp->verdict != VERDICT_CLEAN || rescan_outbreak(policy, now_msec / 1000))
                return false;
        /* Another host's, or scanned less thoroughly than is asked for now. */
        if (!now || !past || past->options != now->options)
                return false;
        if (stamp->time_msec > now_msec + SLACK_MSEC ||
            stamp->time_msec + SLACK_MSEC < past->first_sec * 1000)
                return false;
        switch (policy->mode) {
        case RESCAN_SWEEP: return true;
        case RESCAN_NEVER_OLDER: return stamp->time_msec + policy->max_age_sec * 1000 >= now_msec;
        case RESCAN_ON_ACCESS:
        case RESCAN_OUTBREAK:
        case _RESCAN_MODE_MAX:
        default: return false;
        }
}

/* The limit grows as time goes by, so it stays at one moment: a day before it began to. */
bool rescan_leaves(const struct rescan_policy *policy, const struct generations *generations,
                   const struct generation *running, const struct stat *st, bool clean,
                   uint64_t now_sec) {
        const struct generation_past *now = generations_find(generations, running);
        uint64_t since, changed;

        if (!now || policy->age == RESCAN_AGE_OFF || rescan_outbreak(policy, now_sec))
                return false;
        /* What came since we are here, and has no stamp that says it to be clean, may have none since it
         * was found infected: in files of many items, and wherever the stamp failed. */
        since = policy->age == RESCAN_AGE_INSTALL || !clean ? generations->installed_sec
                                                            : now->first_sec;
        /* Whoever delivers says what the modification time is; the change time is the kernel's. */
        if (st->st_mtim.tv_sec < 0 || st->st_ctim.tv_sec < 0 || since > now_sec)
                return false;
        changed = (uint64_t)MAX(st->st_mtim.tv_sec, st->st_ctim.tv_sec);
        return changed + DAY_SEC < since;
}
