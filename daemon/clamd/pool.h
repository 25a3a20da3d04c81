/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The process that talks to clamd servers for the workers, who may not: a child of the loader that is
 * forked before that has an engine, and dies with it.
 */

#include "daemon/clamd/address.h"

struct clamd_pool_setup {
        const struct clamd_address *addresses;
        size_t n;
        bool fallback; /* without a server an engine of our own is asked: nobody waits for one */
};

/* Talks to the loader on control (link.h) until that is closed. Returns the exit status. */
int clamd_pool_run(const struct clamd_pool_setup *setup, int control);
