/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All that the running storescand says of itself, asked for at once: numbers that fit each other. */

#include <limits.h>
#include <systemd/sd-bus.h>

#include "daemon/ctl/metrics.h"

/* Fills in what storescand sends of it; what this storescanctl does not know is passed over. Returns a
 * STATUS_*, ERROR after telling why; metrics_done() frees it in any case. */
int ask_metrics(sd_bus *bus, struct metrics *ret);

struct ask_store {
        char name[256], path[PATH_MAX], kind[32], format[32];
        char on_infected[16], on_error[16], on_unscannable[16];
};

/* The next store of an array of them that was entered. 1; 0: there is none; negative errno. */
int ask_store(sd_bus_message *message, struct ask_store *ret);

/* Calls a method without arguments that is for root. Returns a STATUS_*. */
int ask_call(sd_bus *bus, const char *method, sd_bus_message **ret);
