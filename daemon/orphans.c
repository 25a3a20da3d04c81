/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the memory, and what its content means. Must not own: what is done about an orphan (settle.c),
 * or the group.
 *
 * VERSION changes with every field and every meaning: a storescand that
 * was upgraded, or downgraded, does not take one table for the other.
 */

#include "daemon/orphans.h"

#include <assert.h>
#include <sys/mman.h>

#include "daemon/clock.h"
#include "daemon/kept-memory.h"

#define MAGIC   "storescan-orphan"
#define VERSION 2U

static_assert(sizeof(MAGIC) - 1 == sizeof(((struct orphans_table *)NULL)->magic), "fits exactly");
static_assert(offsetof(struct orphans_table, states) == 64, "no gap that is not named");

int orphans_new(struct orphans **ret) {
        _cleanup_free_ struct orphans *orphans = calloc(1, sizeof(*orphans));
        void *memory;
        int r;

        if (!orphans)
                return -ENOMEM;
        r = kept_memory_new("storescan-orphans", sizeof(*orphans->table), &orphans->fd, &memory);
        if (r < 0)
                return r;
        orphans->table = memory;
        memcpy(orphans->table->magic, MAGIC, sizeof(orphans->table->magic));
        orphans->table->numbers = ORPHANS_NUMBERS;
        orphans->table->version = VERSION;
        *ret = TAKE_PTR(orphans);
        return 0;
}

int orphans_take(int fd, struct orphans **ret) {
        _cleanup_free_ struct orphans *orphans = calloc(1, sizeof(*orphans));
        const struct orphans_table *t;
        void *memory;
        int r;

        if (!orphans)
                return -ENOMEM;
        r = kept_memory_take(fd, sizeof(*orphans->table), &memory);
        if (r < 0)
                return r;
        t = memory;
        if (memcmp(t->magic, MAGIC, sizeof(t->magic)) != 0 || t->version != VERSION ||
            t->numbers != ORPHANS_NUMBERS || atomic_load(&t->top) >= ORPHANS_NUMBERS) {
                (void)munmap(memory, sizeof(*t));
                return -EBADMSG;
        }
        orphans->table = memory;
        orphans->fd = fd;
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

void orphans_identify(struct orphans *orphans, const struct gate_event *event,
                      const struct changes_key *key) {
        struct orphan *file;

        if ((unsigned)event->fd >= ORPHANS_NUMBERS)
                return;
        file = &orphans->table->files[event->fd];
        if (key)
                file->key = *key;
        else
                changes_key(event->fd, &file->key);
        if (file->key.size == 0)
                return; /* a file system without handles */
        file->pid = event->pid;
        file->access = (uint16_t)event->access;
        file->offset = event->offset;
        file->size = event->size;
        file->has_range = event->has_range;
        file->since_usec = since_or_now(event->since_usec);
        orphans_set(orphans, event->fd, ORPHAN_KNOWN);
}
