/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Signatures that change on disk, and requests to look at them and at the configuration again: what is
 * good takes the place of what runs, what is not is logged, and what runs goes on. Everything here runs
 * on the gate thread and never waits; the disk is looked at by a thread of its own (reload-thread.h).
 */

#include "daemon/config.h"
#include "daemon/journal.h"
#include "daemon/pool.h"
#include "daemon/ring.h"
#include "daemon/stats.h"

struct reload;

struct reload_parts {
        struct ring *ring;
        struct pool *pool;
        struct stats *stats;
        struct journal *journal;
        const struct config *config;
        const char *config_path; /* as of config_load() */
        /* Another one was read and found good; it is the callee's, who calls reload_config_done(). */
        void (*take_config)(void *userdata, struct config *config);
        /* What was asked for by reload_ask() is through. */
        void (*settled)(void *userdata);
        void *userdata;
};

/* Watches the signatures from now on. Before the pool loads them first: a change that comes in between
 * is not missed. 0 or negative errno. */
int reload_new(const struct reload_parts *parts, struct reload **ret);

/* The pool that was not there yet. */
void reload_set_pool(struct reload *reload, struct pool *pool);

/* NULL; or reload, when its thread hangs: the process must then leave by _exit(2). */
struct reload *reload_free(struct reload *reload);

/* Looks at signatures and configuration now. The log tells what came of it. */
void reload_ask(struct reload *reload);

/* The configuration that was handed over is in force, or is not. engine: another engine is needed. */
void reload_config_done(struct reload *reload, bool engine);

/* Whether what was found on disk when it was last looked at was refused, so that older things run. */
bool reload_refused_signatures(const struct reload *reload);
bool reload_refused_config(const struct reload *reload);

/* Goes on with what had to wait; a configuration also waits until ready. Called once a loop. */
void reload_run(struct reload *reload, bool ready);

/* Logs that another generation runs, once nothing is served any more by the word of the one before:
 * for a caller that knows. Returns whether it was news. */
bool reload_tell_generation(struct reload *reload);
