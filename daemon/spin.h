/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether it pays to look for the next event for a moment instead of going to sleep: a process that opens
 * one file after the other comes again within some microseconds, and to be woken for it takes longer
 * than the answer. It does not pay where nobody comes, or where the opener needs this very CPU. Which
 * of these it is shows in what the last tries brought. Pure: callers bring the clock.
 */

#include <stdbool.h>
#include <stdint.h>

struct spin {
        uint64_t most_usec; /* how long one may take; 0: never */
        unsigned faith;     /* from what the last ones brought; 0: only a try now and then */
        unsigned waits, next_try;
};

/* For how long to spin now; 0: not at all. */
uint64_t spin_begin(struct spin *spin);

/* Of a spin: whether somebody came. */
void spin_end(struct spin *spin, bool came);
