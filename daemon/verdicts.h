/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's verdict cache (store/cache.h): its memory, which workers may map read-only, and a
 * thread that loads it at start and saves it while it changes. The gate thread looks up and stores
 * in memory only; it waits for neither disk nor thread. Until the file is loaded, a quarter of a
 * second for 64 MiB, nothing is found and nothing kept but what must not be believed afterwards.
 *
 * A disk that is full or missing costs what would have been remembered over a restart, no more: it
 * is logged once, and the cache goes on in memory.
 */

#include "daemon/journal.h"
#include "daemon/stats.h"
#include "store/cache.h"

struct verdicts;

struct verdicts_settings {
        uint64_t size; /* bytes of memory, at most CACHE_SIZE_MAX and a quarter of the machine's;
                        * 0: no cache */
        const char *directory;
        uint64_t save_usec; /* 0: the default. A save comes this long after the last one at the
                             * earliest, and then if a good part changed; else after twelve times. */
};

/* Takes the memory, all of it, and starts the thread. NULL: there shall be none, or there can't be
 * (logged). Everything below takes NULL, for a cache that knows nothing. */
struct verdicts *verdicts_new(const struct verdicts_settings *settings, struct stats *stats,
                              struct journal *journal);

/* Saves what changed and ends the thread, for a limited time. NULL; or verdicts, when the thread
 * hangs in a file system: the process must then leave by _exit(2). */
struct verdicts *verdicts_free(struct verdicts *verdicts);

/* Waits until the file is loaded. (For tests.) */
void verdicts_wait_loaded(struct verdicts *verdicts);

/* ---- For the gate thread ---- */

/* The memory, to be handed to workers: it can be mapped PROT_READ, MAP_SHARED, from offset 0, and in
 * no other way; size as fstat(2) says; for cache_view(). -EBADF: there is none. Stays ours. */
int verdicts_fd(const struct verdicts *verdicts);

/* As cache_lookup(), counted: for what a worker takes for known, before it is believed. */
enum cache_answer verdicts_lookup(struct verdicts *verdicts,
                                  const uint8_t digest[static DIGEST_SIZE],
                                  const struct generation *running, struct cache_verdict *ret);

/* Notes what a scan under the running generation said of a content: any verdict, since one that is
 * not kept makes what was known of the content forgotten. */
void verdicts_store(struct verdicts *verdicts, const uint8_t digest[static DIGEST_SIZE],
                    const struct generation *running, enum verdict verdict, enum reason reason);

/* How many verdicts it holds. */
uint64_t verdicts_count(struct verdicts *verdicts);
