/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the loader, the workers' channels, their slots and pidfds, and the two queues of jobs. A
 * job belongs to its owner all the time; the pool only links it. Must not own: event fds, answers.
 *
 * Life of a worker: ABSENT -> STARTING (channel made, SPAWN sent) -> IDLE (HELLO came) -> READING
 * (content goes into its slot) -> SCANNING -> IDLE ... -> ABSENT (channel closed). Whatever ends a
 * worker passes through worker_lost(), which gives its job to another one or ends it.
 */

#include "daemon/pool.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/clock.h"

#define ATTEMPTS_MAX 2
#define START_TIMEOUT_USEC (30 * USEC_PER_SEC) /* from SPAWN to HELLO */
#define RESTART_USEC (5 * USEC_PER_SEC)        /* pause between failing loaders */

enum worker_state { WORKER_ABSENT, WORKER_STARTING, WORKER_IDLE, WORKER_READING, WORKER_SCANNING };

struct worker {
        struct pool *pool;
        unsigned number;
        enum worker_state state;
        int channel, slot_fd, pidfd;
        uint8_t *slot; /* shared with this worker only */
        struct pool_job *job;
        uint64_t job_id;
        uint64_t since_usec; /* when the state began that has a time limit */
        size_t filled;
        bool hung; /* we killed it */
        bool quick_death; /* ended before its first result: do not respawn at once */

        struct ring_op receive_op, read_op, send_op;
        bool receiving, reading, sending;
        struct msghdr receive_msg, send_msg;
        struct iovec receive_iov, send_iov;
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(struct ucred))];
        } receive_control;
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int))];
        } send_control;
        struct proto_result received;
        struct proto_job job_message;
};

TAILQ_HEAD(job_queue, pool_job);

struct pool {
        struct ring *ring;
        const struct config *config;
        struct stats *stats;
        struct journal *journal;
        pool_ready_fn on_ready;
        void *userdata;
        FILE *errors;
        bool ready;

        struct loader_settings settings;
        struct loader *loader;
        bool loaded;         /* this loader has an engine and takes SPAWNs */
        bool has_generation; /* of the last engine that was loaded: its stamps stay good while
                              * another loader starts */
        struct generation generation;
        uint64_t restart_usec; /* when a new loader may be started; 0: none needed */
        unsigned failures;     /* loaders in a row that came to nothing */
        bool refused;          /* the loader said why; its end is no news */
        bool ending;

        struct job_queue high, low;
        struct worker workers[WORKERS_MAX];
        uint64_t next_job_id;
        unsigned busy_ops; /* operations in the ring that point into the object */
};

static void dispatch(struct pool *pool);

/* ---- Ends of jobs ---- */

static void job_end(struct pool_job *job, const struct pool_result *result) {
        job->done(job, result);
}

static void job_fail(struct pool_job *job, enum reason reason, const char *text) {
        struct pool_result result = {
                .verdict = VERDICT_UNKNOWN,
                .reason = reason,
        };

        proto_text(result.signature, sizeof(result.signature), text);
        job_end(job, &result);
}

static void enqueue(struct pool *pool, struct pool_job *job, bool first) {
        struct job_queue *queue = job->low ? &pool->low : &pool->high;

        if (first)
                TAILQ_INSERT_HEAD(queue, job, link);
        else
                TAILQ_INSERT_TAIL(queue, job, link);
        job->queued = true;
}

static struct pool_job *dequeue(struct pool *pool) {
        struct job_queue *queue = TAILQ_EMPTY(&pool->high) ? &pool->low : &pool->high;
        struct pool_job *job = TAILQ_FIRST(queue);

        if (job) {
                TAILQ_REMOVE(queue, job, link);
                job->queued = false;
        }
        return job;
}

/* ---- Workers ---- */

/* Gives up a worker, dead or to be killed. Operations that are still in the ring end by
 * themselves and find the state changed. */
static void worker_lost(struct worker *w, enum reason reason) {
        struct pool *pool = w->pool;
        struct pool_job *job = TAKE_PTR(w->job);

        if (w->state == WORKER_ABSENT)
                return;
        if (w->pidfd >= 0)
                (void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
        w->pidfd = close_fd(w->pidfd);
        if (w->channel >= 0)
                (void)shutdown(w->channel, SHUT_RDWR);
        w->channel = close_fd(w->channel);
        w->quick_death = w->state == WORKER_STARTING;
        w->state = WORKER_ABSENT;
        w->since_usec = now_usec();

        if (pool->ending) {
                if (job)
                        job_fail(job, REASON_SHUTDOWN, "");
                return;
        }
        if (w->hung)
                pool->stats->workers_hung++;
        else
                pool->stats->workers_died++;
        journal_say(pool->journal, w->hung ? EVENT_WORKER_HUNG : EVENT_WORKER_DIED, NULL,
                    "Worker %u %s%s.", w->number,
                    w->hung ? "took too long and was killed" : "ended unexpectedly",
                    !job                             ? "" :
                    job->attempts < ATTEMPTS_MAX     ? "; its content is given to another one once" :
                                                       "; its content has now cost two workers, "
                                                       "on_error decides");
        w->hung = false;
        if (!job)
                return;
        if (job->attempts < ATTEMPTS_MAX) {
                pool->stats->retries++;
                enqueue(pool, job, true);
        } else
                job_fail(job, reason, "");
}

static void worker_receive(struct worker *w);

/* Takes back the worker's job with its result. */
static void worker_result(struct worker *w, const struct proto_result *m) {
        struct pool_job *job = TAKE_PTR(w->job);
        uint64_t now = now_usec();
        struct pool_result result = {
                .verdict = (enum verdict)m->verdict,
                .reason = (enum reason)m->reason,
                .known = m->known,
                .has_digest = m->has_digest,
                .queue_usec = job->dispatched_usec - job->submitted_usec,
                .read_usec = job->sent_usec - job->dispatched_usec,
                .scan_usec = now - job->sent_usec,
        };

        w->state = WORKER_IDLE;
        memcpy(result.digest, m->digest, sizeof(result.digest));
        memcpy(result.signature, m->signature, sizeof(result.signature));
        /* The next job is on its way before this one's openers are answered: both matter, and the
         * answers leave in the same turn of the loop. */
        dispatch(w->pool);
        job_end(job, &result);
}

static bool result_fits(const struct worker *w, int kind, size_t size) {
        const struct proto_result *m = &w->received;

        return w->state == WORKER_SCANNING && kind == PROTO_RESULT && size == sizeof(*m) &&
               m->id == w->job_id && (!m->known || (w->job->has_known && m->has_digest &&
               memcmp(m->digest, w->job->known, STAMP_DIGEST_SIZE) == 0));
}

/* The kernel tells who speaks (SO_PASSCRED); what the message says of it would be hearsay. */
static bool worker_hello(struct worker *w) {
        struct cmsghdr *c = CMSG_FIRSTHDR(&w->receive_msg);
        struct ucred cred;

        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
            c->cmsg_len != CMSG_LEN(sizeof(cred)))
                return false;
        memcpy(&cred, CMSG_DATA(c), sizeof(cred));
        if (cred.uid != w->pool->settings.uid || cred.pid <= 1)
                return false;
        w->pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
        return w->pidfd >= 0;
}

static void pool_ready(struct pool *pool, int error) {
        if (pool->ready)
                return;
        pool->ready = true;
        pool->on_ready(pool->userdata, error);
        pool->errors = NULL;
}

static void worker_received(struct ring_op *op, int res) {
        struct worker *w = container_of(op, struct worker, receive_op);
        int kind;

        w->receiving = false;
        w->pool->busy_ops--;
        if (w->state == WORKER_ABSENT)
                return;
        if (res == -EINTR || res == -EAGAIN) {
                worker_receive(w);
                return;
        }
        kind = res > 0 ? proto_check((union proto_message *)&w->received, (size_t)res) : 0;
        if (w->state == WORKER_STARTING && kind == PROTO_HELLO && worker_hello(w)) {
                w->state = WORKER_IDLE;
                w->pool->stats->workers_started++;
                w->pool->failures = 0;
                worker_receive(w);
                pool_ready(w->pool, 0);
                dispatch(w->pool);
                return;
        }
        if (kind > 0 && result_fits(w, kind, (size_t)res)) {
                struct proto_result m = w->received;

                worker_receive(w);
                worker_result(w, &m);
                return;
        }
        worker_lost(w, kind == 0 ? REASON_CRASH : REASON_PROTOCOL);
        dispatch(w->pool);
}

/* Before HELLO with room for its credentials, afterwards with none for anything: fds that a worker
 * sends are thrown away by the kernel (unix(7)). */
static void worker_receive(struct worker *w) {
        struct io_uring_sqe *sqe = ring_entry(w->pool->ring);

        if (w->state == WORKER_STARTING) {
                w->receive_iov = (struct iovec){ &w->received, sizeof(w->received) };
                w->receive_msg = (struct msghdr){
                        .msg_iov = &w->receive_iov,
                        .msg_iovlen = 1,
                        .msg_control = w->receive_control.buf,
                        .msg_controllen = CMSG_LEN(sizeof(struct ucred)),
                };
                io_uring_prep_recvmsg(sqe, w->channel, &w->receive_msg, MSG_CMSG_CLOEXEC);
        } else
                io_uring_prep_recv(sqe, w->channel, &w->received, sizeof(w->received), 0);
        ring_bind(sqe, &w->receive_op);
        w->receiving = true;
        w->pool->busy_ops++;
}

static int worker_slot(struct worker *w) {
        _cleanup_close_ int fd = -EBADF;
        void *p;

        if (w->slot)
                return 0;
        fd = memfd_create("storescan-slot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, PROTO_SLOT_SIZE) < 0)
                return -errno;
        /* The worker can't shrink it under our feet (SIGBUS). */
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        p = mmap(NULL, PROTO_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        w->slot = p;
        w->slot_fd = TAKE_FD(fd);
        return 0;
}

static int worker_start(struct worker *w, uint64_t now) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        const int on = 1;
        int pair[2], r;

        r = worker_slot(w);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        if (setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
                return -errno;
        r = loader_spawn(w->pool->loader, w->number, theirs, w->slot_fd);
        if (r < 0)
                return r;
        w->channel = TAKE_FD(ours);
        w->state = WORKER_STARTING;
        w->since_usec = now;
        worker_receive(w);
        return 0;
}

/* ---- Jobs on workers ---- */

static void job_send(struct worker *w, int fd) {
        struct pool_job *job = w->job;
        struct io_uring_sqe *sqe;

        job->sent_usec = now_usec();
        proto_init((union proto_message *)&w->job_message, PROTO_JOB);
        w->job_id = ++w->pool->next_job_id;
        w->job_message.id = w->job_id;
        w->job_message.size = fd >= 0 ? job->size : w->filled;
        w->job_message.has_fd = fd >= 0;
        w->job_message.has_known = job->has_known;
        if (job->has_known)
                memcpy(w->job_message.known, job->known, sizeof(job->known));

        w->send_iov = (struct iovec){ &w->job_message, sizeof(w->job_message) };
        w->send_msg = (struct msghdr){ .msg_iov = &w->send_iov, .msg_iovlen = 1 };
        if (fd >= 0) {
                struct cmsghdr *c;

                w->send_msg.msg_control = w->send_control.buf;
                w->send_msg.msg_controllen = CMSG_LEN(sizeof(int));
                c = CMSG_FIRSTHDR(&w->send_msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(c), &fd, sizeof(fd));
        }
        sqe = ring_entry(w->pool->ring);
        io_uring_prep_sendmsg(sqe, w->channel, &w->send_msg, MSG_NOSIGNAL);
        ring_bind(sqe, &w->send_op);
        w->sending = true;
        w->pool->busy_ops++;
        w->state = WORKER_SCANNING;
        w->since_usec = job->sent_usec;
}

static void job_sent(struct ring_op *op, int res) {
        struct worker *w = container_of(op, struct worker, send_op);

        w->sending = false;
        w->pool->busy_ops--;
        if (w->state == WORKER_SCANNING && res < 0) {
                worker_lost(w, REASON_CRASH);
                dispatch(w->pool);
        }
}

static void job_read(struct worker *w) {
        struct io_uring_sqe *sqe = ring_entry(w->pool->ring);

        io_uring_prep_read(sqe, w->job->fd, w->slot + w->filled,
                           (unsigned)(PROTO_SLOT_SIZE - w->filled), w->filled);
        ring_bind(sqe, &w->read_op);
        w->reading = true;
        w->pool->busy_ops++;
}

static void job_was_read(struct ring_op *op, int res) {
        struct worker *w = container_of(op, struct worker, read_op);

        w->reading = false;
        w->pool->busy_ops--;
        /* The worker may have died meanwhile and the job gone elsewhere: the slot's content is
         * nobody's then, and pool_run() may use the worker's place again. */
        if (w->state != WORKER_READING)
                return;
        if (res == -EINTR || res == -EAGAIN) {
                job_read(w);
                return;
        }
        if (res < 0) {
                struct pool_job *job = TAKE_PTR(w->job);

                w->state = WORKER_IDLE;
                dispatch(w->pool);
                job_fail(job, REASON_READ, strerrordesc_np(-res));
                return;
        }
        w->filled += (size_t)res;
        if (w->filled == PROTO_SLOT_SIZE) {
                /* Larger than a slot after all. */
                job_send(w, w->job->fd);
                return;
        }
        /* A short read of a regular file is its end, unless somebody is writing or the kernel was
         * interrupted: read on until nothing comes. */
        if (res > 0 && !(w->job->exact && w->filled == w->job->size)) {
                job_read(w);
                return;
        }
        job_send(w, -EBADF);
}

static struct worker *idle_worker(struct pool *pool) {
        for (unsigned i = 0; i < pool->config->workers; i++) {
                struct worker *w = &pool->workers[i];

                if (w->state == WORKER_IDLE && !w->sending)
                        return w;
        }
        return NULL;
}

static void dispatch(struct pool *pool) {
        struct worker *w;

        while ((!TAILQ_EMPTY(&pool->high) || !TAILQ_EMPTY(&pool->low)) && (w = idle_worker(pool))) {
                struct pool_job *job = dequeue(pool);

                job->attempts++;
                job->dispatched_usec = now_usec();
                w->job = job;
                w->filled = 0;
                if (job->size >= PROTO_SLOT_SIZE)
                        job_send(w, job->fd);
                else {
                        w->state = WORKER_READING;
                        job_read(w);
                }
        }
}

void pool_submit(struct pool *pool, struct pool_job *job) {
        job->attempts = 0;
        job->submitted_usec = now_usec();
        enqueue(pool, job, false);
        dispatch(pool);
}

void pool_raise(struct pool *pool, struct pool_job *job) {
        if (!job->low)
                return;
        if (job->queued)
                TAILQ_REMOVE(&pool->low, job, link);
        job->low = false;
        if (job->queued)
                enqueue(pool, job, false);
}

void pool_fail_queued(struct pool *pool, enum reason reason) {
        struct pool_job *job;

        while ((job = dequeue(pool)))
                job_fail(job, reason, "");
}

/* ---- The loader ---- */

static void loader_failed(struct pool *pool, const char *text) {
        pool->failures++;
        pool->restart_usec = now_usec() + (pool->failures > 1 ? RESTART_USEC : 0);
        if (!pool->ready) {
                fprintf(pool->errors, "%s\n", text);
                pool->restart_usec = 0;
                pool_ready(pool, -ENOEXEC);
                return;
        }
        journal_say(pool->journal, EVENT_ENGINE_FAILED, NULL, "%s", text);
}

static void loader_ended(void *userdata) {
        struct pool *pool = userdata;

        pool->loader = loader_free(pool->loader);
        for (unsigned i = 0; i < pool->config->workers; i++)
                worker_lost(&pool->workers[i], REASON_CRASH);
        if (pool->ending || pool->refused)
                return;
        loader_failed(pool, "The loader process ended unexpectedly; its messages above, or those of "
                            "the kernel, say why.");
}

static void loader_said(void *userdata, const union proto_message *m) {
        struct pool *pool = userdata;
        char generation[GENERATION_LENGTH + 1];

        if (m->header.kind == PROTO_REFUSED) {
                pool->refused = true;
                loader_failed(pool, m->refused.text);
                return;
        }
        pool->generation = m->loaded.generation;
        pool->has_generation = pool->loaded = true;
        generation_format(&pool->generation, generation);
        journal_say(pool->journal, EVENT_ENGINE_LOADED, NULL,
                    "%s with %u signatures (database version %u) loaded in %llu ms; generation %s.",
                    m->loaded.engine, m->loaded.signatures, m->loaded.database_version,
                    (unsigned long long)(m->loaded.load_usec / 1000), generation);
        for (unsigned i = 0; i < pool->config->workers; i++)
                pool->workers[i].quick_death = false;
        (void)pool_run(pool, now_usec());
}

static int start_loader(struct pool *pool) {
        pool->restart_usec = 0;
        pool->loaded = pool->refused = false;
        return loader_new(pool->ring, &pool->settings, loader_said, loader_ended, pool,
                          &pool->loader);
}

uint64_t pool_run(struct pool *pool, uint64_t now) {
        uint64_t next = USEC_INFINITY;
        bool any = false;

        if (pool->ending)
                return next;
        if (!pool->loader && pool->restart_usec != 0) {
                if (now < pool->restart_usec)
                        return pool->restart_usec;
                if (start_loader(pool) < 0)
                        loader_failed(pool, "Failed to start the loader process.");
                return pool->restart_usec ? pool->restart_usec : next;
        }
        for (unsigned i = 0; i < pool->config->workers; i++) {
                struct worker *w = &pool->workers[i];
                uint64_t limit = w->state == WORKER_STARTING ? START_TIMEOUT_USEC :
                                 w->state == WORKER_SCANNING ? pool->config->worker_timeout_usec :
                                                               USEC_INFINITY;

                if (limit != USEC_INFINITY && now - w->since_usec >= limit) {
                        w->hung = true;
                        worker_lost(w, REASON_HANG);
                        any = true;
                } else if (limit != USEC_INFINITY)
                        next = MIN(next, w->since_usec + limit);

                if (w->state != WORKER_ABSENT || !pool->loader || !pool->loaded)
                        continue;
                /* Its operations must be out of the ring before the place is used again. */
                if (w->receiving || w->reading || w->sending)
                        continue;
                if (w->quick_death && now - w->since_usec < RESTART_USEC) {
                        next = MIN(next, w->since_usec + RESTART_USEC);
                        continue;
                }
                if (worker_start(w, now) < 0) {
                        w->quick_death = true;
                        w->since_usec = now;
                        next = MIN(next, now + RESTART_USEC);
                } else
                        next = MIN(next, now + START_TIMEOUT_USEC);
        }
        if (any)
                dispatch(pool);
        return next;
}

/* ---- The object ---- */

int pool_new(struct ring *ring, const struct config *config, struct stats *stats,
             struct journal *journal, pool_ready_fn on_ready, void *userdata, FILE *errors,
             struct pool **ret) {
        _cleanup_free_ struct pool *pool = calloc(1, sizeof(*pool));
        int r;

        if (!pool)
                return -ENOMEM;
        pool->ring = ring;
        pool->config = config;
        pool->stats = stats;
        pool->journal = journal;
        pool->on_ready = on_ready;
        pool->userdata = userdata;
        pool->errors = errors;
        TAILQ_INIT(&pool->high);
        TAILQ_INIT(&pool->low);
        for (unsigned i = 0; i < WORKERS_MAX; i++) {
                struct worker *w = &pool->workers[i];

                w->pool = pool;
                w->number = i;
                w->channel = w->slot_fd = w->pidfd = -EBADF;
                w->receive_op.done = worker_received;
                w->read_op.done = job_was_read;
                w->send_op.done = job_sent;
        }
        r = loader_settings_find(config, errors, &pool->settings);
        if (r < 0)
                return r;
        r = start_loader(pool);
        if (r < 0) {
                fprintf(errors, "Failed to start the loader process: %s.\n", strerror(-r));
                close_fd(pool->settings.program_fd);
                return r;
        }
        *ret = TAKE_PTR(pool);
        return 0;
}

struct pool *pool_free(struct pool *pool) {
        if (!pool)
                return NULL;
        pool->ending = true;
        pool->loader = loader_free(pool->loader);
        for (unsigned i = 0; i < WORKERS_MAX; i++)
                worker_lost(&pool->workers[i], REASON_SHUTDOWN);
        pool_fail_queued(pool, REASON_SHUTDOWN);

        /* The channels are shut down and the loader is dead: what is in the ring ends at once. A
         * read from a stuck disk may not; then the memory stays until the process ends. */
        for (unsigned i = 0; i < 10 && pool->busy_ops > 0; i++)
                (void)ring_wait(pool->ring, 100 * USEC_PER_MSEC);
        close_fd(pool->settings.program_fd);
        if (pool->busy_ops > 0)
                return NULL;
        for (unsigned i = 0; i < WORKERS_MAX; i++) {
                close_fd(pool->workers[i].slot_fd);
                if (pool->workers[i].slot)
                        (void)munmap(pool->workers[i].slot, PROTO_SLOT_SIZE);
        }
        free(pool);
        return NULL;
}

const struct generation *pool_generation(const struct pool *pool) {
        return pool->has_generation ? &pool->generation : NULL;
}

bool pool_is_own(const struct pool *pool, pid_t pid) {
        return pool->loader && loader_pid(pool->loader) == pid;
}
