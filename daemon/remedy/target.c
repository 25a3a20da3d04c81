/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the descriptor. Must not change sizes, nor more bytes than those that differ. */

#include "daemon/remedy/target.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "daemon/io.h"
#include "daemon/proc-fd.h"
#include "daemon/remedy/crash.h"

/* Bytes that do not differ are written as well rather than that many calls are made. */
#define GAP 256

#define OPEN_FLAGS (O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int take(int fd, struct target *ret) {
        struct target target = { .fd = fd };

        if (fstat(fd, &target.st) < 0 || !S_ISREG(target.st.st_mode)) {
                close_fd(fd);
                return -EBADF;
        }
        *ret = target;
        return 0;
}

int target_open(int fd, const char *path, struct target *ret) {
        char link[PROC_FD_MAX];
        struct stat st, by_path;
        int opened;

        /* Opening anything else may do something. */
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return -EBADF;
        opened = open(proc_fd_link(fd, link), OPEN_FLAGS);
        if (opened < 0 && errno == EROFS && path[0] == '/' && lstat(path, &by_path) >= 0 &&
            by_path.st_dev == st.st_dev && by_path.st_ino == st.st_ino) {
                opened = open(path, OPEN_FLAGS | O_NOFOLLOW);
                if (opened < 0)
                        return -errno;
                if (fstat(opened, &by_path) < 0 || by_path.st_dev != st.st_dev ||
                    by_path.st_ino != st.st_ino) {
                        close_fd(opened);
                        return -EROFS;
                }
        }
        if (opened < 0)
                return errno == ETXTBSY ? -EAGAIN : -errno;
        return take(opened, ret);
}

/* ---- Finding it again ---- */

/* Length of a Maildir's name without the flags. */
static size_t base_length(const char *name) {
        const char *colon = strrchr(name, ':');

        return colon ? (size_t)(colon - name) : strlen(name);
}

/* Searches one folder of a Maildir for a file of this base name; its path, or -ENOENT. */
static int search(const char *folder, const char *name, char ret[static PATH_MAX]) {
        DIR *dir = opendir(folder);
        size_t n = base_length(name);
        struct dirent *entry;
        int r = -ENOENT;

        if (!dir)
                return -ENOENT;
        for (entry = readdir(dir); entry && r == -ENOENT; entry = readdir(dir))
                if (base_length(entry->d_name) == n && memcmp(entry->d_name, name, n) == 0) {
                        int k = snprintf(ret, PATH_MAX, "%s/%s", folder, entry->d_name);

                        r = k > 0 && k < PATH_MAX ? 0 : -ENAMETOOLONG;
                }
        (void)closedir(dir);
        return r;
}

static int search_maildir(const char *path, char ret[static PATH_MAX]) {
        static const char *const folders[] = { "cur", "new" };
        char copy[PATH_MAX], folder[PATH_MAX], *name, *sub;
        int r = -ENOENT;

        (void)snprintf(copy, sizeof(copy), "%s", path);
        name = strrchr(copy, '/');
        if (!name || name == copy)
                return -ENOENT;
        *name++ = '\0';
        sub = strrchr(copy, '/');
        if (!sub || (!streq(sub + 1, "cur") && !streq(sub + 1, "new")))
                return -ENOENT;
        *sub = '\0';
        for (size_t i = 0; i < ELEMENTSOF(folders) && r == -ENOENT; i++) {
                int n = snprintf(folder, sizeof(folder), "%s/%s", copy, folders[i]);

                if (n > 0 && n < (int)sizeof(folder))
                        r = search(folder, name, ret);
        }
        return r;
}

static bool has_folder(const char *path) {
        char copy[PATH_MAX], *slash;

        (void)snprintf(copy, sizeof(copy), "%s", path);
        slash = strrchr(copy, '/');
        if (!slash)
                return false;
        *slash = '\0';
        return access(copy[0] ? copy : "/", F_OK) >= 0;
}

int target_find(enum store_format format, const char *path, struct target *ret) {
        char elsewhere[PATH_MAX];
        int fd, r;

        if (path[0] != '/')
                return -ENOENT;
        fd = open(path, OPEN_FLAGS | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT) {
                if (!has_folder(path))
                        return -ENOTDIR;
                if (format != STORE_FORMAT_MAILDIR)
                        return -ENOENT;
                r = search_maildir(path, elsewhere);
                if (r < 0)
                        return r;
                fd = open(elsewhere, OPEN_FLAGS | O_NOFOLLOW);
        }
        if (fd < 0)
                return errno == ETXTBSY ? -EAGAIN : errno == ELOOP ? -EBADF : -errno;
        return take(fd, ret);
}

void target_close(struct target *target) {
        target->fd = close_fd(target->fd);
}

/* ---- Bytes ---- */

int target_read(const struct target *target, uint64_t offset, size_t size, uint8_t **ret) {
        _cleanup_free_ uint8_t *data = NULL;
        struct stat st;
        int r;

        if (fstat(target->fd, &st) < 0)
                return -errno;
        if (st.st_nlink == 0 || offset > (uint64_t)st.st_size ||
            size > (uint64_t)st.st_size - offset)
                return -ENODATA;
        data = malloc(MAX(size, (size_t)1));
        if (!data)
                return -ENOMEM;
        r = read_at(target->fd, data, size, offset);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(data);
        return 0;
}

bool target_touched(const struct target *target) {
        struct stat st;

        return fstat(target->fd, &st) < 0 || st.st_nlink == 0 || st.st_size != target->st.st_size ||
               !same_time(&st.st_mtim, &target->st.st_mtim);
}

/* The next run of bytes that differ, from *at on, with small gaps in it. Its end; 0: there is none. */
static size_t next_run(const uint8_t *a, const uint8_t *b, size_t size, size_t *at) {
        size_t i = *at, end;

        while (i < size && a[i] == b[i])
                i++;
        if (i == size)
                return 0;
        *at = i;
        for (end = ++i; i < size && i - end < GAP; i++)
                if (a[i] != b[i])
                        end = i + 1;
        return end;
}

int target_write(const struct target *target, uint64_t offset, const uint8_t *old,
                 const uint8_t *data, size_t size, bool at_once) {
        const struct timespec times[] = { target->st.st_atim, target->st.st_mtim };
        size_t at = 0, end;
        int r = 0;

        if (at_once) {
                while (size > 0 && old[size - 1] == data[size - 1])
                        size--;
                while (at < size && old[at] == data[at])
                        at++;
                r = write_at(target->fd, data + at, size - at, offset + at);
        } else
                while (r >= 0 && (end = next_run(old, data, size, &at)) > 0) {
                        r = write_at(target->fd, data + at, end - at, offset + at);
                        crash_point(CRASH_WRITING);
                        at = end;
                }
        crash_point(CRASH_WRITTEN);
        if (r >= 0 && fdatasync(target->fd) < 0)
                r = -errno;
        /* Clients tell new mail in an mbox by them; no reason to call it a failure. */
        (void)futimens(target->fd, times);
        crash_point(CRASH_SYNCED);
        return r;
}
