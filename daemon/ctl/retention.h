/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which items a quarantine is rid of by age and size. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retained {
        uint64_t time_usec; /* CLOCK_REALTIME when it was quarantined */
        uint64_t size;      /* on disk, of all its files */
        bool needed; /* by a replacement that is not done: stays, whatever its age and size */
        bool gone;   /* set by retention_choose() */
};

/* Of n items, in any order, marks as gone those older than keep_usec, then the oldest until what is
 * left is at most max_size. 0 is no limit, of both. An item of the future (the clock was set back)
 * is not old. Returns how many. */
size_t retention_choose(struct retained *items, size_t n, uint64_t now_usec, uint64_t keep_usec,
                        uint64_t max_size);
