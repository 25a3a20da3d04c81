/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which marks a store needs: one on a whole file system, or one on every folder. Reads the mount
 * table (proc(5), /proc/self/mountinfo); places no mark itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/config.h"

struct scope_mount {
        char *path; /* where it is mounted */
        char *root; /* which folder of the file system is mounted there: "/" is all of it */
        char *type; /* "ext4" */
        unsigned id, parent; /* as statx(2) has it in stx_mnt_id; of the mount that it lies on */
        uint64_t
                dev; /* of the super block (major << 32 | minor): the same for all btrfs subvolumes */
};

struct scope_mounts {
        struct scope_mount *mounts;
        size_t n;
};

/* The mount table; text is mountinfo's (for tests), or NULL for that of this process. */
int scope_mounts_read(const char *text, struct scope_mounts *ret);
void scope_mounts_done(struct scope_mounts *mounts);

/* The mount that a walk to path ends on; the path itself is not touched. Mounts that others hide, on the
 * same point or above it, are passed by. NULL: the table holds none. */
const struct scope_mount *scope_mount_of(const struct scope_mounts *mounts, const char *path);

/* Whether a path is root or lies below it; both absolute. */
bool scope_is_below(const char *path, const char *root);

/* One place that needs marks. */
struct scope_place {
        char *path;
        bool point;      /* something is mounted just there */
        unsigned mount;  /* the id of the mount it is on */
        bool filesystem; /* one mark on its file system; else one on each folder from path down */
};

struct scope {
        struct scope_place *places; /* the store's root first, then mounts below it */
        size_t n;
};

/* Finds the places of a store. own are paths of ours and the system's that must not lie on a file
 * system that is marked as a whole, or a gate that hangs would hang the machine (ELEMENTSOF n_own;
 * "/" and its like are added). File systems of other hosts or of user
 * space are left out: the kernel opens and closes event fds there by asking a server, in the gate's
 * own read, so that one dead server would stop all mail. -ENOENT: the store's folder is not there.
 * -EPERM: the store itself is on such a file system, or marks = filesystem where it would be
 * dangerous; one sentence for either, and for each mount that is left out, went to errors. */
int scope_find(const struct config_store *store, const struct scope_mounts *mounts,
               const char *const *own, size_t n_own, FILE *errors, struct scope *ret);
void scope_done(struct scope *scope);
