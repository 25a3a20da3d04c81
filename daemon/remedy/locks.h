/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The locks by which mail servers keep each other off a file of their format: tried in their order,
 * never waited for. Files of one message are not locked by anybody: they do not change once named.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "daemon/remedy/vault.h"
#include "store/format.h"
#include "store/util.h"

struct store_lock {
        int fd; /* the caller's, open for reading and writing */
        struct vault *vault;
        bool ranged, whole;     /* an OFD lock; a flock */
        bool exclusive;         /* nobody else writes, not even the reader */
        int folder;             /* with our lock file in it */
        char dotlock[NAME_MAX]; /* its name; "": there is none */
};

/*
 * Takes what the format needs. Others that only read, and the reader itself, which waits for us and so
 * holds still, do not hinder. vault must be locked. 0; -EAGAIN: somebody else has a lock;
 * -EXDEV: path is not the file, so that its lock file has no place; other negative errno.
 */
int store_lock(struct store_lock *lock, int fd, enum store_format format, const char *path,
               pid_t reader, struct vault *vault);
void store_unlock(struct store_lock *lock);
DEFINE_CLEANUP(struct store_lock *, store_unlock);
