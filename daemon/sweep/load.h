/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the machine is busy with something else, as its kernel tells. */

#include <stdbool.h>

#include "store/sweep-pace.h"

struct load {
        int pressure[SWEEP_PRESSURES_MAX]; /* of CPU, memory, disk */
        int average;
        unsigned cpus;
        struct sweep_rest rest;
        bool paused; /* by the average */
};

/* Opens what the kernel has of it, for good. */
void load_open(struct load *load);

/* max_pressure in percent, max_average a CPU; 0: it is not looked at. */
enum sweep_load load_judge(struct load *load, unsigned max_pressure, unsigned max_average,
                           uint64_t now_usec);
