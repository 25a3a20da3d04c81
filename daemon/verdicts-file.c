/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns nothing between calls. Must not log, nor know of threads. File content is not trusted: it
 * may be anybody's by accident, or half of what it was.
 */

#include "daemon/verdicts-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "daemon/io.h"
#include "daemon/new-file.h"
#include "store/util.h"

#define ENTRIES_AT_ONCE 1024

/* All of it: 0 or negative errno. */
static int read_whole(int fd, void *data, size_t size) {
        ssize_t n = read_full(fd, data, size);

        if (n < 0)
                return (int)n;
        return (size_t)n == size ? 0 : -EMSGSIZE;
}

/* Opens one of our files for reading. */
static int open_old(int folder, const char *name, struct stat *ret_st) {
        _cleanup_close_ int fd =
                openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return errno == ELOOP ? -EMEDIUMTYPE : -errno;
        if (fstat(fd, ret_st) < 0)
                return -errno;
        return S_ISREG(ret_st->st_mode) ? TAKE_FD(fd) : -EMEDIUMTYPE;
}

/* ---- The key ---- */

static int make_key(int folder, uint8_t ret_secret[static CACHE_KEY_SIZE]) {
        _cleanup_(new_file_done) struct new_file f = { .fd = -EBADF };
        uint8_t secret[CACHE_KEY_SIZE];
        int r;

        if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
                return -EIO;
        r = new_file_open(&f, folder, VERDICTS_KEY_NAME);
        if (r >= 0)
                r = write_at(f.fd, secret, sizeof(secret), 0);
        if (r >= 0)
                r = new_file_publish(&f, VERDICTS_KEY_NAME);
        if (r >= 0)
                memcpy(ret_secret, secret, sizeof(secret));
        explicit_bzero(secret, sizeof(secret));
        return r;
}

int verdicts_key_read(int folder, uint8_t ret_secret[static CACHE_KEY_SIZE]) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st = {};
        bool replaced;
        int r;

        fd = open_old(folder, VERDICTS_KEY_NAME, &st);
        if (fd < 0 && fd != -ENOENT && fd != -EMEDIUMTYPE && fd != -EACCES)
                return fd;
        if (fd >= 0 && st.st_size == CACHE_KEY_SIZE && st.st_uid == geteuid() &&
            (st.st_mode & 0077) == 0) {
                r = read_whole(fd, ret_secret, CACHE_KEY_SIZE);
                return r < 0 ? r : VERDICTS_KEY_READ;
        }
        replaced = fd != -ENOENT;
        r = make_key(folder, ret_secret);
        return r < 0 ? r : replaced ? VERDICTS_KEY_REPLACED : VERDICTS_KEY_MADE;
}

/* ---- Verdicts ---- */

int verdicts_load(int folder, struct cache *cache, struct verdicts_loaded *ret) {
        _cleanup_free_ struct cache_entry *entries = NULL;
        uint8_t header[CACHE_FILE_HEADER_SIZE];
        struct verdicts_loaded loaded = {};
        _cleanup_close_ int fd = -EBADF;
        struct stat st = {};
        int r;

        fd = open_old(folder, VERDICTS_NAME, &st);
        if (fd < 0)
                return fd;
        if (st.st_size < (off_t)sizeof(header))
                return -EINVAL;
        r = read_whole(fd, header, sizeof(header));
        if (r >= 0)
                r = cache_file_check(cache->key, header, (uint64_t)st.st_size, &loaded.n);
        if (r < 0)
                return r;

        entries = calloc(ENTRIES_AT_ONCE, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        for (uint64_t left = loaded.n; left > 0;) {
                size_t n = (size_t)MIN(left, (uint64_t)ENTRIES_AT_ONCE);

                r = read_whole(fd, entries, n * sizeof(*entries));
                if (r < 0)
                        return r;
                for (size_t i = 0; i < n; i++)
                        loaded.damaged += !cache_import(cache, &entries[i]);
                left -= n;
        }
        *ret = loaded;
        return 0;
}

static int write_entries(int fd, const struct cache *cache, uint64_t *ret_n) {
        _cleanup_free_ struct cache_entry *entries = calloc(ENTRIES_AT_ONCE, sizeof(*entries));
        size_t capacity = cache_capacity(cache), n = 0;
        off_t offset = CACHE_FILE_HEADER_SIZE;
        int r;

        if (!entries)
                return -ENOMEM;
        for (size_t i = 0; i < capacity; i++) {
                n += cache_export(cache, i, &entries[n]);
                if (n < ENTRIES_AT_ONCE && i + 1 < capacity)
                        continue;
                r = write_at(fd, entries, n * sizeof(*entries), offset);
                if (r < 0)
                        return r;
                offset += (off_t)(n * sizeof(*entries));
                n = 0;
        }
        *ret_n = (uint64_t)(offset - CACHE_FILE_HEADER_SIZE) / sizeof(*entries);
        return 0;
}

int verdicts_save(int folder, const struct cache *cache, uint64_t *ret_n) {
        _cleanup_(new_file_done) struct new_file f = { .fd = -EBADF };
        uint8_t header[CACHE_FILE_HEADER_SIZE];
        uint64_t n = 0;
        int r;

        r = new_file_open(&f, folder, VERDICTS_NAME);
        if (r >= 0)
                r = write_entries(f.fd, cache, &n);
        if (r >= 0)
                r = cache_file_header(cache->key, n, header);
        if (r >= 0)
                r = write_at(f.fd, header, sizeof(header), 0);
        if (r >= 0)
                r = new_file_publish(&f, VERDICTS_NAME);
        if (r >= 0)
                *ret_n = n;
        return r;
}
