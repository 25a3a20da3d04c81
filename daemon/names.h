/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the log calls a message that is not clean, and is known to be so by its stamp, its digest or
 * the verdict cache: these keep no signature, and nobody has read its header. One low-priority job
 * reads it behind the answer; what it finds is remembered, so that further accesses are named at
 * once. Gate thread only.
 */

#include "daemon/pool.h"
#include "daemon/report.h"

struct names;

int names_new(const struct config *config, struct pool *pool, struct stats *stats,
              struct journal *journal, struct names **ret);

/* Once names_busy() is false. */
struct names *names_free(struct names *names);
DEFINE_CLEANUP(struct names *, names_free);

/* Logs a verdict, like report_verdict(); of a message that has no name yet a little later, or
 * without one if too many wait. For behind the answer: the fd stays the caller's, but its description
 * lives on while the message is read, so a lease on it has to be dropped or be somebody's care. */
void names_report(struct names *names, const struct report *report);

/* No job begins any more: what waits for one is logged without a name. */
void names_stop(struct names *names);

/* Whether a job is under way. */
bool names_busy(const struct names *names);
