/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the folder's descriptor, which carries the lock. */

#include "daemon/ctl/allow-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NEW_NAME ALLOW_FILE_NAME ".new"

int allow_file_open(const char *folder, bool change, struct allow_file *ret, unsigned *ret_line) {
        struct allow_file file = { .folder = -EBADF };
        _cleanup_(allow_file_closep) struct allow_file *f = &file;
        int r;

        *ret_line = 0;
        if (change && mkdir(folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        f->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f->folder < 0) {
                if (errno != ENOENT || change)
                        return -errno;
                *ret = file;
                return 0;
        }
        if (change && flock(f->folder, LOCK_EX) < 0)
                return -errno;
        r = allow_read(f->folder, &f->allowed, ret_line);
        if (r < 0)
                return r;
        *ret = file;
        file = (struct allow_file){ .folder = -EBADF };
        return 0;
}

void allow_file_close(struct allow_file *file) {
        allowed_done(&file->allowed);
        file->folder = close_fd(file->folder);
}

static int write_list(int fd, const struct allowed *allowed) {
        char line[ALLOWED_LINE_MAX + 1];
        FILE *f = fdopen(fd, "w");

        if (!f) {
                int r = -errno;

                close_fd(fd);
                return r;
        }
        for (size_t i = 0; i < allowed->n; i++)
                (void)fwrite(line, 1, allowed_format(&allowed->entries[i], line), f);
        if (fflush(f) != 0 || ferror(f) || fsync(fileno(f)) < 0) {
                int r = errno > 0 ? -errno : -EIO;

                (void)fclose(f);
                return r;
        }
        return fclose(f) != 0 ? -errno : 0;
}

int allow_file_save(struct allow_file *file) {
        struct stat st;
        int fd, r;

        if (unlinkat(file->folder, NEW_NAME, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(file->folder, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return -errno;
        /* storescand has to read what root writes. */
        if (fstat(file->folder, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0) {
                r = -errno;
                close_fd(fd);
        } else
                r = write_list(fd, &file->allowed);
        if (r >= 0 && renameat(file->folder, NEW_NAME, file->folder, ALLOW_FILE_NAME) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(file->folder, NEW_NAME, 0);
                return r;
        }
        return fsync(file->folder) < 0 ? -errno : 0;
}
