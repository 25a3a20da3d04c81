/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A fanotify group of its own (M) that tells which files are written to, and by whom. The kernel
 * queues an event before write(2) returns, so who drains the group before he answers knows of all
 * that was written up to then; but not of stores through a shared writable mapping, nor of libaio
 * (fanotify(7)).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/util.h"

struct changes;

/* What a file is called in events: file system and handle (name_to_handle_at(2)). */
#define CHANGES_HANDLE_MAX 40
struct changes_key {
        uint64_t fsid;
        int32_t type;
        uint32_t size;
        uint8_t handle[CHANGES_HANDLE_MAX];
};

/* kept: the group of the process before, or -EBADF; it is taken over if it is as it would be made now. */
int changes_new(int kept, struct changes **ret);
bool changes_is_kept(const struct changes *changes);
struct changes *changes_free(struct changes *changes);
DEFINE_CLEANUP(struct changes *, changes_free);

/* Has events of a whole file system told, or of all files of a folder. From any thread. 0 or negative
 * errno: some file systems (btrfs subvolumes before 6.8) can't. */
int changes_mark_filesystem(const struct changes *changes, int fd);
int changes_mark_folder(const struct changes *changes, int fd);

/* The key of an open file: zeroed where it has none, which no event has. */
void changes_key(int fd, struct changes_key *ret);
bool changes_key_equal(const struct changes_key *a, const struct changes_key *b);

/* Readable when something is queued. */
int changes_fd(const struct changes *changes);

/* Hands over every event that is queued, without sleeping. For the gate thread. */
typedef void (*changes_fn)(void *userdata, const struct changes_key *key, pid_t pid);
void changes_drain(struct changes *changes, changes_fn fn, void *userdata);
