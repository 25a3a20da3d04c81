/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The clocks in the units that the daemon counts in. Waits use the monotonic clock, stamps the wall
 * clock; nothing compares the two. */

#include <pthread.h>
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

/* When something began: since_usec, or unless that is known (0) now. */
static inline uint64_t since_or_now(uint64_t since_usec) {
        return since_usec > 0 ? since_usec : now_usec();
}

/* Joins a thread that ends before now_usec() is until. 0, or an error number: it goes on. (By the wall
 * clock, as with pthread_timedjoin_np(3), this would wait for as long as somebody sets it back.) */
static inline int join_until(pthread_t thread, void **ret_result, uint64_t until) {
        struct timespec ts = {
                .tv_sec = (time_t)(until / 1000000),
                .tv_nsec = (long)(until % 1000000 * 1000),
        };

        return pthread_clockjoin_np(thread, ret_result, CLOCK_MONOTONIC, &ts);
}
