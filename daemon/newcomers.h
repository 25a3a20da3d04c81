/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tells of folders, and of files, that come into watched folders where fanotify's group N can't: file systems whose
 * handles it does not take (btrfs subvolumes: EXDEV). By inotify, with a file handle for each watch,
 * so that a watched folder is found again under whatever name it has by then.
 */

#include <stdbool.h>

#include "store/util.h"

struct newcomers;

int newcomers_new(struct newcomers **ret);
struct newcomers *newcomers_free(struct newcomers *newcomers);
DEFINE_CLEANUP(struct newcomers *, newcomers_free);

/* To wait for (POLLIN). */
int newcomers_fd(const struct newcomers *newcomers);

/* Watches the open folder fd, for files too if they are wanted; mount is a path on the same mount, kept
 * as a copy. 0 or negative errno: no handles (EOPNOTSUPP), too many watches (ENOSPC:
 * fs.inotify.max_user_watches). */
int newcomers_watch(struct newcomers *newcomers, int fd, const char *mount, bool files);

/* Ends that. */
void newcomers_unwatch(struct newcomers *newcomers, int fd);

enum newcomers_what {
        NEWCOMERS_FOLDER,
        NEWCOMERS_CREATED,   /* a file that may be written to still */
        NEWCOMERS_DELIVERED, /* one that was moved in, or closed by a writer */
};

/* Calls back for each folder, and each file where they are wanted, that came: parent is open, name is
 * in it. Returns true when events were lost (IN_Q_OVERFLOW): everything must be walked anew. */
typedef void (*newcomers_fn)(void *userdata, int parent, const char *name, const char *mount,
                             enum newcomers_what what);
bool newcomers_take(struct newcomers *newcomers, newcomers_fn came, void *userdata);
