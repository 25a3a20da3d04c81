/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * org.storescan on the system bus: what storescand does, for storescanctl, busctl and monitoring; and
 * what root may ask of it. The bus is never on the way to an answer: nothing here waits for it, and
 * without a bus, or while it is stuck, storescand does all else.
 *
 * Everybody may read properties. Methods are for root: the bus's policy says so, and so does the bus
 * when it is asked who calls (asynchronously: sd-bus's own check would wait for the answer).
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/breaker.h"
#include "daemon/bus-names.h"
#include "daemon/config.h"
#include "daemon/explain.h"
#include "daemon/journal.h"
#include "daemon/pending.h"
#include "daemon/ring.h"
#include "daemon/selftest.h"
#include "daemon/stats.h"
#include "daemon/sweeps.h"
#include "daemon/today.h"
#include "store/stamp.h"

/* What the properties are made of; valid until the gate thread goes on. */
struct bus_view {
        const struct config *config;
        struct stats *stats;
        const struct generation *generation;     /* NULL: no engine yet */
        uint32_t database_version;               /* of daily.cvd; 0: own signatures */
        uint64_t database_usec;                  /* when that was made, since 1970; 0 likewise */
        bool guarding;                           /* marks are in place */
        bool paused;                             /* every open passes unscanned */
        bool refused_signatures, refused_config; /* what is on disk; older things run */
        enum breaker_state breaker;
        const struct today *today;
        unsigned waiting; /* opens without an answer */
        const struct sweeps *sweeps;
        unsigned queued, background; /* contents that wait for a worker; nobody for these */
        uint64_t oldest_usec;        /* since when the oldest of them waits; 0: none does */
        const struct store_states *states;
        const struct selftest_result *hooks; /* of each store that was tested */
        size_t n_hooks;
};

/* Called on the gate thread. */
/* A process that opens a file to have it scanned. */
struct bus_scan {
        pid_t pid;
        dev_t dev;
        ino_t ino;
};

struct bus_calls {
        void (*look)(void *userdata, struct bus_view *ret);
        int (*pause)(void *userdata, uint64_t usec); /* as pause_begin() */
        void (*resume)(void *userdata);
        void (*explain)(void *userdata, const struct explain_question *question,
                        struct explanation *ret);
        /* As sweeps_invite(); -ECANCELED: not now. As sweeps_dismiss(). */
        int (*scan_begin)(void *userdata, const struct bus_scan *scan);
        bool (*scan_result)(void *userdata, const struct bus_scan *scan, struct sweep_told *ret);
        void (*list_pending)(void *userdata, pending_fn *each, void *each_userdata);
        void (*reload)(
                void *userdata); /* signatures and configuration; the log tells what came of it */
        void (*clear_poison)(void *userdata); /* as poisons_clear() */
        /* As sweeps_start() and sweeps_stop(). */
        int (*sweep_start)(void *userdata, const char *store);
        int (*sweep_stop)(void *userdata, const char *store);
        /* As detach_begin() and detach_end(). */
        int (*detach)(void *userdata, const struct config_store *store);
        int (*attach)(void *userdata, const struct config_store *store);
        void *userdata;
};

/* Whose changes are told of, by the properties made of them. */
struct bus_state {
        bool guarding, paused, refused_signatures, refused_config;
        enum breaker_state breaker;
        const struct generation *generation; /* NULL: no engine yet */
        uint32_t database_version;
        unsigned hook_changes; /* as selftest_changes() */
};

struct bus;

/* Never waits for the bus: it is connected to when it is there, and again after it was gone. 0 or
 * negative errno, without which storescand goes on (bus_free() takes NULL). */
int bus_new(struct ring *ring, struct journal *journal, const struct bus_calls *calls,
            struct bus **ret);
struct bus *bus_free(struct bus *bus);

/* Tells those who listen (PropertiesChanged) what has changed since the last call. Called once a loop, behind
 * all answers; without a change it only compares. True: bus_run() is to be called soon. */
bool bus_tell(struct bus *bus, const struct bus_state *state);

/* Sends what bus_tell() could not, and looks at requests that take their time: bus_waits() says whether there
 * are any. Called once a loop, before answers are sent: it may take requests. */
void bus_run(struct bus *bus);
bool bus_waits(const struct bus *bus);
DEFINE_CLEANUP(struct bus *, bus_free);
