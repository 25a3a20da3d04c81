/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What this host has scanned with until now (store/generations.h), kept in [cache] directory, and by it
 * the questions of the judge about what is older than the running engine (store/rescan.h).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "daemon/config.h"
#include "daemon/journal.h"
#include "store/stamp.h"

#define HISTORY_NAME "generations"

struct history;

/* Reads the file; before events come. A file that can't be read is logged, and then nothing older is
 * accepted, nor is any mail too old to be scanned. 0 or -ENOMEM. */
int history_new(const struct config *config, struct journal *journal, struct history **ret);

/* NULL, unless a disk keeps its thread: then it stays, and only the end of the process ends it. */
struct history *history_free(struct history *history);

/* Notes the running generation, if it is a new one; the file is written by a thread. NULL: none runs.
 * Called once a loop; returns when it wants to be called next. */
uint64_t history_run(struct history *history, const struct generation *running, uint64_t now);

/* Whether it is worth asking history_accepts() of a stamp, for which its store must be found. */
bool history_may_accept(const struct history *history, const struct stamp *stamp);

/* Whether the stamp of an older generation still counts in this store. */
bool history_accepts(const struct history *history, const struct config_store *store,
                     const struct stamp *stamp);

/* Whether mail of this store that looks so is too old to be scanned on access. clean: by its stamp, which
 * is still true of the content. */
bool history_leaves(const struct history *history, const struct config_store *store,
                    const struct stat *st, bool clean);
