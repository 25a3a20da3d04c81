/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Cures: from an item that is known to be infected to the file that has a notice in its place. A worker
 * makes the plan (pool.h), storescan-remedy carries it out (remedies.h); nothing is parsed, and
 * nothing written, here. There is one cure at a time of an item, whoever asks for it; and no more than
 * a few at once, the others wait for their turn.
 *
 * Everything here runs on the gate thread.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/config.h"
#include "daemon/pool.h"
#include "daemon/remedies.h"
#include "daemon/stats.h"

struct cures;
struct cure;

enum cure_outcome {
        CURE_REPLACED, /* the file has a notice: only what is found clean by another scan may be served */
        CURE_AGAIN, /* it is not what it was judged to be, or others had it in their hands: judge it
                        * again */
        CURE_BUSY,  /* somebody else had it locked all the time */
        CURE_FAILED, /* it stays as it is: text says why */
};

/* What is to be cured, and who waits for it. */
struct cure_subject {
        int fd; /* of the file; stays the caller's, open until done(). No lease may be on it */
        bool awaited; /* by somebody, for whom it goes before those that nobody waits for */
        pid_t pid;    /* who that is, and may hold its lock; 0: not known */
        const struct config_store *store;
        enum job_form form;
        bool many; /* it is the item at offset, of size bytes; else the whole file is the item */
        uint64_t offset, size;
        uint64_t due_usec; /* how long to try, while others have it locked */
        const struct generation *generation;
        /* Called once, never from within cures_begin(). The cure is the callee's from then on. */
        void (*done)(struct cure *cure, void *userdata);
        void *userdata;
};

struct cure {
        /* What came of it. Strings may be "". */
        enum cure_outcome outcome;
        bool told;                  /* the log has it already */
        char text[REMEDY_TEXT_MAX]; /* a sentence's end: why not */
        char signature[PROTO_SIGNATURE_MAX];
        char path[PATH_MAX];
        bool has_digest;
        uint8_t digest[DIGEST_SIZE];
        struct context context;
        struct generation generation;
        struct cure_subject subject;

        /* The cures' own. */
        TAILQ_ENTRY(cure) link;
        struct cures *cures;
        int state;
        dev_t dev;
        ino_t ino;
        uint64_t file_size;
        int planned_fd;
        bool planned; /* a plan was told of */
        struct proto_plan plan;
        struct pool_job job;
        struct remedy_job remedy;
        uint64_t retry_usec, pause_usec;
};
struct cure *cure_free(struct cure *cure);
DEFINE_CLEANUP(struct cure *, cure_free);

int cures_new(const struct config *config, struct pool *pool, struct remedies *remedies,
              struct cures **ret);

/* Every cure must have ended. */
struct cures *cures_free(struct cures *cures);
DEFINE_CLEANUP(struct cures *, cures_free);

/* Whether somebody is at this item. */
bool cures_has(const struct cures *cures, dev_t dev, ino_t ino, uint64_t offset);

/* Whether this very item could not be replaced a moment ago, for a reason that stays. */
bool cures_hopeless(const struct cures *cures, dev_t dev, ino_t ino, uint64_t offset,
                    uint64_t size);

/* Whether something in this range was half replaced when that was interrupted. */
bool cures_unfinished(const struct cures *cures, dev_t dev, ino_t ino, uint64_t offset,
                      uint64_t size);

/* Begins a cure, or waits for the end of the one that somebody else began. -ENOMEM, or another
 * negative errno: there will be none. */
int cures_begin(struct cures *cures, const struct cure_subject *subject);

/* Somebody else waits for it now: he may be the one who has it locked, and does nothing to it as long as he
 * waits. pid: 0: not known. */
void cures_awaited(struct cures *cures, dev_t dev, ino_t ino, uint64_t offset, pid_t pid);

/* Ends and tries again what is due. Called before answers are flushed; returns when it wants to be called
 * next. */
uint64_t cures_run(struct cures *cures, uint64_t now);

/* The end: nothing is begun or tried again. */
void cures_stop(struct cures *cures);
