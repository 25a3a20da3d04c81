/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kernel tells of a fanotify group in /proc/self/fdinfo (proc(5)): how it was made, and which
 * marks it has.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/changes.h"

struct fdinfo_mark {
        bool filesystem;        /* else of an inode */
        uint64_t dev;           /* of the super block, as scope.h has it */
        uint64_t mask, ignored; /* what it asks for, and what it silences */
        /* Of an inode; size 0: it has no handle that can be opened. */
        int32_t type;
        uint32_t size;
        uint8_t handle[CHANGES_HANDLE_MAX];
};

/* Called for each mark. */
typedef void (*fdinfo_fn)(void *userdata, const struct fdinfo_mark *mark);

/* The content of the group's file, to be freed. 0 or negative errno. */
int fdinfo_read(int group, char **ret);

/* Hands over the marks in such a text. */
void fdinfo_marks(const char *text, fdinfo_fn fn, void *userdata);

/* Goes on with a group that was kept (-EBADF: none) if it was made with the flags of the new one, which
 * is closed then: *group is the kept one, and the result true. */
bool fdinfo_prefer(int kept, int *group);

/* Opens the inode of a mark, without its events: O_PATH. mount is any folder of its file system. */
int fdinfo_open(const struct fdinfo_mark *mark, int mount);
