/* SPDX-License-Identifier: Apache-2.0 */

/* Text of the counters' table. Owns nothing but the stores' part of it: the
 * counters live with the daemon's main object. */

#include "daemon/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/util.h"

void stats_format(const struct stats *stats, char *out, size_t size) {
        const struct {
                const char *name;
                uint64_t value;
        } all[] = {
#define X(name, meaning) { #name, stats->name },
                STATS_TABLE(X)
#undef X
        };
        size_t n = 0;

        out[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(all) && n < size; i++)
                n += (size_t)snprintf(out + n, size - n, "%s%s=%" PRIu64, i > 0 ? " " : "",
                                      all[i].name, all[i].value);
}

void stats_done(struct stats *stats) {
        free(stats->stores);
        stats->stores = NULL;
        stats->n_stores = 0;
}

struct store_stats *stats_of(struct stats *stats, const char *store) {
        struct store_stats *more;

        for (size_t i = 0; i < stats->n_stores; i++)
                if (streq(stats->stores[i].name, store))
                        return &stats->stores[i];
        more = reallocarray(stats->stores, stats->n_stores + 1, sizeof(*more));
        if (!more)
                return &stats->nowhere;
        stats->stores = more;
        more[stats->n_stores] = (struct store_stats){ .name = store };
        return &more[stats->n_stores++];
}

void stats_count_scan(struct stats *stats, const char *store, uint64_t bytes, enum verdict verdict,
                      enum reason reason) {
        struct store_stats *of = stats_of(stats, store);

        of->processed++;
        if (reason == REASON_POISON) {
                stats->poison_hits++;
                return;
        }
        stats->scans++;
        of->scans++;
        stats->bytes += bytes;
        of->bytes += bytes;
        switch (verdict) {
        case VERDICT_CLEAN:
                stats->clean++;
                of->clean++;
                break;
        case VERDICT_INFECTED:
                stats->infected++;
                of->infected++;
                break;
        case VERDICT_UNSCANNABLE:
                stats->unscannable++;
                of->unscannable++;
                break;
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: stats->undecided++; of->undecided++;
        }
}

void stats_count_times(struct stats *stats, uint64_t queue_usec, uint64_t read_usec,
                       uint64_t scan_usec) {
        latency_count(&stats->latency[LATENCY_QUEUE], queue_usec);
        latency_count(&stats->latency[LATENCY_READ], read_usec);
        latency_count(&stats->latency[LATENCY_SCAN], scan_usec);
}

static const struct {
        const char *name;
        size_t counter; /* its place in struct stats */
} hub_counters[_HUB_CHECK_MAX] = {
#define HUB(check, name) [HUB_##check] = { #name, offsetof(struct stats, hub_##name) }
        HUB(GOOD, accepted),       HUB(ABSENT, absent),       HUB(MANY, many),
        HUB(DUPLICATE, duplicate), HUB(OVERSIZE, oversize),   HUB(MALFORMED, malformed),
        HUB(VERSION, version),     HUB(IRREGULAR, irregular), HUB(KEY, key),
        HUB(SIGNATURE, signature), HUB(HEADER, header),       HUB(BODY, body),
        HUB(VERDICT, verdict),     HUB(FUTURE, future),       HUB(EXPIRED, expired),
        HUB(DATABASE, database),
#undef HUB
};

const char *stats_hub_name(enum hub_check check) {
        return hub_counters[check].name;
}

void stats_count_hub(struct stats *stats, const char *store, enum hub_check check) {
        if ((unsigned)check >= _HUB_CHECK_MAX)
                return;
        (*(uint64_t *)((char *)stats + hub_counters[check].counter))++;
        stats_of(stats, store)->hub[check]++;
}
