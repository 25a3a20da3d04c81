/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One worker as the gate sees it. Owns its channel, its slot, its pidfd; links to the jobs it has.
 *
 * Its life: ABSENT -> STARTING (channel made, SPAWN sent) -> RUNNING (HELLO came) -> ABSENT (channel
 * shut down). A job's way: content is read into a free bay of the slot, the worker is told, its result
 * frees the bay. The second bay is for the job to go on with: only a short job is put there, and it
 * is taken back when the one before it turns out to be long. Whatever ends a worker passes through
 * worker_lost(), which gives its jobs to others or ends them. Must not believe anything that a
 * worker says beyond what result_fits() has checked.
 */

#include "daemon/pool-private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "daemon/clock.h"
#include "daemon/poisons.h"

#define ATTEMPTS_MAX       2
#define START_TIMEOUT_USEC (30 * USEC_PER_SEC) /* from SPAWN to HELLO */
/* A job that is longer than a usual message takes gets no other one to wait behind it; what waits
 * already is taken back. */
#define ROOM_USEC      (12 * USEC_PER_MSEC)
#define PROGRESS_MIN   ((uint64_t)64 << 10) /* bytes of many items a second */
#define TAKE_BACK_USEC (20 * USEC_PER_MSEC)

/* ---- Bays ---- */

/* The job that the worker is at: of those it was told, the first. */
static struct bay *current_bay(struct worker *w) {
        struct bay *first = NULL;

        for (size_t i = 0; i < PROTO_BAYS; i++) {
                struct bay *bay = &w->bays[i];

                if (bay->state == BAY_SENT && (!first || bay->id < first->id))
                        first = bay;
        }
        return first;
}

static struct bay *free_bay(struct worker *w) {
        for (size_t i = 0; i < PROTO_BAYS; i++) {
                struct bay *bay = &w->bays[i];

                /* A result may be faster than the completion of what it answers. */
                if (bay->state == BAY_FREE && !bay->sending && !bay->reading)
                        return bay;
        }
        return NULL;
}

bool worker_idle(const struct worker *w) {
        if (w->state != WORKER_RUNNING)
                return false;
        for (size_t i = 0; i < PROTO_BAYS; i++)
                if (w->bays[i].state != BAY_FREE || w->bays[i].sending)
                        return false;
        return true;
}

bool worker_has_room(const struct worker *w, uint64_t now) {
        size_t sent = 0;

        if (w->state != WORKER_RUNNING || now - w->since_usec >= ROOM_USEC)
                return false;
        for (size_t i = 0; i < PROTO_BAYS; i++) {
                const struct bay *bay = &w->bays[i];

                if (bay->state == BAY_SENT)
                        sent++;
                else if (bay->state != BAY_FREE || bay->sending || bay->reading)
                        return false;
        }
        return sent < PROTO_BAYS;
}

bool worker_is_low(const struct worker *w) {
        bool low = false;

        for (size_t i = 0; i < PROTO_BAYS; i++) {
                const struct pool_job *job = w->bays[i].job;

                if (job && !job->low)
                        return false;
                low = low || w->bays[i].state != BAY_FREE;
        }
        return low;
}

/* Ends the bay's use; its job, if it was not taken back. */
static struct pool_job *bay_clear(struct bay *bay) {
        bay->state = BAY_FREE;
        return TAKE_PTR(bay->job);
}

/* ---- Its life ---- */

static void log_lost(const struct worker *w, const struct pool_job *job) {
        journal_say(w->pool->journal, w->hung ? EVENT_WORKER_HUNG : EVENT_WORKER_DIED, NULL,
                    "Worker %u %s%s.", w->number,
                    w->hung ? "took too long and was killed" : "ended unexpectedly",
                    !job                           ? ""
                    : job->attempts < ATTEMPTS_MAX ? "; its content is given to another one once"
                                                   : "; its content has now cost two workers, "
                                                     "on_error decides");
}

/* What cost the last worker that it may, if that is known. */
static void remember(const struct bay *bay, const struct pool_job *job, enum reason reason) {
        struct pool *pool = bay->worker->pool;

        const struct worker *w = bay->worker;

        if (!pool->poisons || !job->spare || bay->begun_size == 0 ||
            (reason != REASON_CRASH && reason != REASON_HANG) ||
            (reason == REASON_CRASH && w->fate == FATE_KILLED))
                return;
        poisons_learn(
                pool->poisons,
                &(struct poison_case){
                        .fd = job->fd,
                        .offset = bay->begun,
                        .size = bay->begun_size,
                        .of_many = job->many,
                        .digest = bay->begun_digest,
                        .generation = &job->generation,
                        .reason = reason,
                        .serial = reason == REASON_CRASH && w->fate == FATE_OPEN ? w->serial : 0,
                        .store = job->store,
                });
}

void worker_ended(struct team *team, const struct proto_ended *m) {
        for (unsigned i = 0; i < WORKERS_MAX; i++)
                if (team->workers[i].serial == m->serial)
                        team->workers[i].fate = m->killed ? FATE_KILLED : FATE_FAILED;
        if (team->pool->poisons)
                poisons_tell(team->pool->poisons, m->serial, !m->killed);
}

/* The job that a lost worker was at, in this bay. */
static void retry(const struct bay *bay, struct pool_job *job, enum reason reason) {
        struct pool *pool = bay->worker->pool;

        if (job->attempts < ATTEMPTS_MAX) {
                pool->stats->retries++;
                pool_enqueue(pool, job, true);
        } else {
                remember(bay, job, reason);
                pool_job_fail(job, reason, "");
        }
}

/* Puts a job back that the worker has not begun with. */
static void give_back(struct pool *pool, struct pool_job *job) {
        job->attempts--;
        pool_enqueue(pool, job, true);
}

/* The job of a bay whose worker has not begun it: another one gets it. */
static void take_back(struct bay *bay) {
        struct worker *w = bay->worker;
        struct proto_taken *taken = (void *)(w->slot + PROTO_TAKEN_AT);

        atomic_store(&taken->ids[bay->number], bay->id);
        give_back(w->pool, TAKE_PTR(bay->job));
}

/* Has it end by itself, at once or behind the job that it is at. */
static void worker_close(struct worker *w) {
        w->team->pids[w - w->team->workers] = 0;
        w->pidfd = close_fd(w->pidfd);
        /* Not closed yet: an operation on it may not have been submitted, and would meet whatever has
         * its number then. */
        if (w->channel >= 0)
                (void)shutdown(w->channel, SHUT_RDWR);
}

static void worker_kill(struct worker *w) {
        if (w->pidfd >= 0)
                (void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
        worker_close(w);
}

void worker_lost(struct worker *w, enum reason reason) {
        struct pool_job *jobs[PROTO_BAYS], *culprit = NULL;
        struct bay *at = current_bay(w), *guilty_bay = NULL;
        struct pool *pool = w->pool;

        if (w->state == WORKER_ABSENT)
                return;
        worker_kill(w);
        w->quick_death = w->state == WORKER_STARTING;
        w->state = WORKER_ABSENT;
        w->since_usec = now_usec();
        for (size_t i = 0; i < PROTO_BAYS; i++) {
                /* A hung worker without a job that it was told of hangs in the gate's read. */
                bool guilty = at ? &w->bays[i] == at : w->hung && w->bays[i].state == BAY_READING;

                jobs[i] = bay_clear(&w->bays[i]);
                if (guilty) {
                        culprit = TAKE_PTR(jobs[i]);
                        guilty_bay = &w->bays[i];
                }
        }
        if (!pool->ending) {
                if (w->hung)
                        pool->stats->workers_hung++;
                else
                        pool->stats->workers_died++;
                log_lost(w, culprit);
        }
        w->hung = false;
        if (culprit) {
                if (pool->ending)
                        pool_job_fail(culprit, REASON_SHUTDOWN, "");
                else
                        retry(guilty_bay, culprit, reason);
        }
        for (size_t i = 0; i < PROTO_BAYS; i++) {
                if (jobs[i] && pool->ending)
                        pool_job_fail(jobs[i], REASON_SHUTDOWN, "");
                else if (jobs[i])
                        give_back(pool, jobs[i]);
        }
}

/* A job of many items has more time, the more it got done: of what there is, whatever it says. */
static uint64_t time_for(const struct worker *w, const struct bay *bay) {
        uint64_t end = MIN(bay->told, bay->message.size);
        uint64_t done = bay->message.many && end > bay->message.from ? end - bay->message.from : 0;

        return w->pool->config->worker_timeout_usec +
               MIN(done / PROGRESS_MIN, (uint64_t)UINT32_MAX) * USEC_PER_SEC;
}

uint64_t worker_run(struct worker *w, uint64_t now) {
        uint64_t due = USEC_INFINITY;
        struct bay *at;

        if (w->state == WORKER_STARTING)
                due = w->since_usec + START_TIMEOUT_USEC;
        if (w->state != WORKER_RUNNING && due > now)
                return due;
        at = current_bay(w);
        if (at)
                due = w->since_usec + time_for(w, at);
        for (size_t i = 0; i < PROTO_BAYS; i++) {
                struct bay *bay = &w->bays[i];

                if (bay->state == BAY_READING)
                        due = MIN(due, bay->since_usec + w->pool->config->worker_timeout_usec);
        }
        if (due <= now) {
                w->hung = true;
                worker_lost(w, REASON_HANG);
                return now;
        }
        for (size_t i = 0; i < PROTO_BAYS && at; i++) {
                struct bay *bay = &w->bays[i];

                if (bay == at || bay->state != BAY_SENT || !bay->job)
                        continue;
                if (now - w->since_usec >= TAKE_BACK_USEC) {
                        take_back(bay);
                        w->pool->stats->taken_back++;
                } else
                        due = MIN(due, w->since_usec + TAKE_BACK_USEC);
        }
        return due;
}

/* Its jobs are given back or done. */
static void worker_dismiss(struct worker *w) {
        worker_close(w);
        w->state = WORKER_ABSENT;
        for (size_t i = 0; i < PROTO_BAYS; i++)
                w->bays[i].state = BAY_FREE;
}

void worker_retire(struct worker *w) {
        struct bay *at = current_bay(w);

        if (w->state == WORKER_ABSENT)
                return;
        for (size_t i = 0; i < PROTO_BAYS; i++) {
                struct bay *bay = &w->bays[i];

                /* A plan is made to its end: who goes on with it unasked would write over the other's. */
                if (!bay->job || (bay == at && (!bay->job->many || bay->job->plan)))
                        continue;
                /* What is still being read is nobody's; of what was sent the result is. */
                if (bay->state == BAY_READING)
                        bay->state = BAY_FREE;
                take_back(bay);
        }
        if (!at || !at->job)
                worker_dismiss(w);
}

static void worker_receive(struct worker *w);

/* Takes back a job with its result. */
static void worker_result(struct worker *w, const struct proto_result *m) {
        struct pool_job *job = bay_clear(current_bay(w));
        uint64_t now = now_usec();
        struct pool_result result = {
                .verdict = (enum verdict)m->verdict,
                .reason = (enum reason)m->reason,
                .known = (enum result_known)m->known,
                .has_digest = m->has_digest,
                .context = m->context,
                .hub = m->known == KNOWN_HUB ? &m->hub : NULL,
        };

        if (job) {
                uint64_t begun = MAX(job->sent_usec, w->since_usec);

                result.queue_usec = job->dispatched_usec - job->submitted_usec;
                result.read_usec = job->sent_usec - job->dispatched_usec;
                result.scan_usec = now - begun;
                memcpy(result.digest, m->digest, sizeof(result.digest));
                memcpy(result.signature, m->signature, sizeof(result.signature));
        }
        w->since_usec = now;
        if (w->team->retired)
                worker_dismiss(w);
        /* The next job is on its way before this one's openers are answered: both matter, and the
         * answers leave in the same turn of the loop. */
        pool_dispatch(w->pool);
        if (job)
                job->done(job, &result);
}

/* The job that a message of this id is about: the one that the worker is at. */
static struct bay *bay_of(struct worker *w, uint64_t id) {
        struct bay *at = w->state == WORKER_RUNNING ? current_bay(w) : NULL;

        return at && at->id == id ? at : NULL;
}

/* The result of a job for a plan, by what the plan says. */
static bool plan_fits(const struct bay *at, const struct proto_result *m) {
        if (!at->planned)
                return false;
        switch (at->outcome) {
        case PLAN_MADE: return m->verdict == VERDICT_INFECTED;
        case PLAN_NONE: return m->verdict == VERDICT_INFECTED || m->verdict == VERDICT_UNKNOWN;
        case PLAN_NOT_INFECTED:
                return m->verdict == VERDICT_CLEAN || m->verdict == VERDICT_UNSCANNABLE;
        case PLAN_CHANGED: return m->verdict == VERDICT_UNKNOWN;
        case _PLAN_OUTCOME_MAX:
        default: return false;
        }
}

/* Of content that is not scanned for what it has cost before: whether there is any. */
static bool reason_fits(const struct worker *w, const struct bay *at, uint8_t reason) {
        return reason != REASON_POISON || (at->message.spare && w->poisons > 0);
}

static bool result_fits(struct worker *w) {
        const struct proto_result *m = &w->received.result;
        const struct bay *at = bay_of(w, m->id);

        if (!at || (at->message.many && m->known != KNOWN_NOT) || !reason_fits(w, at, m->reason) ||
            (at->message.plan && !plan_fits(at, m)))
                return false;
        switch ((enum result_known)m->known) {
        case KNOWN_NOT: return true;
        case KNOWN_DIGEST:
                return at->message.has_known && m->has_digest &&
                       memcmp(m->digest, at->message.known, STAMP_DIGEST_SIZE) == 0;
        case KNOWN_CACHE: return at->message.use_cache && m->has_digest;
        case KNOWN_HUB: return at->message.use_hub && m->has_digest;
        case _RESULT_KNOWN_MAX:
        default: return false;
        }
}

/* Items must come one behind the other, from where the job begins. */
static bool items_fit(struct bay *bay, const struct proto_span *spans, size_t n) {
        uint64_t at = bay->told;

        for (size_t i = 0; i < n; i++) {
                if (spans[i].offset != at || at >= bay->message.to ||
                    spans[i].size > INT64_MAX - at ||
                    !reason_fits(bay->worker, bay, spans[i].reason) ||
                    (spans[i].how == ITEM_CACHED && !bay->message.use_cache) ||
                    (spans[i].how == ITEM_HUB &&
                     (!bay->message.use_hub ||
                      proto_is_distrusted(&bay->message, spans[i].offset))))
                        return false;
                at += spans[i].size;
        }
        return true;
}

/* Hands on what a worker says of items; whether it can be true. */
static bool worker_items(struct worker *w, uint64_t id, const struct proto_span *spans, size_t n,
                         const struct proto_item *item) {
        struct bay *bay = bay_of(w, id);

        if (!bay || !bay->message.many || bay->message.plan || !items_fit(bay, spans, n))
                return false;
        for (size_t i = 0; i < n; i++)
                bay->told += spans[i].size;
        if (bay->told > bay->begun)
                bay->begun_size = 0;
        if (bay->job)
                bay->job->items(bay->job, spans, n, item);
        return true;
}

/* The items told last were all there are. */
static void worker_through(struct worker *w) {
        const struct proto_result result = { .verdict = VERDICT_CLEAN };

        if (!w->team->retired)
                worker_receive(w);
        worker_result(w, &result);
}

static bool worker_attachment(struct worker *w, const struct proto_attachment *m) {
        struct bay *bay = bay_of(w, m->id);

        if (!bay || !bay->message.attachments)
                return false;
        bay->message.attachments = 0; /* once */
        if (bay->job)
                bay->job->attachment(bay->job, m);
        return true;
}

static bool worker_cover(struct worker *w, const struct proto_cover *m) {
        struct bay *bay = bay_of(w, m->id);

        if (!bay || !bay->message.cover)
                return false;
        bay->message.cover = 0;
        if (bay->job)
                bay->job->cover(bay->job, m);
        return true;
}

static bool worker_plan(struct worker *w, const struct proto_plan *m) {
        struct bay *bay = bay_of(w, m->id);
        const struct proto_job *asked = bay ? &bay->message : NULL;

        if (!bay || !asked->plan || bay->planned || m->offset != asked->from ||
            m->size != (asked->many ? asked->to - asked->from : asked->size))
                return false;
        bay->planned = true;
        bay->outcome = (enum plan_outcome)m->outcome;
        if (bay->job)
                bay->job->plan(bay->job, m);
        return true;
}

/* What it claims to begin with is read again before it is believed (poisons.h). */
static bool worker_content(struct worker *w, const struct proto_content *m) {
        struct bay *bay = bay_of(w, m->id);

        if (!bay || !bay->message.announce || m->offset != (bay->message.many ? bay->told : 0) ||
            (bay->message.many && m->offset >= bay->message.to))
                return false;
        bay->begun = m->offset;
        bay->begun_size = m->size;
        memcpy(bay->begun_digest, m->digest, sizeof(bay->begun_digest));
        return true;
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
        if (w->pidfd >= 0)
                w->team->pids[w - w->team->workers] = cred.pid;
        return w->pidfd >= 0;
}

static void worker_received(struct ring_op *op, int res) {
        struct worker *w = container_of(op, struct worker, receive_op);
        int kind;

        w->receiving = false;
        w->pool->busy_ops--;
        if (w->state == WORKER_ABSENT) {
                if (!worker_lingers(w))
                        w->channel = close_fd(w->channel);
                return;
        }
        if (res == -EINTR || res == -EAGAIN) {
                worker_receive(w);
                return;
        }
        kind = res > 0 ? proto_check(&w->received, (size_t)res) : 0;
        if (w->state == WORKER_STARTING && kind == PROTO_HELLO && worker_hello(w)) {
                w->state = WORKER_RUNNING;
                w->pool->stats->workers_started++;
                w->pool->failures = 0;
                worker_receive(w);
                pool_set_ready(w->pool, 0);
                pool_dispatch(w->pool);
                return;
        }
        if (kind == PROTO_RESULT && result_fits(w)) {
                struct proto_result m = w->received.result;

                if (!w->team->retired)
                        worker_receive(w);
                worker_result(w, &m);
                return;
        }
        if ((kind == PROTO_ITEMS && worker_items(w, w->received.items.id, w->received.items.spans,
                                                 w->received.items.n, NULL)) ||
            (kind == PROTO_ITEM &&
             worker_items(w, w->received.item.id, &w->received.item.span, 1, &w->received.item))) {
                if (kind == PROTO_ITEMS && w->received.items.through)
                        worker_through(w);
                else
                        worker_receive(w);
                return;
        }
        if ((kind == PROTO_ATTACHMENT && worker_attachment(w, &w->received.attachment)) ||
            (kind == PROTO_COVER && worker_cover(w, &w->received.cover)) ||
            (kind == PROTO_CONTENT && worker_content(w, &w->received.content)) ||
            (kind == PROTO_PLAN && worker_plan(w, &w->received.plan))) {
                worker_receive(w);
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
        w->serial = ++w->pool->n_spawned;
        w->fate = FATE_OPEN;
        r = loader_spawn(w->team->loader, w->number, w->serial, theirs, w->slot_fd,
                         w->pool->cache_fd);
        if (r < 0)
                return r;
        close_fd(w->channel);
        w->channel = TAKE_FD(ours);
        memset(w->slot + PROTO_TAKEN_AT, 0, PROTO_SLOT_SIZE - PROTO_TAKEN_AT);
        w->poisons = 0; /* whoever had the slot before may have written to it */
        w->state = WORKER_STARTING;
        w->since_usec = now;
        worker_receive(w);
        return 0;
}

/* ---- Its jobs ---- */

/* Workers of an engine get what that engine failed at. */
static void share_poison(struct worker *w) {
        uint64_t version = w->pool->poisons ? poisons_version(w->pool->poisons) : 0;

        if (version == w->poisons)
                return;
        poison_make_view(poisons_list(w->pool->poisons), &w->team->generation,
                         (struct poison_view *)(void *)(w->slot + PROTO_POISON_AT));
        w->poisons = version;
}

/* now: at once, and not with the turn's end. */
static void job_send(struct bay *bay, int fd, bool now) {
        struct worker *w = bay->worker;
        struct pool_job *job = bay->job;
        bool idle = !current_bay(w);

        job->sent_usec = now_usec();
        proto_init((union proto_message *)&bay->message, PROTO_JOB);
        bay->id = ++w->pool->next_job_id;
        bay->message.id = bay->id;
        bay->message.size = fd >= 0 ? job->size : bay->filled;
        bay->message.has_fd = fd >= 0;
        bay->message.has_known = job->has_known;
        bay->message.bay = (uint8_t)bay->number;
        bay->message.form = (uint8_t)job->form;
        bay->message.use_cache = job->use_cache;
        bay->message.use_hub = job->use_hub;
        bay->message.attachments = job->attachment != NULL;
        bay->message.cover = job->cover != NULL;
        bay->message.plan = job->plan != NULL;
        bay->message.detached = job->detached;
        bay->message.spare = job->spare;
        bay->message.announce = job->spare && job->attempts > 1;
        bay->planned = false;
        bay->begun_size = 0;
        share_poison(w);
        if (job->many) {
                bay->message.many = 1;
                bay->message.from = bay->told = job->from;
                bay->message.wanted = job->wanted;
                bay->message.to = job->to;
                bay->message.n_distrusted = (uint8_t)job->n_distrusted;
                if (job->n_distrusted > 0)
                        memcpy(bay->message.distrusted, job->distrusted,
                               job->n_distrusted * sizeof(job->distrusted[0]));
        }
        if (job->has_known)
                memcpy(bay->message.known, job->known, sizeof(job->known));

        bay->send_iov = (struct iovec){ &bay->message, sizeof(bay->message) };
        bay->send_msg = (struct msghdr){ .msg_iov = &bay->send_iov, .msg_iovlen = 1 };
        if (fd >= 0) {
                const int fds[] = { fd, job->plan ? job->planned_fd : -EBADF };
                size_t size = job->plan ? sizeof(fds) : sizeof(fd);
                struct cmsghdr *c;

                bay->send_msg.msg_control = bay->send_control.buf;
                bay->send_msg.msg_controllen = CMSG_LEN(size);
                c = CMSG_FIRSTHDR(&bay->send_msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(size);
                memcpy(CMSG_DATA(c), fds, size);
        }
        /* What fails is tried again by the ring, which tells of it later. */
        if (!now || sendmsg(w->channel, &bay->send_msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
                struct io_uring_sqe *sqe = ring_entry(w->pool->ring);

                io_uring_prep_sendmsg(sqe, w->channel, &bay->send_msg, MSG_NOSIGNAL);
                ring_bind(sqe, &bay->send_op);
                bay->sending = true;
                w->pool->busy_ops++;
        }
        bay->state = BAY_SENT;
        bay->since_usec = job->sent_usec;
        if (idle)
                w->since_usec = job->sent_usec;
}

static void job_sent(struct ring_op *op, int res) {
        struct bay *bay = container_of(op, struct bay, send_op);
        struct worker *w = bay->worker;

        bay->sending = false;
        w->pool->busy_ops--;
        if (w->state == WORKER_RUNNING && res < 0)
                worker_lost(w, REASON_CRASH);
        if (bay->state == BAY_FREE)
                pool_dispatch(w->pool); /* its answer was faster than our own completion */
}

static uint8_t *bay_end(const struct bay *bay) {
        return bay->worker->slot + (size_t)bay->number * PROTO_BAY_SIZE + bay->filled;
}

/* How much is read: of many items no more than was there when they were asked for, since what came to them
 * is asked for again. */
static size_t bay_room(const struct bay *bay) {
        const struct pool_job *job = bay->job;

        return job->many ? (size_t)(job->size - pool_job_at(job)) : PROTO_BAY_SIZE;
}

/* Whether nothing is left to be read, as far as that is known. */
static bool is_read(const struct bay *bay) {
        return bay->job->many ? bay->filled == bay_room(bay)
                              : bay->job->exact && bay->filled == bay->job->size;
}

static void job_read(struct bay *bay) {
        struct worker *w = bay->worker;
        struct io_uring_sqe *sqe = ring_entry(w->pool->ring);

        io_uring_prep_read(sqe, bay->job->fd, bay_end(bay), (unsigned)(bay_room(bay) - bay->filled),
                           pool_job_at(bay->job) + bay->filled);
        ring_bind(sqe, &bay->read_op);
        bay->reading = true;
        w->pool->busy_ops++;
}

static void job_was_read(struct ring_op *op, int res) {
        struct bay *bay = container_of(op, struct bay, read_op);
        struct worker *w = bay->worker;

        bay->reading = false;
        w->pool->busy_ops--;
        /* The worker may have died meanwhile and the job gone elsewhere: the slot's content is
         * nobody's then, and pool_run() may use the worker's place again. */
        if (bay->state != BAY_READING)
                return;
        if (res == -EINTR || res == -EAGAIN) {
                job_read(bay);
                return;
        }
        if (res < 0) {
                struct pool_job *job = bay_clear(bay);

                pool_dispatch(w->pool);
                pool_job_fail(job, REASON_READ, error_text(-res));
                return;
        }
        bay->filled += (size_t)res;
        if (bay->filled == PROTO_BAY_SIZE) {
                /* Larger than a bay after all. */
                job_send(bay, bay->job->fd, false);
                return;
        }
        /* A short read of a regular file is its end, unless somebody is writing or the kernel was
         * interrupted: read on until nothing comes. */
        if (res > 0 && !is_read(bay)) {
                job_read(bay);
                return;
        }
        job_send(bay, -EBADF, false);
}

/* Reads what is in the page cache, as the ring would; for the disk that has threads. Whether that was all. */
static bool read_cached(struct bay *bay) {
        ssize_t n;

        do {
                struct iovec iov = { bay_end(bay), bay_room(bay) - bay->filled };

                n = preadv2(bay->job->fd, &iov, 1, (off_t)(pool_job_at(bay->job) + bay->filled),
                            RWF_NOWAIT);
                if (n < 0)
                        return false;
                bay->filled += (size_t)n;
        } while (n > 0 && !is_read(bay) && bay->filled < PROTO_BAY_SIZE);
        return bay->filled < PROTO_BAY_SIZE;
}

void worker_take(struct worker *w, struct pool_job *job, bool now) {
        struct bay *bay = free_bay(w);

        job->attempts++;
        job->generation = w->team->generation;
        job->dispatched_usec = now_usec();
        bay->job = job;
        bay->filled = 0;
        if (!job->low)
                team_hurry(w->team, job->dispatched_usec);
        if (pool_job_by_fd(job))
                job_send(bay, job->fd, now);
        else if (now && read_cached(bay))
                job_send(bay, -EBADF, true);
        else if (bay->filled == PROTO_BAY_SIZE)
                job_send(bay, job->fd, now);
        else {
                bay->state = BAY_READING;
                bay->since_usec = job->dispatched_usec;
                job_read(bay);
        }
}

/* ---- Its place ---- */

bool worker_lingers(const struct worker *w) {
        for (size_t i = 0; i < PROTO_BAYS; i++)
                if (w->bays[i].reading || w->bays[i].sending)
                        return true;
        return w->receiving;
}

void worker_init(struct worker *w, struct team *team, unsigned number) {
        w->pool = team->pool;
        w->team = team;
        w->number = number;
        w->channel = w->slot_fd = w->pidfd = -EBADF;
        w->receive_op.done = worker_received;
        for (unsigned i = 0; i < PROTO_BAYS; i++) {
                w->bays[i].worker = w;
                w->bays[i].number = i;
                w->bays[i].read_op.done = job_was_read;
                w->bays[i].send_op.done = job_sent;
        }
}

void worker_done(struct worker *w) {
        w->channel = close_fd(w->channel);
        w->slot_fd = close_fd(w->slot_fd);
        if (w->slot)
                (void)munmap(w->slot, PROTO_SLOT_SIZE);
        w->slot = NULL;
}
