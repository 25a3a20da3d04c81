/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A range of a store's file, open for writing: what stands there, and overwriting it so that nothing else
 * of the file changes.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "store/digest.h"
#include "store/format.h"
#include "store/quarantine.h"
#include "store/util.h"

struct target {
        int fd;
        struct stat st; /* as it was found */
};

/* Opens the file of an fd for writing; by its path where the fd's mount is read-only, and the path is the
 * same file. -EBADF: no regular file; -EAGAIN: it is hot, or runs; -EROFS; other negative errno. */
int target_open(int fd, const char *path, struct target *ret);

/* Opens a file by its path; a Maildir's also where it went from there. -ENOENT: it is gone; -ENOTDIR: so
 * is its folder, as when the store is not mounted. */
int target_find(enum store_format format, const char *path, struct target *ret);
void target_close(struct target *target);
DEFINE_CLEANUP(struct target *, target_close);

/* Reads the range. -ENODATA: the file is deleted, or ends before. The bytes are the caller's. */
int target_read(const struct target *target, uint64_t offset, size_t size, uint8_t **ret);

/* Whether somebody changed the file since it was opened. */
bool target_touched(const struct target *target);

/* Overwrites what differs; at_once: in one call. Then to the disk, and times as they were found. */
int target_write(const struct target *target, uint64_t offset, const uint8_t *old,
                 const uint8_t *data, size_t size, bool at_once);
