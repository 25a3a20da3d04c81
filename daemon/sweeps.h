/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The gate's side of sweeps: when one starts, its process storescan-sweep (at most one a store), what is
 * different for its opens, how far it is. Everything here runs on the gate thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "daemon/config.h"
#include "daemon/journal.h"
#include "daemon/pool.h"
#include "daemon/ring.h"
#include "store/sweep-state.h"

struct sweeps;

/* Finds the program, and what is known of former sweeps; looks up names and reads files. 0 or negative
 * errno, after a sentence in errors. */
int sweeps_new(struct ring *ring, const struct config *config, const struct pool *pool,
               struct journal *journal, FILE *errors, struct sweeps **ret);

/* Ends their processes; what they are at goes on at the next start. */
struct sweeps *sweeps_free(struct sweeps *sweeps);
DEFINE_CLEANUP(struct sweeps *, sweeps_free);

/* The marks are in place: what is due, or was under way, starts. */
void sweeps_guarding(struct sweeps *sweeps);

/* No more are started, and those that run are ended. */
void sweeps_end(struct sweeps *sweeps);

/* ---- Control ---- */

/* Starts the sweep of a store, where the last one stopped, or anew. 0; -ENOENT: no such store;
 * -EALREADY: it runs; -EBUSY: everything is paused; -ENOTCONN: the store is detached; -EOPNOTSUPP: attachments_only, and the store's format does not tell; -ECANCELED:
 * no sweeps now (storescand is starting or ending); others: no process. */
int sweeps_start(struct sweeps *sweeps, const char *store);

/* Stops it, until it is started again. 0; -ENOENT; -ESRCH: none runs. */
int sweeps_stop(struct sweeps *sweeps, const char *store);

struct sweeps_status {
        const char *store;
        /* never, running, waiting (for its hours), paused (for load), stopped, finished, failed */
        const char *state;
        uint64_t started_msec; /* wall clock; 0: never */
        uint64_t done, total;  /* items; total 0: not counted yet */
        uint64_t rate_milli;   /* items in a thousand seconds */
        uint64_t eta;          /* seconds; UINT64_MAX: nobody knows */
        struct sweep_counters counters;
};

/* Of the store at index, as in the configuration; false behind the last. */
bool sweeps_status(const struct sweeps *sweeps, size_t index, struct sweeps_status *ret);

/* While it is held none works: everything is let through unjudged. Then those that were at it go on. */
void sweeps_hold(struct sweeps *sweeps, bool held);

/* While its store is detached none works there; then it goes on. */
void sweeps_detach(struct sweeps *sweeps, const char *store, bool detached);

/* Whether a process has the store open. */
bool sweeps_works_in(const struct sweeps *sweeps, const char *store);

/* The configuration is another one: those that run go on by it, those whose store is gone end. */
void sweeps_follow_config(struct sweeps *sweeps);

/* Other signatures run from here on: those that are to are started, or started anew. */
void sweeps_generation_changed(struct sweeps *sweeps);

/* ---- Single files ---- */

/* What was found of a file. */
struct sweep_told {
        bool known; /* by its stamp */
        enum verdict verdict;
};

/* The next open of this file by this process is one of a sweep. */
void sweeps_invite(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino);

/* What was told of it, once; or it is expected no more. False: it was told of nothing. */
bool sweeps_dismiss(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino, struct sweep_told *ret);

/* ---- For the gate's loop ---- */

/* A child was reaped, with this status of waitpid(2): whether it was a sweep. */
bool sweeps_reaped(struct sweeps *sweeps, pid_t pid, int status);

/* Starts what is due. Called once a loop; returns when it wants to be called next. */
uint64_t sweeps_run(struct sweeps *sweeps, uint64_t now);

/* ---- For events ---- */

/* How the opens of a sweep are judged. */
struct sweep_manner {
        bool strict;         /* no word of a hub counts, nor a stamp that was written for one */
        uint64_t since_msec; /* stamps and verdicts from before count for nothing; 0: they do */
};

/* Whether an open of this file is one; sweeps may be NULL. */
bool sweeps_knows(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino, struct sweep_manner *ret);

/* Tells it what a file was found to be, before the answer. known: by its stamp. */
void sweeps_tell(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino, bool known,
                 enum verdict verdict);
