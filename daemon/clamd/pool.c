/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the servers, the workers' sockets, and which scan goes where. A scan that has no answer after a
 * while is given to a second server as well, and the first answer counts; one that lost its server goes
 * to another. Must not parse mail, nor what servers say (answer.h).
 */

#include "daemon/clamd/pool.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/clamd/confine.h"
#include "daemon/clamd/link.h"
#include "daemon/clamd/server.h"
#include "daemon/config.h"
#include "store/util.h"

#define WORKERS_HELD_MAX (4 * WORKERS_MAX)
#define START_USEC       (5 * USEC_PER_SEC)  /* for servers to prove themselves, at the beginning */
#define PATIENCE_USEC    (5 * USEC_PER_SEC)  /* without any server */
#define SECOND_USEC      (2 * USEC_PER_SEC)  /* until a second server is asked */
#define STALE_USEC       (30 * USEC_PER_SEC) /* until it is told again */
#define COUNTERS_USEC    (1 * USEC_PER_SEC)
#define TURN             UINT64_C(10000) /* how much later the next one of a server comes */
#define TRIES_MAX        3               /* sessions that a content may cost */

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

struct pool {
        const struct clamd_pool_setup *setup;
        int control;
        struct probes probes;
        struct server_owner owner;
        struct server servers[CLAMD_SERVERS_MAX];
        size_t n_servers;
        struct worker workers[WORKERS_HELD_MAX];
        uint64_t turn; /* of the server that was asked last */
        uint64_t now, started_usec, told_usec, stale_usec, alone_usec;
        bool ready, dirty;
        bool restarted; /* a server whose signatures have no version had another session */
        struct clamd_version floor; /* with which the loader has made its generation */
        bool has_floor;
        struct proto_servers news;
};

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

/* ---- Which signatures ---- */

/* A set that is older than the one that verdicts are said to be of is not asked. */
static bool is_usable(const struct pool *pool, const struct server *s) {
        return s->state == SERVER_UP &&
               (!pool->has_floor || clamd_version_compare(&s->version, &pool->floor) >= 0);
}

static unsigned count_usable(const struct pool *pool) {
        unsigned n = 0;

        for (size_t i = 0; i < pool->n_servers; i++)
                n += is_usable(pool, &pool->servers[i]);
        return n;
}

/* The oldest that any of them has, as far as is known; of a server that is down, as it was. */
static const struct clamd_version *oldest(const struct pool *pool) {
        const struct clamd_version *least = NULL;

        for (size_t i = 0; i < pool->n_servers; i++) {
                const struct server *s = &pool->servers[i];

                if ((s->used || s->was_up) &&
                    (!least || clamd_version_compare(&s->version, least) < 0))
                        least = &s->version;
        }
        return least;
}

static bool is_stale(const struct pool *pool) {
        const struct clamd_version *least = oldest(pool);

        if (!least)
                return false;
        return !pool->has_floor || pool->restarted ||
               clamd_version_compare(least, &pool->floor) != 0;
}

/* ---- News ---- */

static void tell(struct pool *pool, enum servers_change change, const char *text) {
        union link_message m;

        link_init(&m, LINK_NEWS);
        pool->news.servers = (uint32_t)pool->n_servers;
        pool->news.usable = count_usable(pool);
        pool->news.change = (uint8_t)change;
        pool->news.stale = 0;
        if (is_stale(pool) &&
            (pool->stale_usec == 0 || pool->now - pool->stale_usec >= STALE_USEC)) {
                pool->news.stale = 1;
                pool->stale_usec = pool->now;
        }
        proto_text(pool->news.text, sizeof(pool->news.text), text);
        m.news.servers = pool->news;
        pool->told_usec = pool->now;
        pool->dirty = false;
        (void)link_send(pool->control, &m, -EBADF);
}

static void tell_left_out(struct pool *pool, const struct server *s) {
        char text[PROTO_TEXT_MAX];

        pool->news.left_out++;
        (void)snprintf(text, sizeof(text), "%s is left out: %s.", s->address.text,
                       s->problem[0] ? s->problem : "it did not answer yet");
        tell(pool, SERVERS_LEFT_OUT, text);
}

static void server_changed(void *userdata, struct server *s) {
        struct pool *pool = userdata;
        char text[PROTO_TEXT_MAX];

        if (s->state == SERVER_UP && s->was_up && s->version.database == 0)
                pool->restarted = true;
        if (!pool->ready)
                return;
        if (s->state == SERVER_UP) {
                (void)snprintf(text, sizeof(text), "%s is used again: ClamAV %s, database %u.",
                               s->address.text, s->version.engine, s->version.database);
                tell(pool, SERVERS_BACK, text);
                return;
        }
        tell_left_out(pool, s);
}

/* What is wrong with those that can't be used. */
static void list_problems(const struct pool *pool, char *text, size_t size) {
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < pool->n_servers && n < size; i++) {
                const struct server *s = &pool->servers[i];

                if (!is_usable(pool, s))
                        n += (size_t)snprintf(text + n, size - n, "%s%s: %s", n > 0 ? "; " : "",
                                              s->address.text,
                                              s->state == SERVER_UP ? "its signatures are older"
                                              : s->problem[0]       ? s->problem
                                                                    : "it did not answer yet");
        }
}

static void become_ready(struct pool *pool) {
        const struct clamd_version *least = oldest(pool);
        union link_message m;

        pool->ready = true;
        link_init(&m, LINK_READY);
        if (least) {
                pool->floor = *least;
                pool->has_floor = true;
                m.ready.database = least->database;
                proto_text(m.ready.engine, sizeof(m.ready.engine), least->engine);
        }
        m.ready.servers = count_usable(pool);
        list_problems(pool, m.ready.problem, sizeof(m.ready.problem));
        (void)link_send(pool->control, &m, -EBADF);
        for (size_t i = 0; i < pool->n_servers; i++)
                if (pool->servers[i].state != SERVER_UP)
                        tell_left_out(pool, &pool->servers[i]);
        tell(pool, SERVERS_SAME, "");
}

static bool is_ready(const struct pool *pool) {
        for (size_t i = 0; i < pool->n_servers; i++)
                if (!pool->servers[i].tried)
                        return pool->now - pool->started_usec >= START_USEC;
        return true;
}

/* ---- Scans ---- */

static void drop_worker(struct pool *pool, struct worker *w) {
        for (size_t i = 0; i < pool->n_servers && w->job.open; i++)
                server_forget(&pool->servers[i], w);
        if (w->job.open)
                close_fd(w->job.fd);
        close_fd(w->sock);
        *w = (struct worker){ .sock = -EBADF };
}

static void answer(struct pool *pool, struct worker *w, enum link_answer what, const char *text) {
        union link_message m;

        link_init(&m, LINK_ANSWER);
        m.answered.id = w->job.id;
        m.answered.answer = (uint8_t)what;
        proto_text(m.answered.text, sizeof(m.answered.text), text);
        for (size_t i = 0; i < ELEMENTSOF(w->job.at); i++)
                if (w->job.at[i])
                        server_forget(w->job.at[i], w);
        close_fd(w->job.fd);
        w->job = (struct job){ .fd = -EBADF };
        if (link_send(w->sock, &m, -EBADF) < 0)
                drop_worker(pool, w);
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
        struct pool *pool = userdata;
        struct worker *w = of;

        if (!w->job.open)
                return;
        if (!reply) {
                lost_server(w, s, s->problem);
                pool->news.again++;
                pool->dirty = true;
                return;
        }
        switch (reply->answer) {
        case CLAMD_OK: answer(pool, w, LINK_OK, ""); return;
        case CLAMD_FOUND: answer(pool, w, LINK_FOUND, reply->name); return;
        case CLAMD_TOO_LARGE: answer(pool, w, LINK_TOO_LARGE, reply->name); return;
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

/* Whether a is to be asked rather than b: who answers, then who has less to do for its weight, then whose
 * turn it is. */
static bool is_better(const struct pool *pool, const struct server *a, const struct server *b) {
        bool slow = server_is_slow(a, pool->now);
        unsigned load = a->scans / a->address.weight, other = b->scans / b->address.weight;

        if (slow != server_is_slow(b, pool->now))
                return !slow;
        return load != other ? load < other : a->turn < b->turn;
}

/* Of those that do not have the job already. */
static struct server *choose(struct pool *pool, const struct job *job) {
        struct server *best = NULL;

        for (size_t i = 0; i < pool->n_servers; i++) {
                struct server *s = &pool->servers[i];

                if (is_usable(pool, s) && server_has_room(s) && job->at[0] != s &&
                    job->at[1] != s && (!best || is_better(pool, s, best)))
                        best = s;
        }
        if (best) {
                /* One that was away has nothing to catch up on. */
                pool->turn = MAX(pool->turn, best->turn);
                best->turn = pool->turn + TURN / best->address.weight;
        }
        return best;
}

static void give(struct pool *pool, struct worker *w, size_t place, struct server *s) {
        w->job.at[place] = s;
        w->job.asked_usec = pool->now;
        if (server_scan(s, w, w->job.fd, w->job.size, pool->now) < 0)
                lost_server(w, s, "there are too many open files");
}

static void run_job(struct pool *pool, struct worker *w, uint64_t *due) {
        struct job *job = &w->job;
        bool asked = job->at[0] || job->at[1];
        struct server *s;

        if (job->deadline_usec != 0 && pool->now >= job->deadline_usec) {
                answer(pool, w, LINK_TIMEOUT, "no clamd server answered in time");
                return;
        }
        if (job->deadline_usec != 0)
                *due = MIN(*due, job->deadline_usec);
        if (!asked && job->tries >= TRIES_MAX) {
                answer(pool, w, LINK_ERROR, job->problem);
                return;
        }
        if (pool->alone_usec != 0 && !asked) {
                uint64_t until = MAX(pool->alone_usec, job->since_usec) +
                                 (pool->setup->fallback ? 0 : PATIENCE_USEC);

                if (pool->now >= until) {
                        pool->news.none++;
                        pool->dirty = true;
                        answer(pool, w, LINK_NONE,
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
        s = choose(pool, job);
        if (!s)
                return; /* one has room again when it answers */
        pool->news.again += asked;
        pool->dirty |= asked;
        give(pool, w, job->at[0] ? 1 : 0, s);
        if (job->open && !job->at[0] && !job->at[1])
                *due = pool->now; /* it came to nothing */
}

static bool take_scan(struct pool *pool, struct worker *w, const struct link_scan *m, int fd) {
        if (w->job.open || !probes_is_sealed(fd, m->size) || m->size > UINT32_MAX)
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

static void hear_worker(struct pool *pool, struct worker *w) {
        union link_message m;
        int fd, r = link_receive(w->sock, &m, &fd);

        if (r == -EAGAIN)
                return;
        if (r != LINK_SCAN || !take_scan(pool, w, &m.scan, fd)) {
                close_fd(fd);
                drop_worker(pool, w);
        }
}

static void add_worker(struct pool *pool, int sock) {
        for (size_t i = 0; i < WORKERS_HELD_MAX; i++) {
                if (pool->workers[i].sock >= 0)
                        continue;
                pool->workers[i] = (struct worker){ .sock = sock, .job.fd = -EBADF };
                return;
        }
        close_fd(sock);
}

/* False: the loader is gone. */
static bool hear_loader(struct pool *pool) {
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

static void note_alone(struct pool *pool) {
        char problems[PROTO_TEXT_MAX - 64], text[PROTO_TEXT_MAX];
        bool alone = count_usable(pool) == 0;

        if (alone && pool->alone_usec == 0) {
                pool->alone_usec = pool->now;
                list_problems(pool, problems, sizeof(problems));
                (void)snprintf(text, sizeof(text), "No clamd server can be used: %s.", problems);
                tell(pool, SERVERS_NONE, text);
        } else if (!alone)
                pool->alone_usec = 0;
}

static uint64_t run(struct pool *pool) {
        uint64_t due = pool->now + USEC_PER_SEC;

        for (size_t i = 0; i < pool->n_servers; i++)
                due = MIN(due, server_run(&pool->servers[i], pool->now));
        if (!pool->ready && is_ready(pool))
                become_ready(pool);
        if (!pool->ready)
                return MIN(due, pool->started_usec + START_USEC);
        note_alone(pool);
        for (size_t i = 0; i < WORKERS_HELD_MAX; i++)
                if (pool->workers[i].sock >= 0 && pool->workers[i].job.open)
                        run_job(pool, &pool->workers[i], &due);
        if ((pool->dirty && pool->now - pool->told_usec >= COUNTERS_USEC) ||
            (is_stale(pool) &&
             (pool->stale_usec == 0 || pool->now - pool->stale_usec >= STALE_USEC)))
                tell(pool, SERVERS_SAME, "");
        return due;
}

static int wait_for(struct pool *pool, uint64_t due) {
        static struct pollfd fds[1 + CLAMD_SERVERS_MAX + WORKERS_HELD_MAX];
        uint64_t left = due > pool->now ? due - pool->now : 0;
        size_t n = 1 + pool->n_servers + WORKERS_HELD_MAX;
        struct pollfd *servers = fds + 1, *workers = servers + pool->n_servers;

        fds[0] = (struct pollfd){ .fd = pool->control, .events = POLLIN };
        for (size_t i = 0; i < pool->n_servers; i++)
                servers[i] = (struct pollfd){ .fd = pool->servers[i].fd,
                                              .events = server_events(&pool->servers[i]) };
        for (size_t i = 0; i < WORKERS_HELD_MAX; i++)
                workers[i] = (struct pollfd){ .fd = pool->workers[i].sock, .events = POLLIN };
        if (poll(fds, n, (int)((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) < 0)
                return errno == EINTR ? 0 : -errno;
        pool->now = now_usec();
        for (size_t i = 0; i < pool->n_servers; i++)
                if (servers[i].fd == pool->servers[i].fd)
                        server_ready(&pool->servers[i], servers[i].revents, pool->now);
        for (size_t i = 0; i < WORKERS_HELD_MAX; i++)
                if (workers[i].revents && workers[i].fd == pool->workers[i].sock)
                        hear_worker(pool, &pool->workers[i]);
        return !fds[0].revents || hear_loader(pool) ? 0 : -ECONNRESET;
}

int clamd_pool_run(const struct clamd_pool_setup *setup, int control) {
        static struct pool pool; /* large */
        char problem[CONFINE_PROBLEM_MAX];
        int r;

        pool.setup = setup;
        pool.control = control;
        pool.owner = (struct server_owner){
                .answered = scan_answered,
                .changed = server_changed,
                .userdata = &pool,
                .probes = &pool.probes,
        };
        for (size_t i = 0; i < WORKERS_HELD_MAX; i++)
                pool.workers[i].sock = -EBADF;
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
