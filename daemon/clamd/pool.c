/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the workers' sockets, their scans, and the loop. A scan that has no answer after a
 * while is given to a second server as well, and the first answer counts; one that lost its server goes
 * to another. Must not parse mail, nor what servers say (answer.h).
 */

#include "daemon/clamd/pool-private.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "daemon/clamd/confine.h"

#define START_USEC    (5 * USEC_PER_SEC) /* for servers to prove themselves, at the beginning */
#define PATIENCE_USEC (5 * USEC_PER_SEC) /* without any server */
#define SECOND_USEC   (2 * USEC_PER_SEC) /* until a second server is asked */
#define READY_MAX     64                 /* workers that are heard at once */
#define TRIES_MAX     3                  /* sessions that a content may cost */

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

static bool is_ready(const struct clamd_pool *pool) {
        for (size_t i = 0; i < pool->n_servers; i++)
                if (!pool->servers[i].tried)
                        return pool->now - pool->started_usec >= START_USEC;
        return true;
}

/* ---- Scans ---- */

static void close_job(struct worker *w) {
        for (size_t i = 0; i < ELEMENTSOF(w->job.at); i++)
                if (w->job.at[i])
                        server_forget(w->job.at[i], w);
        close_fd(w->job.fd);
        w->job = (struct job){ .fd = -EBADF };
}

static void drop_worker(struct worker *w) {
        if (w->job.open)
                close_job(w);
        close_fd(w->sock);
        *w = (struct worker){ .sock = -EBADF };
}

static void answer(struct worker *w, enum link_answer what, const char *text) {
        union link_message m;

        link_init(&m, LINK_ANSWER);
        m.answered.id = w->job.id;
        m.answered.answer = (uint8_t)what;
        proto_text(m.answered.text, sizeof(m.answered.text), text);
        close_job(w);
        if (link_send(w->sock, &m, -EBADF) < 0)
                drop_worker(w);
}

/* What one server could not scan may be scanned by another. */
static void lost_server(struct worker *w, struct server *s, const char *problem) {
        struct job *job = &w->job;

        for (size_t i = 0; i < ELEMENTSOF(job->at); i++)
                if (job->at[i] == s)
                        job->at[i] = NULL;
        proto_text(job->problem, sizeof(job->problem), problem);
        job->tries++;
        job->asked_usec = 0;
}

static void scan_answered(void *userdata, struct server *s, void *of,
                          const struct clamd_reply *reply) {
        struct clamd_pool *pool = userdata;
        struct worker *w = of;

        if (!w->job.open)
                return;
        if (!reply) {
                lost_server(w, s, s->problem);
                /* It hung up for another content's sake, and is there: senders of large mail must not
                 * use up the tries of others. */
                if (s->state == SERVER_CONNECTING)
                        w->job.tries--;
                pool->news.again++;
                pool->dirty = true;
                return;
        }
        switch (reply->answer) {
        case CLAMD_OK: answer(w, LINK_OK, ""); return;
        case CLAMD_FOUND: answer(w, LINK_FOUND, reply->name); return;
        case CLAMD_TOO_LARGE: answer(w, LINK_TOO_LARGE, reply->name); return;
        case CLAMD_ERROR:
        case CLAMD_VERSION:
        case _CLAMD_ANSWER_MAX:
        default:
                lost_server(w, s, reply->name);
                pool->news.again++;
                pool->dirty = true;
                return;
        }
}

static void give(struct clamd_pool *pool, struct worker *w, size_t place, struct server *s) {
        w->job.at[place] = s;
        w->job.asked_usec = pool->now;
        if (server_scan(s, w, w->job.fd, w->job.size, pool->now) < 0)
                lost_server(w, s, "there are too many open files");
}

static void run_job(struct clamd_pool *pool, struct worker *w, uint64_t *due) {
        struct job *job = &w->job;
        bool asked = job->at[0] || job->at[1];
        struct server *s;

        if (job->deadline_usec != 0 && pool->now >= job->deadline_usec) {
                answer(w, LINK_TIMEOUT, "no clamd server answered in time");
                return;
        }
        if (job->deadline_usec != 0)
                *due = MIN(*due, job->deadline_usec);
        if (!asked && job->tries >= TRIES_MAX) {
                answer(w, LINK_ERROR, job->problem);
                return;
        }
        if (pool->alone_usec != 0 && !asked) {
                uint64_t until = MAX(pool->alone_usec, job->since_usec) +
                                 (pool->setup->fallback ? 0 : PATIENCE_USEC);

                if (pool->now >= until) {
                        pool->news.none++;
                        pool->dirty = true;
                        answer(w, LINK_NONE,
                               job->problem[0] ? job->problem : "no clamd server can be used");
                        return;
                }
                *due = MIN(*due, until);
                return;
        }
        if (asked && pool->now - job->asked_usec < SECOND_USEC) {
                *due = MIN(*due, job->asked_usec + SECOND_USEC);
                return;
        }
        if (job->at[0] && job->at[1])
                return;
        s = clamd_pool_choose(pool, job);
        if (!s)
                return; /* one has room again when it answers */
        pool->news.again += asked;
        pool->dirty |= asked;
        give(pool, w, job->at[0] ? 1 : 0, s);
        if (job->open && !job->at[0] && !job->at[1])
                *due = pool->now; /* it came to nothing */
}

static bool take_scan(struct clamd_pool *pool, struct worker *w, const struct link_scan *m,
                      int fd) {
        if (w->job.open)
                close_job(w); /* the worker waits for its answer no more */
        if (!probes_is_sealed(fd, m->size) || m->size > UINT32_MAX)
                return false;
        w->job = (struct job){
                .open = true,
                .id = m->id,
                .size = m->size,
                .fd = fd,
                .since_usec = pool->now,
                .deadline_usec = m->msec ? pool->now + m->msec * USEC_PER_MSEC : 0,
        };
        return true;
}

static void hear_worker(struct clamd_pool *pool, struct worker *w) {
        union link_message m;
        int fd, r = link_receive(w->sock, &m, &fd);

        if (r == -EAGAIN)
                return;
        if (r != LINK_SCAN || !take_scan(pool, w, &m.scan, fd)) {
                close_fd(fd);
                drop_worker(w);
        }
}

static void hear_workers(struct clamd_pool *pool) {
        struct epoll_event ready[READY_MAX];
        int n = epoll_wait(pool->ready_workers, ready, READY_MAX, 0);

        for (int i = 0; i < n; i++) {
                struct worker *w = &pool->workers[ready[i].data.u64];

                if (w->sock >= 0)
                        hear_worker(pool, w);
        }
}

static void add_worker(struct clamd_pool *pool, int sock) {
        for (size_t i = 0; i < WORKERS_HELD_MAX; i++) {
                if (pool->workers[i].sock >= 0)
                        continue;
                /* Closed, it is out of the epoll: nobody else has it. */
                if (epoll_ctl(pool->ready_workers, EPOLL_CTL_ADD, sock,
                              &(struct epoll_event){ .events = EPOLLIN, .data.u64 = i }) < 0)
                        break;
                pool->workers[i] = (struct worker){ .sock = sock, .job.fd = -EBADF };
                pool->n_workers = MAX(pool->n_workers, i + 1);
                return;
        }
        close_fd(sock);
}

/* False: the loader is gone. */
static bool hear_loader(struct clamd_pool *pool) {
        union link_message m;
        int fd, r = link_receive(pool->control, &m, &fd);

        if (r == -EAGAIN)
                return true;
        if (r != LINK_ADD) {
                close_fd(fd);
                return false;
        }
        add_worker(pool, fd);
        return true;
}

/* ---- The loop ---- */

static void note_alone(struct clamd_pool *pool) {
        char problems[PROTO_TEXT_MAX - 64], text[PROTO_TEXT_MAX];
        bool alone = clamd_pool_count(pool) == 0;

        /* Where one has hung up because a content is too large, another session is begun. */
        for (size_t i = 0; i < pool->n_servers; i++)
                alone = alone && !(pool->servers[i].used && pool->servers[i].state != SERVER_UP);
        if (alone && pool->alone_usec == 0) {
                pool->alone_usec = pool->now;
                clamd_pool_list_problems(pool, problems, sizeof(problems));
                (void)snprintf(text, sizeof(text), "No clamd server can be used: %s.", problems);
                clamd_pool_tell(pool, SERVERS_NONE, text);
        } else if (!alone)
                pool->alone_usec = 0;
}

static uint64_t run(struct clamd_pool *pool) {
        uint64_t due = pool->now + USEC_PER_SEC;

        for (size_t i = 0; i < pool->n_servers; i++)
                due = MIN(due, server_run(&pool->servers[i], pool->now));
        if (!pool->ready && is_ready(pool))
                clamd_pool_become_ready(pool);
        if (!pool->ready)
                return MIN(due, pool->started_usec + START_USEC);
        note_alone(pool);
        for (size_t i = 0; i < pool->n_workers; i++)
                if (pool->workers[i].sock >= 0 && pool->workers[i].job.open)
                        run_job(pool, &pool->workers[i], &due);
        clamd_pool_tell_sometimes(pool);
        return due;
}

static int wait_for(struct clamd_pool *pool, uint64_t due) {
        struct pollfd fds[2 + CLAMD_SERVERS_MAX], *servers = fds + 2;
        uint64_t left = due > pool->now ? due - pool->now : 0;

        fds[0] = (struct pollfd){ .fd = pool->control, .events = POLLIN };
        fds[1] = (struct pollfd){ .fd = pool->ready_workers, .events = POLLIN };
        for (size_t i = 0; i < pool->n_servers; i++)
                servers[i] = (struct pollfd){ .fd = pool->servers[i].fd,
                                              .events = server_events(&pool->servers[i]) };
        if (poll(fds, 2 + pool->n_servers, (int)((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) < 0)
                return errno == EINTR ? 0 : -errno;
        pool->now = now_usec();
        for (size_t i = 0; i < pool->n_servers; i++)
                if (servers[i].fd == pool->servers[i].fd)
                        server_ready(&pool->servers[i], servers[i].revents, pool->now);
        if (fds[1].revents)
                hear_workers(pool);
        return !fds[0].revents || hear_loader(pool) ? 0 : -ECONNRESET;
}

int clamd_pool_run(const struct clamd_pool_setup *setup, int control) {
        static struct clamd_pool pool; /* large */
        char problem[CONFINE_PROBLEM_MAX];
        int r;

        pool.setup = setup;
        pool.control = control;
        pool.owner = (struct server_owner){
                .answered = scan_answered,
                .changed = clamd_pool_server_changed,
                .userdata = &pool,
                .probes = &pool.probes,
        };
        for (size_t i = 0; i < WORKERS_HELD_MAX; i++)
                pool.workers[i].sock = -EBADF;
        pool.ready_workers = epoll_create1(EPOLL_CLOEXEC);
        if (pool.ready_workers < 0) {
                fprintf(stderr,
                        "storescan-worker: what talks to clamd can't wait for workers: %s.\n",
                        error_text(errno));
                return EXIT_FAILURE;
        }
        r = probes_make(&pool.probes);
        if (r < 0) {
                fprintf(stderr, "storescan-worker: clamd's tests can't be made: %s.\n",
                        error_text(-r));
                return EXIT_FAILURE;
        }
        pool.n_servers = setup->n;
        for (size_t i = 0; i < setup->n; i++)
                server_init(&pool.servers[i], &pool.owner, &setup->addresses[i]);
        if (clamd_confine(setup->addresses, setup->n, problem) < 0) {
                fprintf(stderr, "storescan-worker: what talks to clamd can't be confined: %s.\n",
                        problem);
                return EXIT_FAILURE;
        }
        pool.started_usec = pool.now = now_usec();
        do
                r = wait_for(&pool, run(&pool));
        while (r == 0);
        return r == -ECONNRESET ? EXIT_SUCCESS : EXIT_FAILURE;
}
