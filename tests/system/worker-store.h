/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Store files for tests of the worker, and walks over them whose outcome is compared item by item.
 */

#include "store/cache.h"
#include "store/canon.h"
#include "tests/system/worker-world.h"

#define FROM_LINE "From sender@example.org Mon Nov 23 10:00:00 2026\n"

/* Adds a message to an mbox; returns the number of bytes of its item. */
size_t mbox_add(struct blob *file, const void *message, size_t size);

#define DBOX_HEADER   "2 M1e C6b04b343\n"
#define DBOX_METADATA "\n\001\003\nG0123456789abcdef\nR6b04b343\nBINBOX\n\n"

/* The same for dbox. The first one begins with dbox_begin(). */
void dbox_begin(struct blob *file);
size_t dbox_add(struct blob *file, const void *message, size_t size, const char *metadata);

/* Packs data as gzip and zstd do. */
void pack_gzip(struct blob *out, const void *data, size_t size);
void pack_zstd(struct blob *out, const void *data, size_t size);

/* A verdict cache in memory, with which workers are then started. */
struct cached {
        struct cache_key *key;
        struct cache cache;
        void *base;
        size_t size;
};
void cached_start(struct world *w, struct cached *cached, uint64_t size);
void cached_stop(struct cached *cached);
/* Puts the canonical digest there, as CLEAN. */
void cached_add(const struct world *w, struct cached *cached, const void *message, size_t size);

/* All of it, or as job says, which has form and range. */
struct gate_walk walk_file(struct world *w, const struct blob *file, enum job_form form);
struct gate_walk walk_range(struct world *w, const struct blob *file, struct gate_job job);

/* Of item i: where it is, and what was found. signature: a part of it. */
void assert_item(const struct gate_walk *walk, size_t i, uint64_t offset, uint64_t size,
                 enum verdict verdict, enum reason reason, const char *signature);
/* How it was known, and whether its digest is the canonical one of this message. */
void assert_how(const struct gate_walk *walk, size_t i, enum item_how how);
bool has_canonical(const struct gate_walk *walk, size_t i, const void *message, size_t size);
/* n items, the last of which ends the file, and nothing went wrong. */
void assert_through(const struct gate_walk *walk, size_t n);
