/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A folder of our own for files of verdicts, and caches without a daemon to fill them. */

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "daemon/new-file.h"
#include "daemon/verdicts-file.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define MEMORY (UINT64_C(4) << 20)

/* A cache that takes more memory than it should ends here, not the machine. */
#define FILES_MAX (64 << 20)

static const struct generation gen_a = { "genera" }, gen_b = { "generb" };
static char root[64];
static int folder = -EBADF;

/* ---- The folder ---- */

/* The largest file, on disk or in memory, from here on. Check's own messages go through a file, so
 * that nothing can be asserted where this is small. */
static inline void limit_files(rlim_t size) {
        struct rlimit limit;

        if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || getrlimit(RLIMIT_FSIZE, &limit) < 0)
                abort();
        limit.rlim_cur = MIN(size, limit.rlim_max);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                abort();
}

static inline void make_folder(void) {
        limit_files(FILES_MAX);
        (void)snprintf(root, sizeof(root), "/tmp/test-verdicts-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(root));
        folder = own_folder_open(root);
        ck_assert_int_ge(folder, 0);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static inline void remove_folder(void) {
        folder = close_fd(folder);
        ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Not by O_TRUNC, after which ext4 waits for the disk. */
static inline void write_file(const char *name, const void *data, size_t size) {
        _cleanup_close_ int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
        ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
}

static inline bool exists(const char *name) {
        return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- A cache without a daemon ---- */

static inline const uint8_t *digest_of(unsigned n) {
        static uint8_t digest[DIGEST_SIZE];

        if (digest_buffer(&n, sizeof(n), digest) < 0)
                abort();
        return digest;
}

static inline struct cache open_cache(const uint8_t secret[static CACHE_KEY_SIZE]) {
        size_t size = cache_region_size(MEMORY);
        void *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct cache cache;

        ck_assert_ptr_ne(region, MAP_FAILED);
        cache_format(region, size);
        ck_assert_int_eq(cache_open(region, size, cache_key_new(secret), &cache), 0);
        return cache;
}

static inline void close_cache(struct cache *cache) {
        cache_key_free(cache->key);
        (void)munmap((uint8_t *)cache->slots - CACHE_HEADER_SIZE, cache_region_size(MEMORY));
}

/* Loads into a new cache and throws it away. */
static inline int try_load(const uint8_t secret[static CACHE_KEY_SIZE],
                           struct verdicts_loaded *ret) {
        struct cache cache = open_cache(secret);
        int r = verdicts_load(folder, &cache, ret);

        if (r == 0)
                ck_assert_uint_eq(cache.n_entries, ret->n - ret->damaged);
        else
                ck_assert_uint_eq(cache.n_entries, 0);
        close_cache(&cache);
        return r;
}
