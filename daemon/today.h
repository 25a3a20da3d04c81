/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What was counted since midnight, local time, or since the start where that is later: for the question
 * "what was blocked today?". Owns what the counters were then. Pure but for the wall clock.
 */

#include "daemon/stats.h"

/* clang-format off */
#define TODAY_TABLE(X) \
        X(infected)    \
        X(denied)      \
        X(self_tests)  \
        X(replaced)    \
        X(unscannable) \
        X(undecided)
/* clang-format on */

struct today {
        uint64_t since_usec; /* since 1970; 0: not yet */
        uint64_t due_usec;   /* when to look at the clock again */
        int day, year;
#define X(name) uint64_t name;
        TODAY_TABLE(X)
#undef X
};

/* Begins anew when another day has come. Called once a loop; returns when it wants to be called next. */
uint64_t today_run(struct today *today, const struct stats *stats, uint64_t now);

/* The same for a given time, in microseconds since 1970. */
void today_at(struct today *today, const struct stats *stats, uint64_t realtime_usec);
