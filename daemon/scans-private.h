/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Shared by scans.c (who waits, and what they are told), scan-verdict.c (what a worker's result is
 * worth) and scan-cure.c (having a notice put in the place of what is infected).
 */

#include <sys/queue.h>

#include "daemon/breaker.h"
#include "daemon/cures.h"
#include "daemon/scans.h"

#define BUCKETS 1024

struct waiter {
        TAILQ_ENTRY(waiter) link;     /* of all, by deadline, while unanswered */
        STAILQ_ENTRY(waiter) sibling; /* of the scan */
        struct scan *scan;
        int fd;
        pid_t pid;
        bool sweeps; /* has all the time in the world, and is told more */
        bool answered, allowed, logged;
        bool inherited; /* has waited for the process before */
        uint64_t arrived_usec, due_usec, answered_usec;
};

TAILQ_HEAD(waiter_list, waiter);

struct scan {
        LIST_ENTRY(scan) link, bucket; /* of all; where it can be joined */
        STAILQ_ENTRY(scan) done_link;
        struct scans *scans;
        struct pool_job job;
        struct stamper_withdrawal withdrawal;
        int fd;
        bool is_event;  /* fd counts as an event fd */
        bool aloud;     /* reading it raises events of ours */
        bool leased;    /* a read lease is on fd */
        bool withdraw;  /* the stamp on the file is to go before the answer */
        bool old_stamp; /* likewise, if something is found */
        bool judged;    /* whether it goes is settled */
        bool hashed;    /* in the table: may be joined */
        bool late;      /* a deadline passed */
        bool suspect;   /* older signatures found it infected */
        bool sweeps;    /* begun for a sweep; strict: that believes no hub */
        bool strict;
        struct stamp stamp;
        dev_t dev;
        ino_t ino;
        uint64_t size;
        const struct config_store *store;
        struct generation
                generation; /* of the engine it is made for; behind its scan: that judged it */
        STAILQ_HEAD(, waiter) waiters;

        enum verdict verdict;
        enum reason reason;
        enum log_tier tier;
        bool by_hub;
        bool allow;                 /* what its waiters are told */
        bool released;              /* infected, but allowed */
        enum hub_check hub_refused; /* GOOD: no stamp was */
        bool has_digest;
        uint8_t digest[DIGEST_SIZE]; /* by a stamp, its beginning */
        char signature[PROTO_SIGNATURE_MAX];
        struct context context;
        uint64_t queue_usec, read_usec, scan_usec, done_usec;

        /* Infected once, and to be replaced: whatever comes of it, nothing but what is clean is served. */
        bool was_infected;
        bool cure_over;    /* it is not tried again */
        unsigned n_cures;  /* that were begun */
        struct cure *cure; /* the last that ended; or NULL */
};

struct scans {
        const struct config *config;
        struct pool *pool;
        struct gate *gate;
        struct hot *hot;
        struct cures *cures; /* NULL: nothing is replaced */
        struct allow_list *allow_list;
        struct names *names;
        struct sweeps *sweeps;
        const struct keys *keys; /* NULL: none */
        struct breaker *breaker;
        struct stamper *stamper;
        struct verdicts *verdicts;
        struct stats *stats;
        struct journal *journal;
        scans_found_done_fn on_found_done;
        void *userdata;

        struct waiter_list waiting;
        unsigned n_waiting;
        STAILQ_HEAD(scan_list, scan) done; /* answered; logging, stamping and closing are due */
        struct scan_list put_off;          /* decided; in a crowd, to be answered with others */
        uint64_t put_off_until;
        LIST_HEAD(, scan) buckets[BUCKETS];
        LIST_HEAD(, scan) all;
        unsigned n_scans;
};

/* ---- scan-verdict.c ---- */

/* Whether the engine that runs is the one that the scan was made for. */
bool scan_same_generation(const struct scan *scan);

/* Fills in the verdict from a worker's result; false: it was known by what can't be relied on. */
bool scan_settled(struct scan *scan, const struct pool_result *result);

/* ---- scan-cure.c ---- */

/* What is infected, and to be replaced, is not answered yet: whether it is so. scan_decided() is called
 * again then. */
bool scan_cure(struct scan *scan);

/* ---- scans.c ---- */

/* The scan's verdict is known: answers everybody who waits for it, unless there is a cure. */
void scan_decided(struct scan *scan);

/* Gives its content to a worker. fresh: what else is known of it counts for nothing, the engine's word
 * does. */
void scan_start(struct scan *scan, bool fresh);

/* Whether somebody waits for it who is no sweep, and who; 0: not known. */
bool scan_is_awaited(const struct scan *scan, pid_t *ret_pid);

/* From now on nobody else may wait for it. */
void scan_unhash(struct scan *scan);

/* Whether the admin allows this content whatever the engine says. */
bool scan_is_released(const struct scan *scan);
