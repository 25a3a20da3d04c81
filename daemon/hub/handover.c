/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the messages on their way between the threads, and their fds. The life of one:
 *
 *     COMING    in the queue; the ring thread was woken
 *     AT_POOL   the pool's job; only the ring thread touches it, but for its state
 *     DONE      the judgement is there; the milter's thread frees it
 *     GIVEN_UP  the milter's thread does not wait any more; the ring thread frees it
 *
 * The lock guards queue and states, and is never held while anything is waited for. Must not know what
 * a message is, nor what is made of its judgement.
 */

#include "daemon/hub/handover.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>

#include "daemon/clock.h"

#define TICK_USEC (10 * USEC_PER_SEC)

enum state { COMING, AT_POOL, DONE, GIVEN_UP };

struct errand {
        struct handover *handover;
        struct pool_job job;
        TAILQ_ENTRY(errand) link; /* COMING: in queue; AT_POOL, GIVEN_UP: in at_pool */
        enum state state;
        bool trusted;
        pthread_cond_t ready;
        struct judgement judgement;
};

TAILQ_HEAD(errand_list, errand);

struct handover {
        struct ring *ring;
        struct pool *pool; /* NULL: not yet */
        bool attachments;
        const struct stamping *stamping;
        int event_fd;
        uint64_t event;
        struct ring_op event_op;

        pthread_mutex_t lock;
        struct errand_list queue, at_pool;
        unsigned waiting;
        bool ended;
};

static void errand_free(struct errand *e) {
        close_fd(e->job.fd);
        (void)pthread_cond_destroy(&e->ready);
        free(e);
}

/* ---- The ring thread ---- */

static void on_attachment(struct pool_job *job, const struct proto_attachment *attachment) {
        struct errand *e = container_of(job, struct errand, job);

        e->judgement.unwanted = true;
        e->judgement.attachment = *attachment;
}

static void on_cover(struct pool_job *job, const struct proto_cover *cover) {
        struct errand *e = container_of(job, struct errand, job);
        struct handover *h = e->handover;

        if (!h->pool || stamping_sign(h->stamping, cover, pool_database_version(h->pool),
                                      e->judgement.stamp) < 0)
                e->judgement.stamp[0] = '\0';
}

/* Before a job goes to the pool. */
static void prepare(struct errand *e) {
        struct handover *h = e->handover;

        e->job.attachment = h->attachments ? on_attachment : NULL;
        e->job.cover = h->stamping->key ? on_cover : NULL;
        e->job.use_hub = e->trusted && !h->attachments && stamping_believes(h->stamping);
}

/* False: another hub's stamp is not believed, and the message is scanned after all. */
static bool settled(struct errand *e, const struct pool_result *result) {
        struct handover *h = e->handover;

        if (result->known != KNOWN_HUB)
                return true;
        if (h->pool &&
            stamping_judge(h->stamping, result->hub, pool_database_version(h->pool)) == HUB_GOOD) {
                e->judgement.honoured = true;
                return true;
        }
        e->job.use_hub = false;
        return !h->pool;
}

static bool is_given_up(struct errand *e) {
        bool given_up;

        (void)pthread_mutex_lock(&e->handover->lock);
        given_up = e->state == GIVEN_UP;
        (void)pthread_mutex_unlock(&e->handover->lock);
        return given_up;
}

static void on_done(struct pool_job *job, const struct pool_result *result) {
        struct errand *e = container_of(job, struct errand, job);
        struct handover *h = e->handover;
        bool given_up;

        if (!settled(e, result) && !is_given_up(e)) {
                pool_submit(h->pool, job);
                return;
        }
        e->judgement.result = *result;
        e->judgement.result.hub = NULL;
        (void)pthread_mutex_lock(&h->lock);
        TAILQ_REMOVE(&h->at_pool, e, link);
        given_up = e->state == GIVEN_UP;
        e->state = DONE;
        if (!given_up)
                (void)pthread_cond_signal(&e->ready);
        (void)pthread_mutex_unlock(&h->lock);
        if (given_up)
                errand_free(e);
}

/* One that came, or NULL. */
static struct errand *take(struct handover *h) {
        struct errand *e;

        (void)pthread_mutex_lock(&h->lock);
        e = TAILQ_FIRST(&h->queue);
        if (e) {
                TAILQ_REMOVE(&h->queue, e, link);
                TAILQ_INSERT_TAIL(&h->at_pool, e, link);
                e->state = AT_POOL;
        }
        (void)pthread_mutex_unlock(&h->lock);
        return e;
}

/* One that was given up and that the pool has not begun with. on_done() takes the lock, too. */
static struct errand *take_given_up(struct handover *h) {
        struct errand *e;

        (void)pthread_mutex_lock(&h->lock);
        TAILQ_FOREACH(e, &h->at_pool, link)
        if (e->state == GIVEN_UP && e->job.queued)
                break;
        (void)pthread_mutex_unlock(&h->lock);
        return e;
}

static void serve(struct handover *h) {
        struct errand *e;

        if (!h->pool)
                return;
        while ((e = take(h))) {
                prepare(e);
                pool_submit(h->pool, &e->job);
        }
        while ((e = take_given_up(h)))
                pool_withdraw(h->pool, &e->job, REASON_TIMEOUT);
}

static void read_event(struct handover *h) {
        struct io_uring_sqe *sqe = ring_entry(h->ring);

        io_uring_prep_read(sqe, h->event_fd, &h->event, sizeof(h->event), 0);
        ring_bind(sqe, &h->event_op);
}

static void on_event(struct ring_op *op, int res) {
        struct handover *h = container_of(op, struct handover, event_op);

        serve(h);
        read_event(h);
}

int handover_new(struct ring *ring, struct handover **ret) {
        struct handover *h = calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;
        h->ring = ring;
        h->event_op.done = on_event;
        h->event_fd = eventfd(0, EFD_CLOEXEC);
        if (h->event_fd < 0) {
                free(h);
                return -errno;
        }
        (void)pthread_mutex_init(&h->lock, NULL);
        TAILQ_INIT(&h->queue);
        TAILQ_INIT(&h->at_pool);
        read_event(h);
        *ret = h;
        return 0;
}

void handover_start(struct handover *h, struct pool *pool, bool attachments,
                    const struct stamping *stamping) {
        h->attachments = attachments;
        h->stamping = stamping;
        h->pool = pool;
        serve(h);
}

void handover_end(struct handover *h) {
        struct errand *e;

        (void)pthread_mutex_lock(&h->lock);
        h->ended = true;
        while ((e = TAILQ_FIRST(&h->queue))) {
                TAILQ_REMOVE(&h->queue, e, link);
                e->judgement.result.reason = REASON_SHUTDOWN;
                e->state = DONE;
                (void)pthread_cond_signal(&e->ready);
        }
        (void)pthread_mutex_unlock(&h->lock);
        h->pool = NULL;
}

unsigned handover_waiting(struct handover *h) {
        unsigned n;

        (void)pthread_mutex_lock(&h->lock);
        n = h->waiting;
        (void)pthread_mutex_unlock(&h->lock);
        return n;
}

struct handover *handover_free(struct handover *h) {
        if (!h)
                return NULL;
        /* The read of the event ends with the ring. */
        close_fd(h->event_fd);
        (void)pthread_mutex_destroy(&h->lock);
        free(h);
        return NULL;
}

/* ---- Threads of the milter ---- */

static struct errand *errand_new(struct handover *h, int fd, uint64_t size) {
        struct errand *e = calloc(1, sizeof(*e));
        pthread_condattr_t attr;

        if (!e)
                return NULL;
        (void)pthread_condattr_init(&attr);
        (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&e->ready, &attr);
        (void)pthread_condattr_destroy(&attr);
        e->handover = h;
        e->job = (struct pool_job){
                .fd = fd,
                .size = size,
                .exact = true,
                .form = JOB_MESSAGE,
                .done = on_done,
        };
        return e;
}

/* Sleeps on the lock until it is done, or until then. */
static void wait_done(struct errand *e, uint64_t until, handover_tick_fn tick, void *userdata) {
        struct handover *h = e->handover;
        uint64_t now;

        while (e->state != DONE && (now = now_usec()) < until) {
                uint64_t next = MIN(until, now + TICK_USEC);
                struct timespec ts = {
                        .tv_sec = (time_t)(next / USEC_PER_SEC),
                        .tv_nsec = (long)(next % USEC_PER_SEC * NSEC_PER_USEC),
                };

                (void)pthread_cond_timedwait(&e->ready, &h->lock, &ts);
                if (e->state != DONE && now_usec() >= next && next < until) {
                        (void)pthread_mutex_unlock(&h->lock);
                        tick(userdata);
                        (void)pthread_mutex_lock(&h->lock);
                }
        }
}

void handover_judge(struct handover *h, int fd, uint64_t size, bool trusted, uint64_t timeout_usec,
                    handover_tick_fn tick, void *userdata, struct judgement *ret) {
        uint64_t until = now_usec() + timeout_usec;
        struct errand *e = errand_new(h, fd, size);
        const uint64_t one = 1;
        bool ours = true;

        *ret = (struct judgement){ .result.reason = REASON_OVERLOAD };
        if (!e) {
                close_fd(fd);
                return;
        }
        e->trusted = trusted;
        (void)pthread_mutex_lock(&h->lock);
        if (h->ended) {
                e->state = DONE;
                e->judgement.result.reason = REASON_SHUTDOWN;
        } else {
                h->waiting++;
                TAILQ_INSERT_TAIL(&h->queue, e, link);
                (void)!write(h->event_fd, &one, sizeof(one));
                wait_done(e, until, tick, userdata);
                h->waiting--;
        }
        if (e->state == DONE)
                *ret = e->judgement;
        else {
                ret->result.reason = REASON_TIMEOUT;
                if (e->state == COMING)
                        TAILQ_REMOVE(&h->queue, e, link);
                else {
                        e->state = GIVEN_UP;
                        ours = false;
                        (void)!write(h->event_fd, &one, sizeof(one));
                }
        }
        (void)pthread_mutex_unlock(&h->lock);
        if (ours)
                errand_free(e);
}
