/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the words for what is wrong. */

#include "daemon/ctl/health.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "store/util.h"

#define DAY_USEC (24 * 3600 * USEC_PER_SEC)

const char *health_name(enum health health) {
        static const char *const names[] = {
                [HEALTH_WELL] = "well",
                [HEALTH_ATTENTION] = "attention",
                [HEALTH_NOT_HOOKED] = "not-hooked",
                [HEALTH_NOT_RUNNING] = "not-running",
        };

        static_assert(ELEMENTSOF(names) == _HEALTH_MAX, "a name for each");
        return (unsigned)health < _HEALTH_MAX ? names[health] : "invalid";
}

_printf_(4, 5) static void add(struct health_report *report, enum health health, const char *advice,
                               const char *format, ...) {
        struct health_reason *reason;
        va_list ap;

        report->health = MAX(report->health, health);
        if (report->n == HEALTH_REASONS_MAX)
                return;
        reason = &report->reasons[report->n++];
        reason->advice = advice;
        va_start(ap, format);
        (void)vsnprintf(reason->text, sizeof(reason->text), format, ap);
        va_end(ap);
}

const char *health_untested_advice(const char *problem) {
        return streq(problem, error_text(ENOENT)) || streq(problem, error_text(ENOTDIR))
                       ? "Correct its path, or mount what belongs there."
                       : "The store is marked; only the proof is missing.";
}

static void judge_hook(struct health_report *report, const struct hook_status *hook) {
        if (streq(hook->state, "no"))
                add(report, HEALTH_NOT_HOOKED,
                    "journalctl -u storescand STORESCAN_EVENT=not-hooked",
                    "opens in store '%s' pass storescand by", hook->store);
        else if (!streq(hook->state, "yes") && hook->problem[0])
                add(report, HEALTH_ATTENTION, health_untested_advice(hook->problem),
                    "store '%s' can't be tested: %s", hook->store, hook->problem);
}

static void judge_folder(struct health_report *report, const struct store_said *store) {
        if (streq(store->state, "missing"))
                add(report, HEALTH_ATTENTION,
                    "It is guarded once it is there: journalctl -u storescand "
                    "STORESCAN_EVENT=store-lost",
                    "the folder of store '%s' is missing", store->name);
        else if (streq(store->state, "unmounted"))
                add(report, HEALTH_ATTENTION,
                    "Mount it; what lies in the folder below is guarded until then.",
                    "the file system of store '%s' is not mounted", store->name);
        else if (streq(store->state, "failed"))
                add(report, HEALTH_NOT_HOOKED,
                    "journalctl -u storescand STORESCAN_EVENT=mark-failed",
                    "store '%s', or something mounted in it, could not be marked", store->name);
        if (store->detached)
                add(report, HEALTH_ATTENTION, "storescanctl store attach STORE",
                    "store '%s' is detached: it is guarded, but slower", store->name);
}

static void judge_signatures(struct health_report *report, const struct metrics *says,
                             uint64_t now_usec) {
        uint64_t made = says->database_usec,
                 age = made == 0 || made > now_usec ? 0 : now_usec - made;

        if (says->refused_signatures)
                add(report, HEALTH_ATTENTION,
                    "journalctl -u storescand STORESCAN_EVENT=reload-failed",
                    "the new signatures were refused, older ones go on");
        if (age >= (SIGNATURES_DAYS_MAX + 1) * DAY_USEC)
                add(report, HEALTH_ATTENTION, "See why: systemctl status clamav-freshclam",
                    "the signatures are %" PRIu64 " days old", age / DAY_USEC);
}

void health_judge(const struct metrics *says, const struct hook_status *hooks, size_t n_hooks,
                  uint64_t now_usec, struct health_report *ret) {
        *ret = (struct health_report){};
        if (!says->guarding)
                add(ret, HEALTH_NOT_HOOKED, "journalctl -u storescand -n 20",
                    "storescand does not guard yet");
        for (size_t i = 0; i < n_hooks; i++)
                judge_hook(ret, &hooks[i]);
        for (size_t i = 0; i < says->n_stores; i++)
                judge_folder(ret, &says->stores[i]);
        if (says->paused)
                add(ret, HEALTH_ATTENTION, "storescanctl resume", "every open passes unscanned");
        if (says->breaker[0] && !streq(says->breaker, "closed"))
                add(ret, HEALTH_ATTENTION, "journalctl -u storescand -p warning -n 20",
                    "the engine fails again and again: opens that need a scan are answered at "
                    "once, by on_error");
        judge_signatures(ret, says, now_usec);
        if (says->refused_config)
                add(ret, HEALTH_ATTENTION, "storescanctl check-config",
                    "the configuration on disk was refused, the one before is in force");
        if (says->failed_sweep[0])
                add(ret, HEALTH_ATTENTION, "journalctl -u storescand STORESCAN_EVENT=sweep-failed",
                    "the sweep of store '%s' failed", says->failed_sweep);
}
