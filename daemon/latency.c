/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing: the histograms live with the counters. */

#include "daemon/latency.h"

#include "store/util.h"

const uint64_t latency_bounds[LATENCY_BOUNDS] = {
        100,   250,    500,    1000,    2500,    5000,     10000,    25000,
        50000, 100000, 250000, 1000000, 2500000, 10000000, 60000000,
};

static const struct {
        const char *name, *help;
} stages[_LATENCY_STAGE_MAX] = {
        [LATENCY_QUEUE] = { "queue", "Time that contents waited for a worker" },
        [LATENCY_READ] = { "read", "Time that it took to read contents" },
        [LATENCY_SCAN] = { "scan", "Time that workers took to judge contents" },
        [LATENCY_ANSWER] = { "answer",
                             "Time from event to answer, of opens that no stamp answered" },
};

void latency_count(struct latency *latency, uint64_t usec) {
        unsigned i = 0;

        while (i < LATENCY_BOUNDS && usec > latency_bounds[i])
                i++;
        latency->counts[i]++;
        latency->sum_usec += usec;
}

uint64_t latency_total(const struct latency *latency) {
        uint64_t n = 0;

        for (unsigned i = 0; i < ELEMENTSOF(latency->counts); i++)
                n += latency->counts[i];
        return n;
}

uint64_t latency_within(const struct latency *latency, unsigned of_thousand) {
        uint64_t total = latency_total(latency), rest = 1000 - of_thousand, n = 0;
        uint64_t may_take_more = total / 1000 * rest + total % 1000 * rest / 1000;

        if (total == 0)
                return 0;
        for (unsigned i = 0; i < LATENCY_BOUNDS; i++) {
                n += latency->counts[i];
                if (n + may_take_more >= total)
                        return latency_bounds[i];
        }
        return UINT64_MAX;
}

const char *latency_stage_name(enum latency_stage stage) {
        return stages[stage].name;
}

const char *latency_stage_help(enum latency_stage stage) {
        return stages[stage].help;
}
