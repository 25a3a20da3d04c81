/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How many CPUs there are to work on. */

#include <sched.h>

/* Those that this process may use; 1 where that can't be found out. */
static inline unsigned cpus_usable(void) {
        cpu_set_t set;
        int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

        return n > 0 ? (unsigned)n : 1;
}
