/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A ring of openings, shared by the threads under one lock. Owns their items from openers_give() to
 * openers_take(). The threads end with the process: one that waits for the gate can't be told to.
 */

#include "daemon/sweep/openers.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "daemon/clock.h"

struct openers {
        struct sweep_board *board;
        pthread_mutex_t lock;
        pthread_cond_t more;
        int fd;
        unsigned most, n_threads;

        /* Under the lock. Counted from the beginning: modulo most they are places in the ring. */
        struct opening *ring;
        bool *back;
        uint64_t given, begun, taken;
};

struct thread {
        struct openers *openers;
        struct sweep_slot *slot;
};

static struct opening *at(const struct openers *o, uint64_t n) {
        return &o->ring[n % o->most];
}

/* Only what can't hang: no device, no FIFO without O_NONBLOCK. O_NOATIME is for owners, and an open
 * alone moves no time. */
static void open_one(struct opening *opening, struct sweep_slot *slot) {
        int fd;

        atomic_store(&slot->dev, opening->dev);
        atomic_store(&slot->ino, opening->ino);
        atomic_store(&slot->outcome, SWEEP_OUTCOME_AWAITED);
        fd = openat(opening->item.folder->fd, opening->item.name,
                    O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        opening->outcome = (enum sweep_outcome)atomic_exchange(&slot->outcome, SWEEP_OUTCOME_NONE);
        if (opening->outcome <= SWEEP_OUTCOME_AWAITED || opening->outcome >= _SWEEP_OUTCOME_MAX)
                opening->outcome = SWEEP_OUTCOME_NONE;
        opening->opened = fd >= 0          ? OPENED_YES
                          : errno == EPERM ? OPENED_DENIED
                          : errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO
                                  ? OPENED_GONE
                                  : OPENED_FAILED;
        close_fd(fd);
        opening->done_usec = now_usec();
}

static void *opener_thread(void *userdata) {
        struct thread *thread = userdata;
        struct openers *o = thread->openers;
        const uint64_t one = 1;

        pthread_mutex_lock(&o->lock);
        for (;;) {
                struct opening *opening;
                uint64_t n;

                /* Those that nobody wants opened are back from the beginning. */
                while (o->begun < o->given && !at(o, o->begun)->wanted)
                        o->begun++;
                if (o->begun == o->given) {
                        pthread_cond_wait(&o->more, &o->lock);
                        continue;
                }
                n = o->begun++;
                opening = at(o, n);
                pthread_mutex_unlock(&o->lock);
                open_one(opening, thread->slot);
                pthread_mutex_lock(&o->lock);
                o->back[n % o->most] = true;
                if (n == o->taken)
                        (void)!write(o->fd, &one, sizeof(one));
        }
        return NULL;
}

int openers_fd(const struct openers *openers) {
        return openers->fd;
}

/* Only the main thread moves what these two look at. */
unsigned openers_pending(const struct openers *openers) {
        return (unsigned)(openers->given - openers->taken);
}

bool openers_have_room(const struct openers *openers) {
        return openers_pending(openers) < openers->most;
}

void openers_give(struct openers *openers, const struct opening *opening) {
        pthread_mutex_lock(&openers->lock);
        assert(openers_have_room(openers));
        *at(openers, openers->given) = *opening;
        openers->back[openers->given % openers->most] = !opening->wanted;
        openers->given++;
        if (opening->wanted)
                pthread_cond_signal(&openers->more);
        pthread_mutex_unlock(&openers->lock);
}

struct opening *openers_oldest(struct openers *openers) {
        struct opening *oldest = NULL;

        pthread_mutex_lock(&openers->lock);
        if (openers->taken < openers->given && openers->back[openers->taken % openers->most])
                oldest = at(openers, openers->taken);
        pthread_mutex_unlock(&openers->lock);
        return oldest;
}

void openers_take(struct openers *openers) {
        struct opening *opening = at(openers, openers->taken);

        folder_release(opening->item.folder);
        free(opening->item.name);
        pthread_mutex_lock(&openers->lock);
        if (openers->begun == openers->taken)
                openers->begun++;
        openers->taken++;
        pthread_mutex_unlock(&openers->lock);
}

int openers_new(struct sweep_board *board, unsigned threads, unsigned most, struct openers **ret) {
        struct openers *o = calloc(1, sizeof(*o));
        int r = 0;

        if (!o)
                return -ENOMEM;
        o->board = board;
        o->most = most;
        o->ring = calloc(most, sizeof(*o->ring));
        o->back = calloc(most, sizeof(*o->back));
        o->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!o->ring || !o->back)
                r = -ENOMEM;
        else if (o->fd < 0)
                r = -errno;
        else
                r = -(pthread_mutex_init(&o->lock, NULL) ?: pthread_cond_init(&o->more, NULL));
        for (unsigned i = 0; i < threads && r >= 0; i++) {
                struct thread *thread = malloc(sizeof(*thread));
                pthread_t id;

                if (!thread)
                        return -ENOMEM; /* of a process that ends */
                *thread = (struct thread){ .openers = o, .slot = &board->slots[i] };
                r = -pthread_create(&id, NULL, opener_thread, thread);
        }
        if (r < 0)
                return r;
        *ret = o;
        return 0;
}
