/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing between calls. Must not log. A copy is mail: nobody but us may read it. */

#include "daemon/poison-file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/io.h"

#define NEW_NAME  "new"
#define READ_SIZE (UINT64_C(256) << 10)

DEFINE_CLEANUP(struct digest_ctx *, digest_free);
DEFINE_CLEANUP(DIR *, closedir);

/* ---- Folder and list ---- */

int poison_folder_open(const char *directory) {
        _cleanup_close_ int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd;

        if (parent < 0 && errno == ENOENT && mkdir(directory, 0700) == 0)
                parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
                return -errno;
        if (mkdirat(parent, POISON_FOLDER, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(parent, POISON_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int poison_load(const char *directory, const char *version, struct poison_list *ret) {
        _cleanup_close_ int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = -EBADF;
        char text[POISON_TEXT_MAX + 1];
        ssize_t n;

        if (parent >= 0)
                fd = openat(parent, POISON_PATH, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        n = read_full(fd, text, sizeof(text));
        return n < 0 ? (int)n : poison_parse(text, (size_t)n, version, ret);
}

/* A new file, that of an interrupted attempt is gone. */
static int create(int folder) {
        int fd;

        (void)unlinkat(folder, NEW_NAME, 0);
        fd = openat(folder, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

static int publish(int folder, int fd, const char *name) {
        if (fsync(fd) < 0 || renameat(folder, NEW_NAME, folder, name) < 0 || fsync(folder) < 0)
                return -errno;
        return 0;
}

int poison_save(int folder, const char *text, size_t size) {
        _cleanup_close_ int fd = create(folder);
        int r;

        if (fd < 0)
                return fd;
        r = write_full(fd, text, size);
        if (r >= 0)
                r = publish(folder, fd, POISON_NAME);
        if (r < 0)
                (void)unlinkat(folder, NEW_NAME, 0);
        return r;
}

/* ---- Copies ---- */

struct copies {
        unsigned n;
        uint64_t size;
        char oldest[NAME_MAX + 1];
        struct timespec oldest_time;
};

static bool is_older(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* What there is; or, with this, deletes all of it. */
static int look_at_copies(int folder, bool delete, struct copies *ret) {
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        struct copies copies = {};
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                int error = errno;

                close_fd(fd);
                return -error;
        }
        while ((errno = 0, entry = readdir(dir))) {
                struct stat st;

                if (strncmp(entry->d_name, POISON_COPY, strlen(POISON_COPY)) != 0)
                        continue;
                if (delete) {
                        if (unlinkat(folder, entry->d_name, 0) < 0)
                                return -errno;
                        continue;
                }
                if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (copies.n++ == 0 || is_older(&st.st_mtim, &copies.oldest_time)) {
                        copies.oldest_time = st.st_mtim;
                        (void)snprintf(copies.oldest, sizeof(copies.oldest), "%s", entry->d_name);
                }
                copies.size += (uint64_t)st.st_size;
        }
        if (errno != 0)
                return -errno;
        *ret = copies;
        return 0;
}

int poison_delete_copies(int folder) {
        struct copies copies;

        return look_at_copies(folder, true, &copies);
}

/* Makes room for one more of this size. */
static int make_room(int folder, uint64_t size) {
        struct copies copies = {};
        int r;

        while ((r = look_at_copies(folder, false, &copies)) >= 0 && copies.n > 0 &&
               (copies.n >= POISON_COPIES_MAX || copies.size + size > POISON_COPIES_SIZE))
                if (unlinkat(folder, copies.oldest, 0) < 0)
                        return -errno;
        return r;
}

/* Digests the content; out: where it is written to, or negative. What is wrong there is told apart: a
 * content is known without a copy, too. */
static int read_content(int fd, uint64_t offset, uint64_t size, int out, int *ret_written,
                        uint8_t ret_digest[static DIGEST_SIZE]) {
        _cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();
        _cleanup_free_ uint8_t *buffer = malloc(READ_SIZE);
        int r, written = MIN(out, 0);

        if (!ctx || !buffer)
                return -ENOMEM;
        for (uint64_t done = 0; done < size;) {
                size_t n = (size_t)MIN(size - done, READ_SIZE);

                r = read_at(fd, buffer, n, offset + done);
                if (r >= 0)
                        r = digest_update(ctx, buffer, n);
                if (r < 0)
                        return r;
                if (written >= 0)
                        written = write_full(out, buffer, n);
                done += n;
        }
        *ret_written = written;
        return digest_final(ctx, ret_digest);
}

int poison_copy(int folder, int fd, uint64_t offset, uint64_t size,
                const uint8_t digest[static DIGEST_SIZE]) {
        char name[sizeof(POISON_COPY) + POISON_DIGEST_TEXT] = POISON_COPY;
        _cleanup_close_ int out = -EBADF;
        uint8_t found[DIGEST_SIZE];
        int r, written = -EBADF;

        if (folder >= 0 && size <= POISON_COPY_SIZE && make_room(folder, size) >= 0)
                out = create(folder);
        r = read_content(fd, offset, size, out, &written, found);
        if (r >= 0 && memcmp(found, digest, DIGEST_SIZE) != 0)
                r = -ESTALE;
        poison_digest_format(digest, name + strlen(POISON_COPY));
        if (r >= 0 && written >= 0)
                written = publish(folder, out, name);
        if (out >= 0 && (r < 0 || written < 0))
                (void)unlinkat(folder, NEW_NAME, 0);
        return r < 0 ? r : written >= 0;
}
