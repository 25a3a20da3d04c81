/* SPDX-License-Identifier: Apache-2.0 */

/* Text of the counters' table. Owns nothing: the counters live with the daemon's main object. */

#include "daemon/stats.h"

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

void stats_count_verdict(struct stats *stats, enum verdict verdict) {
        switch (verdict) {
        case VERDICT_CLEAN: stats->clean++; break;
        case VERDICT_INFECTED: stats->infected++; break;
        case VERDICT_UNSCANNABLE: stats->unscannable++; break;
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: stats->undecided++;
        }
}
