/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The gate's side of the loader process: starting it without privileges, handing it its settings,
 * learning of its engine or its end. See proto.h for what is said.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/config.h"
#include "daemon/proto.h"
#include "daemon/ring.h"

struct loader;

/* What a loader needs, found once at start while names may still be looked up. */
struct loader_settings {
        const struct config *config;
        uid_t uid;
        gid_t gid;
        bool own_user;  /* we have no privileges to begin with: workers are of our user */
        int program_fd; /* storescan-worker, O_PATH: the worker's user needs no way to its folder */
};

/* Finds user, program and tmpdir (made, if missing, and given to the worker's user). Errors go to
 * errors as one sentence with the fix. The fd in ret is the caller's. */
int loader_settings_find(const struct config *config, FILE *errors, struct loader_settings *ret);

/* How a loader differs from one that is the first and only one. */
struct loader_request {
        int database; /* what [scanner] database is, O_PATH; stays the caller's */
        const struct generation *running; /* the engine that runs: none like it is loaded */
        bool only_compare;                /* nor is any other: which it is will be told */
};

/* message is PROTO_LOADED, PROTO_REFUSED or PROTO_COMPARED. */
typedef void (*loader_message_fn)(void *userdata, const union proto_message *message);
/* The loader is gone (crash, kill, or after REFUSED or COMPARED). Nothing is called any more. */
typedef void (*loader_end_fn)(void *userdata);

/* Starts the process. request may be NULL. 0 or negative errno (the signature folder can't be opened,
 * no process). */
int loader_new(struct ring *ring, const struct loader_settings *settings,
               const struct loader_request *request, loader_message_fn on_message,
               loader_end_fn on_end, void *userdata, struct loader **ret);

/* Kills the process if it still runs, and every worker that it forked with it (they get SIGKILL
 * at their parent's death). */
struct loader *loader_free(struct loader *loader);

/* The process ends its workers, tidies up behind them, and goes. */
struct loader *loader_let_go(struct loader *loader);

pid_t loader_pid(const struct loader *loader);

/* Whether it and its workers give way to all other sessions. */
void loader_step_back(struct loader *loader, bool back);

/* Asks for a worker; cache is the memory of the verdict cache, or -EBADF. The fds stay the
 * caller's. 0 or negative errno. */
int loader_spawn(struct loader *loader, unsigned worker, uint32_t serial, int channel, int slot,
                 int cache);
