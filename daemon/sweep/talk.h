/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the gate and storescan-sweep say to each other: datagrams of one size on a socket pair, and a
 * board in shared memory on which the gate notes what it found of the items that are being opened.
 * Header only; neither side trusts what the other says.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "store/format.h"
#include "store/sweep-pace.h"
#include "store/sweep-state.h"

/* The process's fds. */
enum {
        SWEEP_SOCK_FD = 3,
        SWEEP_STORE_FD, /* the store's root, O_RDONLY|O_DIRECTORY */
        SWEEP_STATE_FD, /* the state's file, O_RDWR */
        SWEEP_BOARD_FD, /* memfd of a struct sweep_board */
        SWEEP_PROGRAM_FD,
};

#define SWEEP_OPENERS_MAX 16
#define SWEEP_NESTED_MAX  4096

/* ---- The board ---- */

enum sweep_outcome {
        SWEEP_OUTCOME_NONE, /* the gate was not asked */
        SWEEP_OUTCOME_AWAITED,
        SWEEP_OUTCOME_KNOWN, /* by a valid stamp; + verdict */
        SWEEP_OUTCOME_JUDGED = SWEEP_OUTCOME_KNOWN + _VERDICT_MAX,
        _SWEEP_OUTCOME_MAX = SWEEP_OUTCOME_JUDGED + _VERDICT_MAX
};

struct sweep_slot {
        /* Of the file that is being opened, set before outcome is AWAITED. */
        _Atomic(uint64_t) dev, ino;
        _Atomic(uint32_t) outcome;
        uint32_t reserved;
};

struct sweep_board {
        struct sweep_slot slots[SWEEP_OPENERS_MAX];
};

/* ---- Messages ---- */

enum sweep_message_kind {
        /* To the process. */
        SWEEP_BEGIN = 1,  /* once */
        SWEEP_GENERATION, /* other signatures run from here on */
        SWEEP_STOP,       /* by the admin; at the socket's end it ends, too, but goes on later */
        /* To the gate. */
        SWEEP_PROGRESS,
        _SWEEP_MESSAGE_KIND_MAX
};

enum sweep_activity {
        SWEEP_WORKS,
        SWEEP_AWAITS_WINDOW,
        SWEEP_AWAITS_LOAD,
        SWEEP_ENDED, /* the pass is through */
        SWEEP_BROKE, /* its state can't be kept: error */
        _SWEEP_ACTIVITY_MAX
};

struct sweep_message {
        uint32_t kind;
        union {
                struct {
                        struct generation generation;
                        uint8_t anew;     /* not where the last one stopped */
                        uint8_t all;      /* not only what has no valid stamp */
                        uint8_t strict;   /* a hub's word does not count */
                        uint32_t format;  /* enum store_format */
                        uint32_t openers; /* at once */
                        uint32_t rate, max_pressure, max_load;
                        struct day_window window;
                        uint64_t received_within_usec;
                        char name[256]; /* of the store's root */
                        /* Roots of stores that lie in it, relative, each with a NUL, then one more
                         * NUL. */
                        char nested[SWEEP_NESTED_MAX];
                } begin;
                struct {
                        uint32_t activity;
                        uint32_t error;
                        uint64_t started_msec; /* wall clock */
                        uint64_t total;        /* 0: not known yet */
                        uint64_t rate_milli;   /* items in a thousand seconds */
                        uint64_t eta;          /* seconds; UINT64_MAX: nobody knows */
                        uint64_t taken_msec;   /* active time of this process */
                        struct sweep_counters counters;
                } progress;
                struct generation generation;
        };
};

/* Whether it is one that the receiver may get; from_gate: the receiver is the process. */
static inline bool sweep_message_check(const struct sweep_message *m, size_t size, bool from_gate) {
        if (size != sizeof(*m) || m->kind == 0 || m->kind >= _SWEEP_MESSAGE_KIND_MAX ||
            (m->kind == SWEEP_PROGRESS) == from_gate)
                return false;
        if (m->kind == SWEEP_PROGRESS)
                return m->progress.activity < _SWEEP_ACTIVITY_MAX;
        return m->kind != SWEEP_BEGIN ||
               (m->begin.format < _STORE_FORMAT_MAX && m->begin.openers > 0 &&
                m->begin.openers <= SWEEP_OPENERS_MAX && day_window_valid(&m->begin.window) &&
                m->begin.name[sizeof(m->begin.name) - 1] == '\0' &&
                m->begin.nested[SWEEP_NESTED_MAX - 2] == '\0' &&
                m->begin.nested[SWEEP_NESTED_MAX - 1] == '\0');
}
