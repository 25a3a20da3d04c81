/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The workers as the gate sees them: a queue of jobs, high before low, users in turn and each user's
 * first come first served; slots that content is read into; results; the replacement of workers that
 * crash, hang or talk nonsense. A job that loses its worker gets one more. Every job ends in exactly
 * one done().
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/config.h"
#include "daemon/journal.h"
#include "daemon/loader.h"
#include "daemon/proto.h"
#include "daemon/queue.h"
#include "daemon/ring.h"
#include "daemon/stats.h"

struct pool;
struct pool_job;
struct poisons;

struct pool_result {
        enum verdict verdict;
        enum reason reason;
        enum result_known known; /* unless NOT: verdict and reason say nothing */
        bool has_digest;
        uint8_t digest[DIGEST_SIZE];
        char signature[PROTO_SIGNATURE_MAX];
        struct context context;
        const struct hub_content *hub; /* KNOWN_HUB: until done() returns; else NULL */
        uint64_t queue_usec, read_usec, scan_usec;
};

/* Embedded in the owner's object. */
struct pool_job {
        /* Set by the owner before pool_submit(). */
        int fd;        /* of the content; stays the owner's, open until done() */
        uint64_t size; /* by fstat */
        bool exact;    /* nobody can be writing: the size holds */
        bool aloud; /* reading fd raises events of ours: a worker does it, whom the gate lets through */
        bool low;  /* nobody waits for it */
        pid_t pid; /* who does; else 0 */
        bool has_known;
        uint8_t known[STAMP_DIGEST_SIZE];
        enum job_form form;
        bool use_cache; /* what the verdict cache seems to know need not be scanned */
        bool use_hub;   /* stamps in the header of a message are to be judged first */
        bool spare; /* content that has cost two workers before is not scanned; what costs two now
                         * is remembered (poisons.h), which takes reading fd again */
        const struct config_store *store; /* with spare: where it is, for the log */

        /* A file of many items: those that reach into [wanted, to), from the one at offset from on
         * (proto.h). They are told as they are judged, in order and without gaps; a job that is given
         * to a second worker tells them again from the first. item is NULL unless there is only one,
         * with a text for the log or with stamps. Neither may submit or end this job. */
        bool many;
        uint64_t from, wanted, to;
        /* Items that begin there are scanned whatever stamps they have; PROTO_REFUSED_MAX at most. */
        const uint64_t *distrusted;
        size_t n_distrusted;
        void (*items)(struct pool_job *job, const struct proto_span *spans, size_t n,
                      const struct proto_item *item);

        /* With it, the job of a message asks for attachments that are not wanted: told before done(),
         * once by each worker that the job is given to. May not submit or end this job either. */
        void (*attachment)(struct pool_job *job, const struct proto_attachment *attachment);

        /* With it, the job of a message asks for what a hub's stamp covers: told before done(), of what
         * is clean, likewise. */
        void (*cover)(struct pool_job *job, const struct proto_cover *cover);

        /* With it, a plan for the remedy is all that is wanted (proto.h, struct proto_plan; none of
         * what can be asked for above): of the item that is [from, to), with many and wanted = from,
         * else of the file, whose size is exactly that. planned_fd: a memfd of the item's size, sealed
         * against other sizes, to be written to; it stays the owner's, and after a second worker holds
         * what that one wrote. Told before done(), once by each worker that the job is given to: offset
         * and size are those asked for, and the outcome fits the result. What no worker was at, or lost
         * its last one, is done without. */
        void (*plan)(struct pool_job *job, const struct proto_plan *plan);
        int planned_fd;
        bool detached; /* the file is an attachment that Dovecot keeps by itself (JOB_RAW) */

        void (*done)(struct pool_job *job, const struct pool_result *result);

        /* The pool's own. */
        struct queue_item turn;
        bool queued;
        unsigned attempts;
        struct generation
                generation; /* of the engine that has it, or had it last: for its owner, too */
        uint64_t submitted_usec, dispatched_usec, sent_usec;
};

/* Called once when the first worker is ready (0), or when there can be none (-errno: the reason
 * was written to errors). */
typedef void (*pool_ready_fn)(void *userdata, int error);

/* Starts the loader. cache_fd is the memory of the verdict cache that workers get, or -EBADF; it stays
 * the caller's. errors is written to until ready was called, and must live until then. */
int pool_new(struct ring *ring, const struct config *config, struct stats *stats,
             struct journal *journal, int cache_fd, pool_ready_fn on_ready, void *userdata,
             FILE *errors, struct pool **ret);

/* Who remembers what costs workers; before the first job. NULL: nobody. */
void pool_set_poisons(struct pool *pool, struct poisons *poisons);

/* Every job must be done before. */
struct pool *pool_free(struct pool *pool);
DEFINE_CLEANUP(struct pool *, pool_free);

/* Takes a job; done() is called later, never from in here. */
void pool_submit(struct pool *pool, struct pool_job *job);

/* Somebody waits for a job now: moves it to the high queue if it is still in the low one, and to his
 * place there if that is nearer than that of whoever waits already. */
void pool_raise(struct pool *pool, struct pool_job *job, pid_t pid);

/* Nobody waits for a job any more: moves it to the low queue if it is still in the high one. */
void pool_lower(struct pool *pool, struct pool_job *job);

/* Nobody wants the result any more: ends a job that no worker has, with UNKNOWN and this reason. What a
 * worker has goes on. */
void pool_withdraw(struct pool *pool, struct pool_job *job, enum reason reason);

/* Ends every job that no worker has, with UNKNOWN and this reason. */
void pool_fail_queued(struct pool *pool, enum reason reason);

/* How a reload of the signatures ended; told once for each pool_reload() that was begun. */
enum pool_reloaded {
        POOL_UNCHANGED, /* the set is the one that runs */
        POOL_CHANGED,   /* new jobs go to the new engine */
        POOL_REFUSED,   /* there is no engine in it: what ran goes on */
        POOL_FAILED,    /* nor does what ran go on: it was let go first; tried again by itself */
};
typedef void (*pool_reloaded_fn)(void *userdata, enum pool_reloaded how, const char *text);

struct pool_reload {
        int database; /* O_PATH; taken */
        bool always;  /* also for the set that runs: [scanner] has changed */
        pool_reloaded_fn done;
        void *userdata;
};

/* Loads the signatures as they are now, beside the engine that runs or, by concurrent_reload, in its
 * place. -EBUSY: an engine is being loaded, nothing is taken. Other negative errno: there is no
 * process to be had. */
int pool_reload(struct pool *pool, const struct pool_reload *reload);

/* Whether the servers that scan for the running engine have come to other signatures than it was loaded
 * with; told once each time. */
bool pool_take_stale(struct pool *pool);

/* Whether an engine is being loaded at this moment, for this or another reason. */
bool pool_is_loading(const struct pool *pool);

/* Behind pool_new(): stamps are judged by this generation, of the process before, until the first engine is
 * loaded, as by an engine that runs while the next one is loaded beside it. Who needs a scan waits for that
 * one; nobody else does, so that the pool is ready now, and a loader that fails is tried again. */
void pool_borrow(struct pool *pool, const struct generation *generation, uint32_t database_version,
                 uint64_t database_usec);

/* The running engine's generation; NULL while there is none. */
const struct generation *pool_generation(const struct pool *pool);

/* The same; NULL also while it is a borrowed one, which the options in force need not belong to. */
const struct generation *pool_own_generation(const struct pool *pool);

/* Whether the generation is borrowed, and no engine could be loaded so far. */
bool pool_is_without_engine(const struct pool *pool);

/* When an opener must have his answer who comes now, or (unless 0) has waited since then for processes before.
 * That the first engine is being loaded when he comes is not his scan's fault; but who has waited before is
 * given no more time by each process anew. */
uint64_t pool_due(const struct pool *pool, const struct config_store *store, uint64_t since_usec);

/* The version of its signatures, as it stands in a hub's stamp; 0 while there is none. */
uint32_t pool_database_version(const struct pool *pool);
/* When they were made, in microseconds since 1970; 0 while there is none, or for own signatures. */
uint64_t pool_database_usec(const struct pool *pool);

/* Where a job is that was submitted: "queue", "read" (into a worker's memory) or "scan". */
const char *pool_stage(const struct pool_job *job);

/* How many contents wait for a worker: that somebody waits for, and that nobody does. */
void pool_count(const struct pool *pool, unsigned *ret_urgent, unsigned *ret_low);

/* How many results may be waited for together without a worker running out of work meanwhile; 0: the
 * pool has operations in the ring that are through at once. */
unsigned pool_patience(const struct pool *pool);

/* Whether pid is a loader or a worker (who must never wait for us). Reads through event fds raise no events, but
 * those of what the process before has left, whose file was opened anew, do. */
bool pool_is_own(const struct pool *pool, pid_t pid);

/* Kills workers that are over their time, starts missing ones. Called once a loop; returns when it
 * wants to be called next (monotonic, USEC_INFINITY: when something happens). */
uint64_t pool_run(struct pool *pool, uint64_t now);
