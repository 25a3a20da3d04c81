/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A worker: a child of the loader that judges one item after the other until its channel closes.
 */

#include <stdint.h>
#include <sys/types.h>

#include "daemon/worker/canary.h"
#include "daemon/worker/engine.h"

struct serve_setup {
        struct engine *engine; /* the loader's, shared until written to */
        const struct canary *canary;
        const struct engine_options *options;
        struct attachments *attachments;     /* of this process, once it was forked */
        const struct generation *generation; /* of the engine */
        const char *notice, *host;           /* of plans */
        const char *tmpdir;
        const char *folder; /* name of the folder to be made in tmpdir */
        uint64_t address_space;
        pid_t loader;
        bool fallback; /* the engine scans when these can't */
        int pool;      /* the socket to clamd servers; -EBADF: there are none */
};

/* In the forked child, with the fds of SPAWN (cache: -EBADF if there is none): closes every
 * other fd, sandboxes the process, proves the engine, says HELLO, serves. Exit status: 0 the
 * channel was closed; 1 something is wrong with the worker, and stderr or the last answer says
 * what. */
_Noreturn void serve(const struct serve_setup *setup, int channel, int slot, int cache);
