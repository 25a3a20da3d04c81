/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The verdict cache on disk: two files in a folder of our own. They are written as a whole, beside
 * the old one, synced, and renamed into its place, so that a power loss leaves one of the two.
 *
 *     verdicts      CACHE_FILE_HEADER_SIZE bytes of header, then the entries in use (store/cache.h)
 *     verdicts.key  the key of their MACs, CACHE_KEY_SIZE random bytes, mode 0600
 *
 * Everything here waits for the disk: not for the gate thread.
 */

#include <stdint.h>

#include "store/cache.h"

#define VERDICTS_NAME     "verdicts"
#define VERDICTS_KEY_NAME "verdicts.key"

enum verdicts_key {
        VERDICTS_KEY_READ,
        VERDICTS_KEY_MADE,     /* there was none */
        VERDICTS_KEY_REPLACED, /* there was one that another user owns or could read, or that is no
                                * key: what was written under it is lost */
};

/* Reads the key, or makes one. Returns an enum verdicts_key or -errno. */
int verdicts_key_read(int folder, uint8_t ret_secret[static CACHE_KEY_SIZE]);

struct verdicts_loaded {
        uint64_t n;       /* entries in the file */
        uint64_t damaged; /* of these, not believed and left out */
};

/* Reads the file into an empty cache. 0; -ENOENT: there is no file; what cache_file_check() says of
 * it; -EMEDIUMTYPE: not a regular file; another -errno of the disk, whereupon what was read until
 * then is in the cache. The file stays: the next save replaces it. */
int verdicts_load(int folder, struct cache *cache, struct verdicts_loaded *ret);

/* Writes the file; another thread may write to the cache meanwhile. 0 with the number of entries,
 * or -errno: then the file is the old one. */
int verdicts_save(int folder, const struct cache *cache, uint64_t *ret_n);
