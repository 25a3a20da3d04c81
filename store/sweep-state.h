/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is remembered of the sweeps of a store: how far the pass has come, what it counted, and since
 * when everything else is known to carry a stamp. Text in one of two slots of a file, written in
 * turns, so that one of them is whole whenever the writer dies:
 *
 *     storescan-sweep 1 SEQUENCE
 *     KEY VALUE             of each key of the table, in its order
 *     end CHECKSUM          FNV-1a, 64 bits, of all before this line
 *
 * Pure: nothing here touches a file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/stamp.h"
#include "store/verdict.h"

#define SWEEP_SLOT_SIZE  32768
#define SWEEP_SLOTS      2
#define SWEEP_PATH_MAX   4096 /* bytes of a position; a deeper item is not recorded */
#define SWEEP_EXCEPT_MAX 256

enum sweep_status {
        SWEEP_NEVER,    /* no pass yet */
        SWEEP_RUNNING,  /* under way; also when its processes were killed */
        SWEEP_STOPPED,  /* by the admin: goes on when told to */
        SWEEP_FINISHED, /* to the end */
        _SWEEP_STATUS_MAX
};

/* What a pass counts, one line each: identifier and meaning. */
/* clang-format off */
#define SWEEP_COUNTER_TABLE(X) \
        X(done,        "items that the pass is through with") \
        X(known,       "opened, and answered by their stamp") \
        X(judged,      "opened, and judged for it") \
        X(infected,    "infected, by their stamp or by the judgement") \
        X(unscannable, "that can't be judged, likewise") \
        X(undecided,   "whose scan failed") \
        X(denied,      "opens that were denied: infected, or by on_error, on_unscannable") \
        X(unasked,     "opened without a question to the gate: hot files, and empty ones") \
        X(current,     "not opened: unchanged since their stamp was seen") \
        X(left_out,    "not opened: received too long ago") \
        X(gone,        "that were renamed or removed before their turn") \
        X(failed,      "that could not be opened, or listed")
/* clang-format on */

struct sweep_counters {
#define X(name, meaning) uint64_t name;
        SWEEP_COUNTER_TABLE(X)
#undef X
};

/* Items that are not covered by a time: by the hash of their path. */
struct sweep_except {
        uint64_t hashes[SWEEP_EXCEPT_MAX]; /* ascending */
        size_t n;
        bool overflow; /* there were more: nothing is covered */
};

struct sweep_state {
        uint64_t sequence; /* of the slot */
        enum sweep_status status;
        uint64_t pass;         /* how many were begun */
        uint64_t started_msec; /* wall clock */
        uint64_t updated_msec;
        uint64_t finished_msec; /* 0: not yet */
        uint64_t total;         /* items of the store when they were counted; 0: not yet */
        struct sweep_counters counters;
        struct generation generation;      /* that runs since the pass began */
        bool mixed;                        /* another came meanwhile */
        bool partial;                      /* some items were left out for their age */
        bool strict;                       /* no stamp that a hub vouched for was taken */
        char position[SWEEP_PATH_MAX + 1]; /* path of the last item that is done; "": none */
        struct sweep_except except;        /* of this pass */

        /* Everything that last changed before settled_msec has a stamp of this generation, except
         * settled_except; 0: nothing is known. */
        uint64_t settled_msec;
        struct generation settled_generation;
        bool settled_strict; /* no stamp that a hub vouched for was taken */
        struct sweep_except settled_except;
};

/* Writes a slot's text with a NUL, of less than SWEEP_SLOT_SIZE bytes; returns its length. */
size_t sweep_state_format(const struct sweep_state *state, char ret_text[static SWEEP_SLOT_SIZE]);

/* Reads the text of a slot, up to its end line; what is behind it is not looked at. -EINVAL: it is not
 * whole; -EPROTONOSUPPORT: of another version. */
int sweep_state_parse(const char *text, size_t size, struct sweep_state *ret);

/* Reads a file of SWEEP_SLOTS slots (what is missing of it holds nothing): the newest that is whole.
 * -ENOENT: there is none. */
int sweep_state_choose(const char *data, size_t size, struct sweep_state *ret);

/* Where the next slot is to be written. */
size_t sweep_state_offset(const struct sweep_state *state);

/* ---- What a pass may leave out, and what it leaves to be known ---- */

void sweep_except_add(struct sweep_except *except, const char *path);
bool sweep_except_has(const struct sweep_except *except, const char *path);

/* How a pass looks at things. */
struct sweep_rules {
        struct generation generation; /* that runs */
        bool partial, strict;         /* as above */
};

/* Begins a pass: position and counters from nothing. */
void sweep_state_begin(struct sweep_state *state, const struct sweep_rules *rules,
                       uint64_t now_msec);

/* Goes on with one, maybe by other rules. */
void sweep_state_resume(struct sweep_state *state, const struct sweep_rules *rules,
                        uint64_t now_msec);

/* Ends it: what it saw is known from its beginning on, unless it was partial or mixed. */
void sweep_state_finish(struct sweep_state *state, uint64_t now_msec);

/* Whether an item need not be opened: by these rules its stamp was seen, and it has not changed since,
 * by its change time. */
bool sweep_state_covers(const struct sweep_state *state, const struct sweep_rules *rules,
                        const char *path, uint64_t ctime_msec, uint64_t now_msec);

/* Lower-case words, stable; "invalid" when out of range. */
const char *sweep_status_name(enum sweep_status status);
