/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Small files of our own that are read whole and replaced whole: what is there under the name is the old
 * or the new content, whatever happens, and nobody else's link is followed. For who may wait for a disk.
 */

#include <sys/types.h>

/* Opens a folder; makes it, mode 0700, if only its last part is missing. A fd, or negative errno. */
int own_folder_open(const char *path);

/* Reads at most size bytes of a file below the folder. Their number; -ENOENT: there is no such file or
 * folder; or other negative errno. */
ssize_t own_file_load(const char *folder, const char *name, void *data, size_t size);

/* One that takes the place of another: opened, written to, published, done. */
struct new_file {
        int folder; /* the caller's */
        int fd;
        char name[64]; /* until it is published */
};

/* 0 or negative errno. What an interrupted attempt has left is gone. Mode 0600. */
int new_file_open(struct new_file *file, int folder, const char *name);

/* Makes it durable under name. 0 or negative errno. */
int new_file_publish(struct new_file *file, const char *name);

/* Takes back what was not published. For _cleanup_: one that was never opened has fd -EBADF. */
void new_file_done(struct new_file *file);

/* All of it: replaces name by these bytes. 0 or negative errno. */
int own_file_save(int folder, const char *name, const void *data, size_t size);
