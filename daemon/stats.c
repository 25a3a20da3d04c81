/* SPDX-License-Identifier: Apache-2.0 */

/* Text of the counters' table. Owns nothing: the counters live with the daemon's main object. */

#include "daemon/stats.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

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

void stats_count_scan(struct stats *stats, uint64_t size, enum verdict verdict,
                      enum reason reason) {
        if (reason == REASON_POISON) {
                stats->poison_hits++;
                return;
        }
        stats->scans++;
        stats->bytes += size;
        switch (verdict) {
        case VERDICT_CLEAN: stats->clean++; break;
        case VERDICT_INFECTED: stats->infected++; break;
        case VERDICT_UNSCANNABLE: stats->unscannable++; break;
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: stats->undecided++;
        }
}

void stats_count_hub(struct stats *stats, enum hub_check check) {
        uint64_t *const counters[] = {
                [HUB_GOOD] = &stats->hub_accepted,     [HUB_ABSENT] = &stats->hub_absent,
                [HUB_MANY] = &stats->hub_many,         [HUB_DUPLICATE] = &stats->hub_duplicate,
                [HUB_OVERSIZE] = &stats->hub_oversize, [HUB_MALFORMED] = &stats->hub_malformed,
                [HUB_VERSION] = &stats->hub_version,   [HUB_IRREGULAR] = &stats->hub_irregular,
                [HUB_KEY] = &stats->hub_key,           [HUB_SIGNATURE] = &stats->hub_signature,
                [HUB_HEADER] = &stats->hub_header,     [HUB_BODY] = &stats->hub_body,
                [HUB_VERDICT] = &stats->hub_verdict,   [HUB_FUTURE] = &stats->hub_future,
                [HUB_EXPIRED] = &stats->hub_expired,   [HUB_DATABASE] = &stats->hub_database,
        };
        static_assert(ELEMENTSOF(counters) == _HUB_CHECK_MAX, "a counter for every check");

        if ((unsigned)check < _HUB_CHECK_MAX)
                (*counters[check])++;
}
