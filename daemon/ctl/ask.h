/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All that the running storescand says of itself, asked for at once: numbers that fit each other. */

#include <systemd/sd-bus.h>

#include "daemon/ctl/metrics.h"

/* Fills in what storescand sends of it; what this storescanctl does not know is passed over. Returns a
 * STATUS_*, ERROR after telling why; metrics_done() frees it in any case. */
int ask_metrics(sd_bus *bus, struct metrics *ret);
