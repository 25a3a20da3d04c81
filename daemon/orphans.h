/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of permission events that have no answer yet, in memory that outlives the process: the
 * service manager keeps it, as it keeps the group (keep.h). The kernel knows an event that was read by
 * the number of its fd alone, and that fd dies with the process. So the table says by number who
 * waits, what was decided, and, of those who wait for longer, which file it is about.
 *
 * The gate writes it by plain stores while events come and go. What the process before wrote is
 * material, not truth: a number, state or handle may be anything.
 */

#include <stdatomic.h>

#include "daemon/changes.h"
#include "daemon/gate.h"

#define ORPHANS_NUMBERS 65536U /* fds beyond have no place in the table: they are unknown */

enum orphan_state {
        ORPHAN_NONE,
        ORPHAN_TAKEN, /* read; nothing else is known of it */
        ORPHAN_KNOWN, /* and its file is */
        ORPHAN_ALLOW, /* decided; the answer may have been written, or not */
        ORPHAN_DENY,
        _ORPHAN_STATE_MAX
};

/* An event whose file is known. */
struct orphan {
        uint64_t offset, size;
        uint64_t since_usec; /* when it was read first, by whichever process (clock.h) */
        int32_t pid;
        uint16_t access; /* enum gate_access */
        uint16_t has_range;
        struct changes_key key;
};

/* The shared memory. */
struct orphans_table {
        char magic[16];
        uint32_t version;     /* of everything here */
        uint32_t numbers;     /* ORPHANS_NUMBERS */
        _Atomic uint32_t top; /* the highest number there ever was */
        uint32_t spare[9];
        _Atomic uint32_t states[ORPHANS_NUMBERS];
        struct orphan files[ORPHANS_NUMBERS]; /* where the state is KNOWN */
};

struct orphans {
        struct orphans_table *table;
        int fd;
};

/* An empty table. 0 or negative errno. */
int orphans_new(struct orphans **ret);

/* That of the process before. Takes fd on success. -EBADMSG: another version's, or no such table: it
 * says nothing. */
int orphans_take(int fd, struct orphans **ret);

struct orphans *orphans_free(struct orphans *orphans);
DEFINE_CLEANUP(struct orphans *, orphans_free);

/* Numbers from this one on have never been used. */
unsigned orphans_end(const struct orphans *orphans);

/* What the table says of a number: TAKEN for what it can't be. ret: where it is KNOWN. */
enum orphan_state orphans_look(const struct orphans *orphans, int number, struct orphan *ret);

/* Notes which file an event is about. key: NULL, or what changes_key() would say of its fd. */
void orphans_identify(struct orphans *orphans, const struct gate_event *event,
                      const struct changes_key *key);

/* ---- For the gate's fast path: stores only ---- */

static inline void orphans_set(struct orphans *orphans, int number, enum orphan_state state) {
        if ((unsigned)number < ORPHANS_NUMBERS)
                atomic_store_explicit(&orphans->table->states[number], state, memory_order_release);
}

static inline void orphans_note(struct orphans *orphans, int number) {
        struct orphans_table *table = orphans->table;

        if ((unsigned)number >= ORPHANS_NUMBERS)
                return;
        if ((unsigned)number > atomic_load_explicit(&table->top, memory_order_relaxed))
                atomic_store_explicit(&table->top, (unsigned)number, memory_order_release);
        orphans_set(orphans, number, ORPHAN_TAKEN);
}

/* What was noted of a file whose event has no answer yet; NULL: nothing. */
static inline const struct changes_key *orphans_key(const struct orphans *orphans, int number) {
        return (unsigned)number < ORPHANS_NUMBERS &&
                               atomic_load_explicit(&orphans->table->states[number],
                                                    memory_order_relaxed) == ORPHAN_KNOWN
                       ? &orphans->table->files[number].key
                       : NULL;
}

/* Whether it has no answer yet, and its file was not noted. */
static inline bool orphans_waits(const struct orphans *orphans, int number) {
        return (unsigned)number < ORPHANS_NUMBERS &&
               atomic_load_explicit(&orphans->table->states[number], memory_order_relaxed) ==
                       ORPHAN_TAKEN;
}
