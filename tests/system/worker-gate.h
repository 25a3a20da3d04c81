/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A small gate for tests and benchmarks of the worker: starts a loader as storescand does, and
 * talks to it and to its workers, one at a time. Waits are bounded: -ETIMEDOUT.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/proto.h"

#define GATE_WAIT_MSEC 30000
#define GATE_NOTICE    "Removed: %{signature}\nItem %{item} of %{sender} on %{host}.\n"

struct gate {
        pid_t loader;
        int control;
        int errors; /* a memfd: what was written to stderr */
        int cache;  /* a memfd that workers get; 0: none */
};

struct gate_worker {
        pid_t pid;
        int channel;
        int slot_fd;
        uint8_t *slot;
        uint64_t last_id;
};

/* How the loader's process begins; zero: as storescand makes it. */
struct gate_start {
        const char *program;
        bool keep_root;         /* for tests run as root: do not drop it */
        bool keep_capabilities; /* drop root, but keep a capability */
        bool no_landlock;       /* the kernel has none, as far as the process can tell */
};

/* The user that a loader is run as: our own, or with root nobody. */
uid_t gate_user(void);

int gate_start(struct gate *gate, const struct gate_start *how);

/* Defaults as of storescan.conf. */
void gate_load_init(union proto_message *load, const char *database, const char *tmpdir);

/* Sends load with the database's fd and waits for the answer: PROTO_LOADED, PROTO_REFUSED, or
 * negative errno. */
int gate_load(struct gate *gate, const union proto_message *load, union proto_message *ret);

/* Asks for a worker and waits for its HELLO. -EPIPE: it ended instead. */
int gate_spawn(struct gate *gate, unsigned number, struct gate_worker *ret);
void gate_worker_free(struct gate_worker *worker);

/* A job by slot, or by fd when data is NULL. known: NULL, or a digest to compare. */
struct gate_job {
        const void *data;
        size_t size;
        int fd;
        const uint8_t *known;
        enum job_form form;
        bool use_cache, use_hub, many;
        uint64_t from, wanted, to; /* with many */
        uint64_t distrusted;       /* with use_hub: an item's offset; 0: none */
        bool plan, detached;
        int planned_fd; /* with plan */
};
int gate_submit(struct gate_worker *worker, const struct gate_job *job);
int gate_wait(struct gate_worker *worker, union proto_message *ret);
int gate_scan(struct gate_worker *worker, const struct gate_job *job, struct proto_result *ret);

/* A job with plan: what was told of it, once, and its result. */
int gate_plan(struct gate_worker *worker, const struct gate_job *job, struct proto_plan *ret_plan,
              struct proto_result *ret);

/* What was told of a file of many items, in its order. */
struct gate_item {
        struct proto_span span;
        unsigned message; /* number of the message that told of it */
        char signature[PROTO_SIGNATURE_MAX];
        struct context context;
        struct hub_content hub;
};
struct gate_walk {
        struct gate_item *items;
        size_t n;
        unsigned n_messages;
        struct proto_result result;
};
/* Until the result. Whatever is told is in order and without gaps from job->from on, else -EBADMSG.
 * step, if not NULL, is called after each message. */
int gate_walk(struct gate_worker *worker, const struct gate_job *job,
              void (*step)(void *userdata, const struct gate_walk *walk), void *userdata,
              struct gate_walk *ret);
void gate_walk_free(struct gate_walk *walk);

/* Waits until the worker's end of the channel is closed. 0 or -ETIMEDOUT. */
int gate_wait_end(struct gate_worker *worker);

/* Closes the control socket, waits for the loader's end: its exit status, 128 + signal. */
int gate_stop(struct gate *gate);
/* The same without closing the socket first. */
int gate_wait_exit(struct gate *gate);

/* What was written to stderr so far; released with free(). */
char *gate_errors(struct gate *gate);

/* Polls until the condition holds. 0 or -ETIMEDOUT. */
int gate_until(bool (*condition)(void *userdata), void *userdata);
