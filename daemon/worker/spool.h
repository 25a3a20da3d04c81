/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Folders for libclamav's temporary files, one a process, below a common one on tmpfs. Functions
 * return 0 or negative errno.
 */

#include <dirent.h>
#include <limits.h>
#include <sys/types.h>

#define SPOOL_NAME_MAX 48

struct spool {
        char path[PATH_MAX];
        DIR *dir;
        dev_t device;
        ino_t inode;
        off_t empty_size; /* of the folder; -1: sizes say nothing */
};

/* Whether path is on a file system in memory: -EMEDIUMTYPE if not. Temporary files on a disk cost
 * half of the throughput, and would leave mail there. */
int spool_check_tmpdir(const char *path);

/* Removes what processes left behind that are no more (killed, so that nobody could). */
void spool_remove_stale(const char *tmpdir);

/* "w3-1234": what, number and process make the name of a folder. */
void spool_name(char ret[static SPOOL_NAME_MAX], const char *what, unsigned number, pid_t pid);

/* Makes the folder, empty and private. */
int spool_open(struct spool *spool, const char *tmpdir, const char *name);
void spool_close(struct spool *spool);

/* Whether a file could be made there now: -ENOENT when the folder is gone or another, -ENOSPC.
 * libclamav finds content clean when it can't. */
int spool_check(const struct spool *spool);

/* Removes what is in the folder. Nothing is, after a scan, unless something went wrong. */
int spool_tidy(struct spool *spool);

/* Removes a folder and all that is in it, whatever its name in tmpdir. */
int spool_remove(const char *tmpdir, const char *name);
