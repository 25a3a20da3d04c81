/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The list of allowed contents on disk (store/allowed.h): read, changed and durably replaced by one
 * storescanctl at a time. storescand only reads it, whenever it was replaced.
 */

#include "daemon/allow-read.h"

struct allow_file {
        int folder; /* locked */
        struct allowed allowed;
};

/* Opens the folder, made if missing, locks it if the list shall be changed, and reads the list; none is
 * an empty one. -EINVAL with the line that is wrong; -E2BIG; negative errno. */
int allow_file_open(const char *folder, bool change, struct allow_file *ret, unsigned *ret_line);

/* Replaces the list by ours: once this returns 0 it is on the disk. */
int allow_file_save(struct allow_file *file);

void allow_file_close(struct allow_file *file);
DEFINE_CLEANUP(struct allow_file *, allow_file_close);
