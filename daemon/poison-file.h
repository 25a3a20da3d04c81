/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The folder of contents that cost workers, below [cache] directory: their list, and copies of some of
 * them for whoever looks into why. May wait for disks: not for the gate thread once it guards.
 */

#include "store/poison.h"

#define POISON_FOLDER "poison"
#define POISON_NAME   "list"
#define POISON_COPY   "content-" /* and the digest, as text */
#define POISON_PATH   POISON_FOLDER "/" POISON_NAME

/* Bounds of all copies together, and of one. The oldest go first. */
#define POISON_COPIES_MAX  16U
#define POISON_COPIES_SIZE (UINT64_C(64) << 20)
#define POISON_COPY_SIZE   (UINT64_C(16) << 20)

/* Opens the folder below directory, and makes it where it is not. A fd, or negative errno. */
int poison_folder_open(const char *directory);

/* 0, also without a file; errors of poison_parse(); other negative errno. */
int poison_load(const char *directory, const char *version, struct poison_list *ret);

/* Replaces the list, durably. */
int poison_save(int folder, const char *text, size_t size);

/* Reads [offset, offset + size) of fd again: 1, its digest is this one and there is a copy; 0, it
 * is, and there is none; -ESTALE: it is another one; other negative errno: it could not be read. */
int poison_copy(int folder, int fd, uint64_t offset, uint64_t size,
                const uint8_t digest[static DIGEST_SIZE]);

/* Deletes all copies. 0 or negative errno. */
int poison_delete_copies(int folder);
