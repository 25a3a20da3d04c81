/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the machine is busy with something else, as its kernel tells. */

#include <stdbool.h>

struct load {
        int pressure[3]; /* of CPU, memory, disk */
        int average;
        unsigned cpus;
        bool paused;
};

/* Opens what the kernel has of it, for good. */
void load_open(struct load *load);

/* Whether to pause: max_pressure in percent, max_average a CPU; 0: it is not looked at. */
bool load_pauses(struct load *load, unsigned max_pressure, unsigned max_average);
