/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a worker's result to the verdict of a scan: which words of caches, digests and hubs count, and
 * what is counted. Owns nothing; answers nobody.
 */

#include <time.h>

#include "daemon/clock.h"
#include "daemon/scans-private.h"

bool scan_same_generation(const struct scan *scan) {
        const struct generation *running = pool_generation(scan->scans->pool);

        return running && memcmp(running, &scan->generation, sizeof(*running)) == 0;
}

/* ---- The breaker ---- */

static enum breaker_result result_of(enum verdict verdict, enum reason reason) {
        if (verdict != VERDICT_UNKNOWN)
                return BREAKER_SUCCESS;
        switch (reason) {
        case REASON_ENGINE:
        case REASON_CRASH:
        case REASON_HANG:
        case REASON_OVERLOAD:
        case REASON_PROTOCOL: return BREAKER_FAILURE;
        default: return BREAKER_NEITHER;
        }
}

void scans_tell_engine(struct scans *scans, enum verdict verdict, enum reason reason) {
        breaker_tell(scans->breaker, result_of(verdict, reason), now_usec());
}

void scans_tell_late(struct scans *scans, uint64_t since) {
        breaker_tell_late(scans->breaker, since, now_usec());
}

bool scans_try(struct scans *scans) {
        return breaker_lets(scans->breaker, now_usec());
}

/* ---- Stamps of hubs ---- */

/* A sweep looks again at what access takes from a hub. */
bool scans_honour_stamps(const struct scans *scans, const struct config_store *store,
                         bool awaited) {
        return keys_count(scans->keys) > 0 && !config_outbreak(scans->config, store) &&
               (store->stamps == STAMPS_HONOUR || (store->stamps == STAMPS_ON_ACCESS && awaited));
}

enum hub_check scans_judge_stamps(struct scans *scans, const struct config_store *store,
                                  const struct hub_content *content) {
        const uint32_t here = pool_database_version(scans->pool);
        const struct hub_policy policy = {
                .max_age = store->stamp_max_age_usec / USEC_PER_SEC,
                .min_database = here - MIN(here, store->stamp_max_lag),
        };
        uint64_t now = (uint64_t)time(NULL);
        size_t index = 0;

        return keys_judge(scans->keys, content, &policy, now, &index);
}

static bool stamps_count(struct scan *scan, const struct hub_content *content) {
        enum hub_check check = scans_judge_stamps(scan->scans, scan->store, content);

        stats_count_hub(scan->scans->stats, scan->store->name, check);
        if (check != HUB_GOOD)
                scan->hub_refused = check;
        return check == HUB_GOOD;
}

bool scan_settled(struct scan *scan, const struct pool_result *result) {
        struct scans *scans = scan->scans;
        struct cache_verdict cached;

        switch (result->known) {
        case KNOWN_DIGEST:
                if (!scan_same_generation(scan))
                        return false;
                scans->stats->digest_hits++;
                scans_tell_engine(scans, VERDICT_UNKNOWN, REASON_NONE);
                scan->tier = LOG_TIER_DIGEST;
                scan->verdict = scan->stamp.verdict;
                scan->reason = scan->stamp.reason;
                scan->by_hub = scan->stamp.by_hub;
                break;
        case KNOWN_CACHE:
                if (!scan_same_generation(scan) ||
                    verdicts_lookup(scans->verdicts, result->digest, &scan->generation, &cached) !=
                            CACHE_HIT)
                        return false;
                scans_tell_engine(scans, VERDICT_UNKNOWN, REASON_NONE);
                scan->tier = LOG_TIER_CACHE;
                scan->verdict = cached.verdict;
                scan->reason = cached.reason;
                break;
        case KNOWN_HUB:
                if (!scan_same_generation(scan) || !stamps_count(scan, result->hub))
                        return false;
                scans_tell_engine(scans, VERDICT_UNKNOWN, REASON_NONE);
                scan->tier = LOG_TIER_HUB;
                scan->verdict = VERDICT_CLEAN;
                scan->reason = REASON_NONE;
                scan->by_hub = true;
                break;
        case KNOWN_NOT:
        case _RESULT_KNOWN_MAX:
        default:
                if (scan->job.use_hub && result->has_digest)
                        stats_count_hub(scans->stats, scan->store->name, HUB_ABSENT);
                scan->tier = LOG_TIER_SCAN;
                scan->verdict = result->verdict;
                scan->reason = result->reason;
                /* It may have been made for another engine than the one that it was given to. */
                scan->generation = scan->job.generation;
                stats_count_scan(scans->stats, scan->store->name, scan->size, scan->verdict,
                                 scan->reason);
                stats_of(scans->stats, scan->store->name)->files += scan->reason != REASON_POISON;
                if (scan->verdict != VERDICT_UNKNOWN && scan->reason != REASON_POISON)
                        stats_count_times(scans->stats, result->queue_usec, result->read_usec,
                                          result->scan_usec);
                scans_tell_engine(scans, scan->verdict, scan->reason);
                if (result->has_digest && scan_same_generation(scan))
                        verdicts_store(scans->verdicts, result->digest, &scan->generation,
                                       scan->verdict, scan->reason);
        }
        if (result->known != KNOWN_NOT)
                stats_of(scans->stats, scan->store->name)->processed++;
        scan->queue_usec = result->queue_usec;
        scan->read_usec = result->read_usec;
        scan->scan_usec = result->scan_usec;
        scan->has_digest = result->has_digest;
        memcpy(scan->digest, result->digest, sizeof(scan->digest));
        memcpy(scan->signature, result->signature, sizeof(scan->signature));
        scan->context = result->context;
        return true;
}
