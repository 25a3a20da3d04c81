/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing between calls. Must not log. A copy is mail: nobody but us may read it. */

#include "daemon/poison-file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/io.h"
#include "daemon/new-file.h"

#define READ_SIZE (UINT64_C(256) << 10)

DEFINE_CLEANUP(struct digest_ctx *, digest_free);
DEFINE_CLEANUP(DIR *, closedir);

/* ---- Folder and list ---- */

int poison_folder_open(const char *directory) {
        _cleanup_close_ int parent = own_folder_open(directory);
        int fd;

        if (parent < 0)
                return parent;
        if (mkdirat(parent, POISON_FOLDER, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(parent, POISON_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int poison_load(const char *directory, const char *version, struct poison_list *ret) {
        char text[POISON_TEXT_MAX + 1];
        ssize_t n = own_file_load(directory, POISON_PATH, text, sizeof(text));

        if (n == -ENOENT)
                return 0;
        return n < 0 ? (int)n : poison_parse(text, (size_t)n, version, ret);
}

int poison_save(int folder, const char *text, size_t size) {
        return own_file_save(folder, POISON_NAME, text, size);
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
        _cleanup_(new_file_done) struct new_file copy = { .fd = -EBADF };
        uint8_t found[DIGEST_SIZE];
        int r, written = -EBADF;

        if (folder >= 0 && size <= POISON_COPY_SIZE && make_room(folder, size) >= 0)
                (void)new_file_open(&copy, folder, "content");
        r = read_content(fd, offset, size, copy.fd, &written, found);
        if (r >= 0 && memcmp(found, digest, DIGEST_SIZE) != 0)
                r = -ESTALE;
        poison_digest_format(digest, name + strlen(POISON_COPY));
        if (r >= 0 && written >= 0)
                written = new_file_publish(&copy, name);
        return r < 0 ? r : written >= 0;
}
