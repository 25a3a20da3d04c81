/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How long the stages of a scan took: a histogram each, of fixed bounds. Only the gate thread counts,
 * behind the answers, by times that were taken anyway.
 */

#include <stdint.h>

enum latency_stage {
        LATENCY_QUEUE,  /* for a worker to be free */
        LATENCY_READ,   /* to read the content */
        LATENCY_SCAN,   /* for the worker's answer */
        LATENCY_ANSWER, /* from the event to the answer, of those who had to wait */
        _LATENCY_STAGE_MAX,
};

#define LATENCY_BOUNDS 15

/* Upper bounds in microseconds, which they include; what is more is in one bucket behind them. */
extern const uint64_t latency_bounds[LATENCY_BOUNDS];

struct latency {
        uint64_t counts[LATENCY_BOUNDS + 1]; /* of each bucket alone */
        uint64_t sum_usec;
};

void latency_count(struct latency *latency, uint64_t usec);

/* What so many of a thousand took at most: a bound; UINT64_MAX: more than the last one; 0: nothing was
 * counted. */
uint64_t latency_within(const struct latency *latency, unsigned of_thousand);

/* How many were counted. */
uint64_t latency_total(const struct latency *latency);

/* "queue", ...: kept for good, others read it. */
const char *latency_stage_name(enum latency_stage stage);

/* What is counted, for help. */
const char *latency_stage_help(enum latency_stage stage);
