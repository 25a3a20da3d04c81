/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One worker as the gate sees it. Owns its channel, its slot, its pidfd; links to the job it has.
 *
 * Life: ABSENT -> STARTING (channel made, SPAWN sent) -> IDLE (HELLO came) -> READING (content goes
 * into its slot) -> SCANNING -> IDLE ... -> ABSENT (channel closed). Whatever ends a worker passes
 * through worker_lost(), which gives its job to another one or ends it. Must not believe anything
 * that a worker says beyond what result_fits() has checked.
 */

#include "daemon/pool-private.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "daemon/clock.h"

#define ATTEMPTS_MAX 2

/* ---- Its life ---- */

void worker_lost(struct worker *w, enum reason reason) {
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
                        pool_job_fail(job, REASON_SHUTDOWN, "");
                return;
        }
        if (w->hung)
                pool->stats->workers_hung++;
        else
                pool->stats->workers_died++;
        journal_say(pool->journal, w->hung ? EVENT_WORKER_HUNG : EVENT_WORKER_DIED, NULL,
                    "Worker %u %s%s.", w->number,
                    w->hung ? "took too long and was killed" : "ended unexpectedly",
                    !job                           ? ""
                    : job->attempts < ATTEMPTS_MAX ? "; its content is given to another one once"
                                                   : "; its content has now cost two workers, "
                                                     "on_error decides");
        w->hung = false;
        if (!job)
                return;
        if (job->attempts < ATTEMPTS_MAX) {
                pool->stats->retries++;
                pool_enqueue(pool, job, true);
        } else
                pool_job_fail(job, reason, "");
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
        pool_dispatch(w->pool);
        job->done(job, &result);
}

static bool result_fits(const struct worker *w, int kind, size_t size) {
        const struct proto_result *m = &w->received;

        return w->state == WORKER_SCANNING && kind == PROTO_RESULT && size == sizeof(*m) &&
               m->id == w->job_id &&
               (!m->known || (w->job->has_known && m->has_digest &&
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
                pool_set_ready(w->pool, 0);
                pool_dispatch(w->pool);
                return;
        }
        if (kind > 0 && result_fits(w, kind, (size_t)res)) {
                struct proto_result m = w->received;

                worker_receive(w);
                worker_result(w, &m);
                return;
        }
        worker_lost(w, kind == 0 ? REASON_CRASH : REASON_PROTOCOL);
        pool_dispatch(w->pool);
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

int worker_start(struct worker *w, uint64_t now) {
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

/* ---- Its job ---- */

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
                pool_dispatch(w->pool);
        } else if (w->state == WORKER_IDLE)
                pool_dispatch(w->pool); /* its answer was faster than our own completion */
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
                pool_dispatch(w->pool);
                pool_job_fail(job, REASON_READ, error_text(-res));
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

void worker_take(struct worker *w, struct pool_job *job) {
        job->attempts++;
        job->dispatched_usec = now_usec();
        w->job = job;
        w->filled = 0;
        if (job->size >= PROTO_SLOT_SIZE)
                job_send(w, job->fd);
        else {
                w->state = WORKER_READING;
                w->since_usec = job->dispatched_usec;
                job_read(w);
        }
}

/* ---- Its place ---- */

bool worker_lingers(const struct worker *w) {
        return w->receiving || w->reading || w->sending;
}

void worker_init(struct worker *w, struct pool *pool, unsigned number) {
        w->pool = pool;
        w->number = number;
        w->channel = w->slot_fd = w->pidfd = -EBADF;
        w->receive_op.done = worker_received;
        w->read_op.done = job_was_read;
        w->send_op.done = job_sent;
}

void worker_done(struct worker *w) {
        w->slot_fd = close_fd(w->slot_fd);
        if (w->slot)
                (void)munmap(w->slot, PROTO_SLOT_SIZE);
        w->slot = NULL;
}
