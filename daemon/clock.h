/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The clocks in the units that the daemon counts in. Waits use the monotonic clock, stamps the wall
 * clock; nothing compares the two. */

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_usec(clockid_t clock) {
        struct timespec ts;

        (void)clock_gettime(clock, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static inline uint64_t now_usec(void) {
        return clock_usec(CLOCK_MONOTONIC);
}
