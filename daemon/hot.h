/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Hot files: clean content that is read often. Each keeps an event fd with a read lease on it and an
 * inode ignore mark of the gate's group, so that readers raise no event at all, while the next
 * writer's open(2) or truncate(2) breaks the lease and waits until mark, stamp and lease are gone.
 * An ignore mark alone would miss stores through a mapping (they clear no mark).
 *
 * Knows nothing of messages: whoever judged a whole file clean, under a lease that still holds, may
 * have it kept. Everything here runs on the gate thread.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "daemon/gate.h"
#include "daemon/pool.h"
#include "daemon/stamper.h"

struct hot;

/* Tells of broken leases, with the fd; SIGIO comes in its place when too many signals are queued
 * (fcntl(2), F_SETSIG). Both must be blocked in every thread and given to hot_signal(). */
#define HOT_SIGNAL SIGRTMIN

struct hot_file {
        int fd; /* an event fd with a read lease on it, taken before the content was judged */
        const struct stat *st;               /* of then, or later */
        const struct generation *generation; /* that the content is clean by */
        uint64_t mask; /* what readers shall not raise: FAN_OPEN_PERM, and what else is marked */
        bool stamped;  /* has a stamp, which must go before a writer is let in */
};

/* At most max_files at once (0: none ever), each for time_usec at most. pool tells the running
 * generation, stamper withdraws stamps. 0 or -ENOMEM. */
int hot_new(struct ring *ring, struct gate *gate, const struct pool *pool, struct stamper *stamper,
            struct stats *stats, unsigned max_files, uint64_t time_usec, struct hot **ret);

/* After hot_stop(), once hot_busy() is false. */
struct hot *hot_free(struct hot *hot);
DEFINE_CLEANUP(struct hot *, hot_free);

/* Notes that somebody uses the file system: one that nobody uses for some seconds keeps no hot files, so
 * that it can be unmounted. */
void hot_heed(struct hot *hot, const struct stat *st);

/* Notes that a clean file was asked for. Whether that was so before, lately and with the same change
 * time: it is worth keeping. */
bool hot_seen(struct hot *hot, const struct stat *st);

/* Who is asked, before a file is kept, whether it may be; NULL: nobody. */
typedef bool (*hot_may_keep_fn)(void *userdata, int fd, const struct stat *st);
void hot_ask(struct hot *hot, hot_may_keep_fn may_keep, void *userdata);

/* Takes file->fd, if there is room (true): then it must be kept at its answer (gate_answer()), and
 * this module closes it. What still speaks against keeping the file is found out by hot_run(). */
bool hot_keep(struct hot *hot, const struct hot_file *file);

/* A signal came: HOT_SIGNAL with its fd (ssi_fd), or SIGIO. Others are ignored. */
void hot_signal(struct hot *hot, uint32_t signo, int fd);

/* Marks what was kept, drops what is too old, deleted, changed, or clean by signatures of yesterday.
 * Called once a loop behind gate_flush(); returns when it wants to be called next. */
uint64_t hot_run(struct hot *hot, uint64_t now);

/* Whether readers of this file raise no event: nothing is changed by asking. */
bool hot_has(struct hot *hot, const struct stat *st);

/* Whether nothing is hot that other signatures than those of the running generation found clean. */
bool hot_is_current(const struct hot *hot);

/* Lets go of all hot files, or of those on one file system (st_dev): it can be unmounted once
 * hot_busy() is false. */
void hot_drop_all(struct hot *hot);
void hot_drop_dev(struct hot *hot, dev_t dev);

/* The end: drops all, and keeps none from now on. */
void hot_stop(struct hot *hot);

/* Whether a stamp is being withdrawn or a file being closed. */
bool hot_busy(const struct hot *hot);
