/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The gate's handle on storescan-remedy, the one process that writes to stores: what is to be replaced is
 * handed to it, one job after another, and it is started anew when it died. What was replaced and what
 * failed is logged and counted here; when to try, and what a reader gets, is the owner's to say.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/config.h"
#include "daemon/journal.h"
#include "daemon/remedy-proto.h"
#include "daemon/ring.h"
#include "daemon/stats.h"

struct remedies;

/* One item to replace; embedded in its owner, and to be left alone from remedies_submit() to done(). */
struct remedy_job {
        int fd;                /* of the file; any access mode; stays the owner's */
        int planned_fd;        /* memfd of size bytes: the whole new item; stays the owner's */
        uint64_t offset, size; /* of the item in the file */
        bool opaque;           /* no text: its lines need not stay */
        uint8_t original[DIGEST_SIZE]; /* SHA-256 of the item's bytes in the file */
        uint8_t planned[DIGEST_SIZE];  /* and of those in the memfd, as they were scanned */
        bool has_content;
        uint8_t content[DIGEST_SIZE]; /* by which the content is known and can be allowed */
        const struct config_store *store;
        const char
                *path; /* any bytes; "": unknown. Without it nothing is completed after a crash */
        char signature[QUARANTINE_SIGNATURE_SIZE];
        struct context context;
        struct generation generation;
        pid_t pid; /* of the reader that waits; 0: nobody does */

        /* id is that of the item in quarantine, or ""; text what went wrong, or "". */
        void (*done)(struct remedy_job *job, enum remedy_outcome outcome, const char *id,
                     const char *text);

        /* Private. */
        struct remedy_job *next;
};

/* What only the process is to be able to do has no effect on the calling thread, and those that it starts,
 * any more. Without privileges there is nothing to give up. */
void remedies_reserve_privileges(void);

/* Finds the program, and starts it if it is wanted. 0 or negative errno, after a sentence in errors. */
int remedies_new(struct ring *ring, const struct config *config, struct stats *stats,
                 struct journal *journal, bool wanted, FILE *errors, struct remedies **ret);

/* From the next turn on there is a process, wanted before or not. */
void remedies_want(struct remedies *remedies);

/* Every job ends as FAILED. A job under way is completed by the process, which ends by itself. */
struct remedies *remedies_free(struct remedies *remedies);
DEFINE_CLEANUP(struct remedies *, remedies_free);

/* done() is called later, never from in here, and exactly once. */
void remedies_submit(struct remedies *remedies, struct remedy_job *job);

/* Whether it is the process: its accesses are allowed. remedies may be NULL. */
bool remedies_is_own(const struct remedies *remedies, pid_t pid);

/* To be called each turn; returns when it is due again. */
uint64_t remedies_run(struct remedies *remedies, uint64_t now);

/* Whether something in this range of a file was half replaced when it was interrupted, and is not completed.
 * remedies may be NULL. */
bool remedies_unfinished(const struct remedies *remedies, dev_t dev, ino_t ino, uint64_t offset,
                         uint64_t size);

/* Whether it takes jobs, or is not wanted: what a crash had interrupted is completed. */
bool remedies_ready(const struct remedies *remedies);
