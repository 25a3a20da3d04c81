/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by sweeps.c (when, and what is known) and sweeps-process.c (the processes). */

#include "daemon/sweep/talk.h"
#include "daemon/sweeps.h"

struct sweep_process;

struct sweep {
        struct sweeps *sweeps;
        const struct config_store *store;
        struct config_sweep options;
        bool strict;
        char *state_path;

        /* The process; NULL and 0: none. The pid is kept as long as it may have opens that wait. */
        struct sweep_process *process;
        pid_t pid;
        int pidfd;

        bool detached;    /* with its store */
        bool stopping;    /* by the admin */
        bool noting;      /* that is all its process is there for */
        bool noted;       /* its process, which ended, had written down all */
        bool anew;        /* its next start is one from the beginning */
        bool begins_anew; /* its process is to begin anew, and has not written down yet that it did */
        bool shut_out;    /* what it needs could not be opened */
        bool failed;      /* it gave up: until somebody starts it */
        bool killed;      /* by us: it goes on when it may */
        bool begun;       /* the process told of itself */
        uint64_t start_usec, backoff_usec; /* 0: it is not to start by itself */
        uint64_t note_usec; /* when a stop is to be written down; 0: there is none to */

        /* What is known of it. */
        enum sweep_status status;
        enum sweep_activity activity;
        uint32_t error;
        uint64_t paused_told_usec;
        uint64_t started_msec, total, rate_milli, eta;
        struct sweep_counters counters;
        struct generation generation; /* by which its last pass began, when it was read */
};

/* See sweeps-guests.c. */
#define SWEEP_GUESTS_MAX 16

struct sweep_guest {
        pid_t pid;
        dev_t dev;
        ino_t ino;
        enum {
                SWEEP_GUEST_INVITED,
                SWEEP_GUEST_WAITS, /* its open does */
                SWEEP_GUEST_TOLD,
        } state;
        struct sweep_told told;
};

struct sweeps {
        struct ring *ring;
        const struct config *config;
        const struct pool *pool;
        struct journal *journal;
        int program_fd;
        uid_t uid;
        gid_t gid;
        bool own_user; /* nobody else can be become */
        unsigned openers;
        bool guarding, ending, held, daily;
        uint64_t look_usec;
        unsigned n_processes;
        struct sweep *all;
        size_t n;
        struct sweep_guest guests[SWEEP_GUESTS_MAX];
        unsigned n_guests;
};

/* ---- sweeps-process.c ---- */

int sweep_process_start(struct sweep *sweep, bool anew);

/* Says something to it, if it runs. */
void sweep_process_say(struct sweep *sweep, enum sweep_message_kind kind,
                       const struct generation *generation);

/* Has it save what it knows and end; or end at once. */
void sweep_process_end(struct sweep *sweep);
void sweep_process_kill(struct sweep *sweep);

/* Takes leave of it for good: it is killed, or writes down that it was stopped. */
void sweep_process_abandon(struct sweep *sweep);

/* status: of waitpid(2). */
void sweep_process_reaped(struct sweep *sweep, int status);

/* Writes an outcome on its board, if the file is being opened. */
void sweep_process_note(struct sweep *sweep, dev_t dev, ino_t ino, uint32_t outcome);

/* ---- sweeps-guests.c ---- */

/* Whether this open is one that was announced; the next one is not. */
bool sweep_guest_opens(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino);

/* Notes it for who waits in such an open; false: it is none of theirs. */
bool sweep_guest_told(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino,
                      const struct sweep_told *told);

/* ---- sweeps.c ---- */

void sweep_process_told(struct sweep *sweep, const struct sweep_message *m);

/* It is gone, and all that it said was heard. */
void sweep_process_ended(struct sweep *sweep);
