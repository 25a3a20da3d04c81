/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One sweep of a store, from where the last one stopped to its end. */

#include "daemon/sweep/load.h"
#include "daemon/sweep/openers.h"
#include "daemon/sweep/talk.h"

struct pass;

/* What a pass works with: all of it stays the caller's. */
struct pass_parts {
        int sock, root, state_fd;
        const struct sweep_message *begin;
        struct openers *openers;
        struct load *load;
};

/* Reads the state, and begins a pass or goes on with one. */
int pass_new(const struct pass_parts *parts, struct pass **ret);

/* Counts what there is to sweep; for a thread of its own. */
void *pass_count(void *pass);

/* Works until the pass ends, or the gate says so. The gate is told, the state is saved. 0 or negative
 * errno: it can't go on. */
int pass_run(struct pass *pass);
