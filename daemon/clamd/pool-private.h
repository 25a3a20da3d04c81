/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by pool.c (scans, and the whole) and pool-servers.c (the servers together). */

#include "daemon/clamd/link.h"
#include "daemon/clamd/pool.h"
#include "daemon/clamd/server.h"
#include "daemon/config.h"
#include "store/util.h"

#define WORKERS_HELD_MAX (4 * WORKERS_MAX)

struct job {
        bool open; /* there is one */
        uint64_t id, size, since_usec, deadline_usec, asked_usec;
        int fd;
        struct server *at[2];
        unsigned tries;
        char problem[CLAMD_NAME_MAX];
};

struct worker {
        int sock; /* -EBADF: a free place */
        struct job job;
};

struct clamd_pool {
        const struct clamd_pool_setup *setup;
        int control;
        struct probes probes;
        struct server_owner owner;
        struct server servers[CLAMD_SERVERS_MAX];
        size_t n_servers;
        struct worker workers[WORKERS_HELD_MAX];
        int ready_workers; /* an epoll of their sockets, by their number */
        size_t n_workers;  /* so many were in use at once, at most: there is none behind these */
        uint64_t turn;     /* of the server that was asked last */
        uint64_t now, started_usec, told_usec, stale_usec, alone_usec;
        bool ready, dirty;
        bool restarted; /* a server whose signatures have no version had another session */
        struct clamd_version floor; /* with which the loader has made its generation */
        bool has_floor;
        struct proto_servers news;
};

/* How many can be asked: a set that is older than the one that verdicts are said to be of is not. */
unsigned clamd_pool_count(const struct clamd_pool *pool);

/* What is wrong with those that can't. */
void clamd_pool_list_problems(const struct clamd_pool *pool, char *text, size_t size);

/* The one that is to be asked now, of those that do not have the job already; NULL: none has room. */
struct server *clamd_pool_choose(struct clamd_pool *pool, const struct job *job);

/* Tells the loader what has changed, and why; or, once in a while, what is not news of its own. */
void clamd_pool_tell(struct clamd_pool *pool, enum servers_change change, const char *text);
void clamd_pool_tell_sometimes(struct clamd_pool *pool);

/* The first word to the loader. */
void clamd_pool_become_ready(struct clamd_pool *pool);

/* The servers' owner is told (server.h). */
void clamd_pool_server_changed(void *userdata, struct server *s);
