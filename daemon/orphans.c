/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the memory, and what its content means. Must not own: what is done about an orphan (settle.c),
 * or the group.
 *
 * The memory is sealed against being cut, so that reading it raises no SIGBUS; pages that were never
 * written to take no memory. VERSION changes with every field and every meaning: a storescand that
 * was upgraded, or downgraded, does not take one table for the other.
 */

#include "daemon/orphans.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/clock.h"

#define MAGIC   "storescan-orphan"
#define VERSION 2U
#define SEALS   (F_SEAL_SHRINK | F_SEAL_GROW)

static_assert(sizeof(MAGIC) - 1 == sizeof(((struct orphans_table *)NULL)->magic), "fits exactly");
static_assert(offsetof(struct orphans_table, states) == 64, "no gap that is not named");

static int map(int fd, struct orphans **ret) {
        _cleanup_free_ struct orphans *orphans = calloc(1, sizeof(*orphans));

        if (!orphans)
                return -ENOMEM;
        orphans->table =
                mmap(NULL, sizeof(*orphans->table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (orphans->table == MAP_FAILED)
                return -errno;
        orphans->fd = fd;
        *ret = TAKE_PTR(orphans);
        return 0;
}

int orphans_new(struct orphans **ret) {
        _cleanup_close_ int fd = memfd_create("storescan-orphans", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0 || ftruncate(fd, sizeof(struct orphans_table)) < 0 ||
            fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        r = map(fd, ret);
        if (r < 0)
                return r;
        (void)TAKE_FD(fd);
        memcpy((*ret)->table->magic, MAGIC, sizeof((*ret)->table->magic));
        (*ret)->table->numbers = ORPHANS_NUMBERS;
        (*ret)->table->version = VERSION;
        return 0;
}

int orphans_take(int fd, struct orphans **ret) {
        _cleanup_(orphans_freep) struct orphans *orphans = NULL;
        const struct orphans_table *t;
        struct stat st;
        int seals, r;

        seals = fcntl(fd, F_GET_SEALS);
        if (fstat(fd, &st) < 0 || st.st_size != sizeof(*t) || seals < 0 || (seals & SEALS) != SEALS)
                return -EBADMSG;
        r = map(fd, &orphans);
        if (r < 0 || !orphans)
                return r < 0 ? r : -ENOMEM;
        t = orphans->table;
        if (memcmp(t->magic, MAGIC, sizeof(t->magic)) != 0 || t->version != VERSION ||
            t->numbers != ORPHANS_NUMBERS || atomic_load(&t->top) >= ORPHANS_NUMBERS) {
                orphans->fd = -EBADF; /* the caller's still */
                return -EBADMSG;
        }
        *ret = TAKE_PTR(orphans);
        return 0;
}

struct orphans *orphans_free(struct orphans *orphans) {
        if (!orphans)
                return NULL;
        (void)munmap(orphans->table, sizeof(*orphans->table));
        close_fd(orphans->fd);
        free(orphans);
        return NULL;
}

unsigned orphans_end(const struct orphans *orphans) {
        return MIN(atomic_load(&orphans->table->top), ORPHANS_NUMBERS - 1) + 1;
}

enum orphan_state orphans_look(const struct orphans *orphans, int number, struct orphan *ret) {
        const struct orphans_table *t = orphans->table;
        struct orphan file;
        uint32_t state;

        if ((unsigned)number >= orphans_end(orphans))
                return ORPHAN_NONE;
        state = atomic_load_explicit(&t->states[number], memory_order_acquire);
        if (state != ORPHAN_KNOWN)
                return state < _ORPHAN_STATE_MAX ? (enum orphan_state)state : ORPHAN_TAKEN;
        file = t->files[number];
        /* 0 to 2 are never an event's: they are open before there is a group. */
        if (number <= STDERR_FILENO || file.key.size == 0 || file.key.size > CHANGES_HANDLE_MAX ||
            (file.access != GATE_OPEN && file.access != GATE_READ))
                return ORPHAN_TAKEN;
        /* Ours is a storescand's, and not waiting: it would be let through. */
        if (file.pid == getpid())
                file.pid = 0;
        file.since_usec = MIN(file.since_usec, now_usec());
        *ret = file;
        return ORPHAN_KNOWN;
}

void orphans_identify(struct orphans *orphans, const struct gate_event *event) {
        struct orphan *file;

        if ((unsigned)event->fd >= ORPHANS_NUMBERS)
                return;
        file = &orphans->table->files[event->fd];
        changes_key(event->fd, &file->key);
        if (file->key.size == 0)
                return; /* a file system without handles */
        file->pid = event->pid;
        file->access = (uint16_t)event->access;
        file->offset = event->offset;
        file->size = event->size;
        file->has_range = event->has_range;
        file->since_usec = event->since_usec ? event->since_usec : now_usec();
        orphans_set(orphans, event->fd, ORPHAN_KNOWN);
}
