/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The decision for one open: stamp, digest, scan, policy; and what follows the answer: log, stamp,
 * count. One scan serves everybody who opens the same content meanwhile.
 */

#include <stdint.h>

#include "daemon/config.h"
#include "daemon/gate.h"
#include "daemon/journal.h"
#include "daemon/pool.h"
#include "daemon/stamper.h"
#include "daemon/stats.h"

struct judge;

struct judge_hooks {
        /* A found file (judge_found) is through with. */
        void (*found_done)(void *userdata);
        /* Whether other hosts may write to files of this device, unseen by leases and stamps. */
        bool (*is_remote)(void *userdata, dev_t dev);
        void *userdata;
};

int judge_new(const struct config *config, struct pool *pool, struct ring *ring,
              struct stats *stats, struct journal *journal, const struct judge_hooks *hooks,
              struct judge **ret);
struct judge *judge_free(struct judge *judge);
DEFINE_CLEANUP(struct judge *, judge_free);

/* The gate is made after the judge whose events it brings. */
void judge_set_gate(struct judge *judge, struct gate *gate);

/* gate_event_fn: an open waits for its answer. */
void judge_event(void *userdata, int fd, pid_t pid);

/* A file that nobody waits for (it appeared before its folder's mark): judged at low priority,
 * stamped, logged if bad. Takes fd, an ordinary O_RDONLY one. */
void judge_found(struct judge *judge, int fd);

/* Deadlines, and what follows the answers that were flushed. Called once a loop after
 * gate_flush(); returns when it wants to be called next. */
uint64_t judge_run(struct judge *judge, uint64_t now);

/* Answers everybody who still waits by on_error, with this reason: the end. */
void judge_give_up(struct judge *judge, enum reason reason);

/* Since when the oldest open waits for its answer; 0: none waits. */
uint64_t judge_oldest(const struct judge *judge);

/* Whether anything is left to do: opens, scans or stamps. */
bool judge_busy(const struct judge *judge);
