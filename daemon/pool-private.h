/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Shared by pool.c (the queue, and the whole), pool-reload.c (from one engine to the next), team.c (an
 * engine with its loader and workers) and pool-worker.c (one worker and the job it has).
 */

#include <sys/socket.h>
#include <sys/uio.h>

#include "daemon/pool.h"

enum worker_state { WORKER_ABSENT, WORKER_STARTING, WORKER_RUNNING };

enum bay_state {
        BAY_FREE,
        BAY_READING, /* content goes into it */
        BAY_SENT,    /* the worker was told; it works on the oldest, the others wait there */
};

/* One of the places in a worker's slot: a job under way. A worker that finds its next job there does
 * not have to sleep and be woken in between. */
struct bay {
        struct worker *worker;
        unsigned number;
        enum bay_state state;
        struct pool_job *job; /* NULL in a SENT bay: taken back, the result is nobody's */
        uint64_t id;
        uint64_t since_usec; /* when the state began */
        size_t filled;
        uint64_t told; /* of many items: up to which offset */
        bool planned;  /* its plan was told, and this is the outcome: */
        enum plan_outcome outcome;
        uint64_t begun, begun_size; /* what the worker said that it was going to take apart */
        uint8_t begun_digest[DIGEST_SIZE];

        struct ring_op read_op, send_op;
        bool reading, sending;
        struct msghdr send_msg;
        struct iovec send_iov;
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(2 * sizeof(int))];
        } send_control;
        struct proto_job message;
};

struct worker {
        struct pool *pool;
        struct team *team;
        unsigned number;
        enum worker_state state;
        int channel, slot_fd, pidfd;
        uint8_t *slot;       /* shared with this worker only */
        uint64_t since_usec; /* when the state began; while it scans: when this job's turn came */
        bool hung;           /* we killed it */
        uint32_t serial;     /* of this life */
        enum { FATE_OPEN, FATE_KILLED, FATE_FAILED } fate; /* as the loader tells it */
        uint64_t poisons; /* the version of the list in its slot; 0: it is empty */
        bool quick_death; /* ended before its first result: do not respawn at once */
        struct bay bays[PROTO_BAYS];

        struct ring_op receive_op;
        bool receiving;
        struct msghdr receive_msg;
        struct iovec receive_iov;
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(struct ucred))];
        } receive_control;
        union proto_message received;
};

/* An engine: its loader, and the workers that were forked from it. */
struct team {
        LIST_ENTRY(team) link; /* of those that are retired */
        struct pool *pool;
        struct loader *loader;
        bool loaded;   /* the loader has an engine and takes SPAWNs */
        bool refused;  /* the loader said why; its end is no news */
        bool retired;  /* another engine took over: its workers end with the job they are at */
        bool compares; /* its loader is only asked whether there is anything new */
        uint64_t loaded_usec;
        struct generation generation;
        uint32_t database_version;
        uint64_t database_usec;
        unsigned n_workers;
        struct worker workers[WORKERS_MAX];
        struct proto_servers servers; /* of clamd, as they were told last */
        bool stale;                   /* they have other signatures now */
        bool back;                    /* its processes give way to all others */
        uint64_t wanted_usec;         /* when somebody waited for a scan last */
        /* Theirs, while there is a pidfd; beside each other, since each event asks for them. */
        pid_t pids[WORKERS_MAX];
};

struct pool {
        struct ring *ring;
        const struct config *config;
        struct stats *stats;
        struct journal *journal;
        struct poisons *poisons; /* NULL: nothing is remembered */
        int cache_fd;
        pool_ready_fn on_ready;
        void *userdata;
        FILE *errors;
        bool ready;

        struct loader_settings settings;
        struct team *running;      /* that jobs are given to; never NULL */
        struct team *next;         /* being loaded beside it; or NULL */
        LIST_HEAD(, team) retired; /* with their last jobs */
        struct pool_reload reload; /* the one under way */
        bool reloading;
        bool alone;    /* what ran is being let go before the next one is loaded */
        bool borrowed; /* the generation is that of the process before: no engine is loaded yet */
        bool has_generation; /* of the last engine that was loaded: its stamps stay good while
                              * another loader starts */
        struct generation generation;
        uint32_t database_version;
        uint64_t database_usec;
        uint64_t restart_usec; /* when a new loader may be started; 0: none needed */
        unsigned failures;     /* loaders in a row that came to nothing */
        bool ending;
        bool stale; /* see pool_take_stale() */

        struct queue queue;
        unsigned cpus;
        uint64_t next_job_id;
        uint32_t n_spawned;
        unsigned busy_ops; /* operations in the ring that point into the object */
};

/* ---- pool.c ---- */

/* Ends a job without a worker's word. text says more, for the log; may be "". */
void pool_job_fail(struct pool_job *job, enum reason reason, const char *text);

/* Whether the worker gets the content's fd, and not the content. */
bool pool_job_by_fd(const struct pool_job *job);

/* Of what goes into a bay: where in the file it begins. */
uint64_t pool_job_at(const struct pool_job *job);

/* Puts a job where it waits, at the front if it lost its worker. */
void pool_enqueue(struct pool *pool, struct pool_job *job, bool first);

/* Gives queued jobs to idle workers. */
void pool_dispatch(struct pool *pool);

/* A worker said hello (0), or there can be none (negative): told once. */
void pool_set_ready(struct pool *pool, int error);

/* The running engine's loader came to nothing: another one is tried after a while. */
void pool_loader_failed(struct pool *pool, int error, const char *text);

/* The running engine is another one. */
void pool_take_generation(struct pool *pool, const struct team *team);

/* ---- pool-reload.c ---- */

/* The engine that is loaded beside the running one: what its loader says, that it is gone, that a
 * worker of it says hello. */
void pool_next_said(struct pool *pool, const union proto_message *m);
void pool_next_ended(struct pool *pool);

/* The engine that took the place of the one that was let go is loaded, or is not. */
void pool_reload_settled(struct pool *pool, enum pool_reloaded how, const char *text);

/* Swaps engines when the next one's workers are there, lets go of retired ones. Called once a loop. */
uint64_t pool_run_reload(struct pool *pool, uint64_t now);

/* ---- team.c ---- */

/* Without a loader. */
struct team *team_new(struct pool *pool);
/* Kills what is left of it. None of its operations may be in the ring any more (team_lingers()). */
struct team *team_free(struct team *team);

/* 0 or negative errno. request may be NULL. */
int team_load(struct team *team, const struct loader_request *request);

/* Gives up loader and workers; their jobs go to others, or end with reason. */
void team_end(struct team *team, enum reason reason);

/* Another engine took over: jobs that nobody is at go back into the queue, the others end here. */
void team_retire(struct team *team);

/* Looks after the workers: kills those over their time, starts missing ones. */
uint64_t team_run(struct team *team, uint64_t now);

/* Somebody waits for a scan that a worker has: it gives way to nobody now. */
void team_hurry(struct team *team, uint64_t now);

/* Whether a worker is there or on its way; whether operations of it are in the ring. */
unsigned team_count(const struct team *team, enum worker_state state);
bool team_lingers(const struct team *team);

/* Logs what was loaded. */
void team_log_loaded(const struct team *team, const struct proto_loaded *loaded);

/* ---- pool-worker.c ---- */

void worker_init(struct worker *w, struct team *team, unsigned number);
void worker_done(struct worker *w);

/* The loader says how a worker ended, before or after that was seen here. */
void worker_ended(struct team *team, const struct proto_ended *m);

/* Asks the loader for a worker in this place. 0 or negative errno. */
int worker_start(struct worker *w, uint64_t now);

/* Whether a worker has nothing to do; whether it could be given a job to go on with. */
bool worker_idle(const struct worker *w);
bool worker_has_room(const struct worker *w, uint64_t now);

/* Whether it has something to do, and nobody waits for any of it. */
bool worker_is_low(const struct worker *w);

/* Gives a job to a worker that is idle or has room. now: by system calls of its own, which is quickest where
 * nothing else is to be done; else with what the ring is given at the turn's end. */
void worker_take(struct worker *w, struct pool_job *job, bool now);

/* Kills a worker that is over its time, takes back what waits behind a long job. Returns when it is
 * to be called next; USEC_INFINITY: when something happens. */
uint64_t worker_run(struct worker *w, uint64_t now);

/* Gives up a worker, dead or to be killed; its job goes to another one, or ends with reason.
 * Operations that are still in the ring end by themselves and find the state changed. */
void worker_lost(struct worker *w, enum reason reason);

/* Takes back the jobs that it has not begun, or would tell all of again; without one that is left, it
 * ends. */
void worker_retire(struct worker *w);

/* Whether operations of a lost worker are still in the ring: its place can't be used again yet. */
bool worker_lingers(const struct worker *w);
