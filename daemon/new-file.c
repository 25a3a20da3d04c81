/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing between calls. Must not log. */

#include "daemon/new-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/io.h"

int own_folder_open(const char *path) {
        int made = mkdir(path, 0700) < 0 ? -errno : 0;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT && made < 0)
                return made;
        return fd < 0 ? -errno : fd;
}

ssize_t own_file_load(const char *folder, const char *name, void *data, size_t size) {
        _cleanup_close_ int parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = -EBADF;

        if (parent >= 0)
                fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return read_full(fd, data, size);
}

int new_file_open(struct new_file *file, int folder, const char *name) {
        *file = (struct new_file){ .folder = folder, .fd = -EBADF };
        (void)snprintf(file->name, sizeof(file->name), "%s.new", name);
        /* Of a save that was interrupted. */
        if (unlinkat(folder, file->name, 0) < 0 && errno != ENOENT)
                return -errno;
        file->fd = openat(folder, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                          0600);
        return file->fd < 0 ? -errno : 0;
}

int new_file_publish(struct new_file *file, const char *name) {
        if (fsync(file->fd) < 0 || renameat(file->folder, file->name, file->folder, name) < 0)
                return -errno;
        file->fd = close_fd(file->fd);
        return fsync(file->folder) < 0 ? -errno : 0;
}

void new_file_done(struct new_file *file) {
        if (file->fd < 0)
                return;
        file->fd = close_fd(file->fd);
        (void)unlinkat(file->folder, file->name, 0);
}

int own_file_save(int folder, const char *name, const void *data, size_t size) {
        _cleanup_(new_file_done) struct new_file file = { .fd = -EBADF };
        int r = new_file_open(&file, folder, name);

        if (r >= 0)
                r = write_full(file.fd, data, size);
        return r < 0 ? r : new_file_publish(&file, name);
}
