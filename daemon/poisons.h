/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What has cost two workers and is not scanned again by the engine that failed at it: the list that
 * workers are given, kept over restarts in [cache] directory. Nothing of it is ever taken for clean: the
 * store's on_error decides. Another engine or another version of storescan may cope, and tries.
 *
 * What a worker said of the content that it died of is believed once a thread has read the very same
 * from the file; it then makes a copy for whoever wants to know why.
 */

#include "daemon/config.h"
#include "daemon/journal.h"
#include "daemon/stats.h"
#include "store/poison.h"

struct poisons;

struct poison_case {
        int fd; /* of the file; stays the caller's */
        uint64_t offset, size;
        bool of_many; /* it is an item of a file */
        const uint8_t *digest;
        const struct generation *generation;
        enum reason reason;
        uint32_t serial; /* of the worker, if it is not known yet whether it was at fault; else 0 */
        const struct config_store *store; /* or NULL */
};

/* Reads the list; before events come. One that can't be read is logged, and begun anew. 0 or
 * -ENOMEM. */
int poisons_new(const char *directory, struct stats *stats, struct journal *journal,
                struct poisons **ret);

/* NULL, unless a disk keeps its thread: then it stays, and only the end of the process ends it. */
struct poisons *poisons_free(struct poisons *poisons);

/* Has a content looked at, and remembered. What is too much at once is let go. */
void poisons_learn(struct poisons *poisons, const struct poison_case *c);

/* Of cases with this number: whether the worker ended by itself. Those of which nothing is heard are
 * let go. */
void poisons_tell(struct poisons *poisons, uint32_t serial, bool guilty);

/* Forgets all of it, and has the copies deleted. */
void poisons_clear(struct poisons *poisons);

const struct poison_list *poisons_list(const struct poisons *poisons);

/* Another number whenever the list is another one; 0: it has always been empty. */
uint64_t poisons_version(const struct poisons *poisons);

/* Takes what was looked at into the list, forgets what is of another engine than this one (NULL: none
 * runs). Called once a loop; returns when it wants to be called next. */
uint64_t poisons_run(struct poisons *poisons, const struct generation *running, uint64_t now);
