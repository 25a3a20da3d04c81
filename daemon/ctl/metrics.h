/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The counters of storescand as text for monitoring: OpenMetrics 1.0, or the text format before it,
 * which the node exporter's textfile collector reads. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/stats.h"
#include "store/stamp.h"

/* A store's folder. */
struct store_said {
        char *name;
        char state[16]; /* a name of daemon/store-states.h */
        bool detached;
};

/* What storescand says of itself at one moment. */
struct metrics {
        bool up; /* false: it does not answer, and all else is nothing */
        bool guarding, paused;
        char version[32], generation[GENERATION_LENGTH + 1];
        uint32_t database_version, waiting, queued, background;
        uint64_t oldest_usec;
        uint64_t database_usec; /* when the signatures were made, since 1970; 0: own ones */
        bool refused_signatures, refused_config;
        char breaker[16];
        char failed_sweep[64]; /* a store whose sweep failed; "": none did */
        uint64_t today_usec;   /* since when that is counted, since 1970; 0: it does not say */
        struct stats today;    /* of these, the counters of TODAY_TABLE */
        struct stats stats;    /* its stores' names are owned */
        struct store_said *stores;
        size_t n_stores;
};

void metrics_done(struct metrics *metrics);

enum metrics_format {
        METRICS_OPENMETRICS,
        METRICS_TEXT, /* 0.0.4 */
};

void metrics_print(const struct metrics *metrics, enum metrics_format format, FILE *out);
