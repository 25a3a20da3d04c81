/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns an fd from the gate's offer until its thread takes it. A place is its thread's, but for the moment in which
 * the gate fills it: neither waits for a lock of the other.
 */

#include "daemon/silent.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "daemon/proc-fd.h"

#define PLACES 4 /* threads that open at once: the marker's, settle's; more do without */

enum state { FREE, TAKEN, WANTED, FILLING, FILLED };

static struct place {
        _Atomic(enum state) state;
        dev_t dev;
        ino_t ino;
        int fd;
} places[PLACES];

static bool go(struct place *place, enum state from, enum state to) {
        return atomic_compare_exchange_strong(&place->state, &from, to);
}

static struct place *want(int path) {
        struct stat st;

        if (fstat(path, &st) < 0)
                return NULL;
        for (size_t i = 0; i < PLACES; i++)
                if (go(&places[i], FREE, TAKEN)) {
                        places[i].dev = st.st_dev;
                        places[i].ino = st.st_ino;
                        places[i].fd = -EBADF;
                        atomic_store(&places[i].state, WANTED);
                        return &places[i];
                }
        return NULL;
}

/* What the gate has left there, if it has. */
static int take(struct place *place) {
        int fd;

        while (atomic_load(&place->state) != FILLED) {
                if (go(place, WANTED, FREE))
                        return -EBADF;
                (void)sched_yield(); /* the gate looks whether it is this file's */
        }
        fd = place->fd;
        atomic_store(&place->state, FREE);
        return fd;
}

int silent_read(int path, bool *ret_aloud) {
        struct place *place = want(path);
        int fd = proc_fd_read(path), silent = place ? take(place) : -EBADF;

        *ret_aloud = silent < 0;
        if (fd < 0 || silent < 0) {
                close_fd(silent);
                return fd;
        }
        close_fd(fd);
        return silent;
}

static void offer(struct place *place, const struct gate_event *event) {
        struct stat st;

        if (!go(place, WANTED, FILLING))
                return;
        if (fstat(event->fd, &st) < 0 || st.st_dev != place->dev || st.st_ino != place->ino) {
                atomic_store(&place->state, WANTED);
                return;
        }
        place->fd = fcntl(event->fd, F_DUPFD_CLOEXEC, 3);
        atomic_store(&place->state, FILLED);
}

void silent_offer(const struct gate_event *event) {
        for (size_t i = 0; event->access == GATE_OPEN && i < PLACES; i++)
                offer(&places[i], event);
}
