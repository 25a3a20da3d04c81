/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The quarantine's folder, for who puts items into it. An item is three files named by its id: its bytes,
 * until it is done the bytes that are to stand in its place, and what is known of it (quarantine.h),
 * which is written last and renamed into its place, so that it is there whole or not at all.
 */

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "store/quarantine.h"
#include "store/util.h"

struct vault {
        int folder;
};

/* Opens the folder, which is made if make says so (its parent is not) and private to us. */
int vault_open(const char *path, bool make, struct vault *ret);
void vault_close(struct vault *vault);
DEFINE_CLEANUP(struct vault *, vault_close);

/* Whoever writes to a store holds this for as long, so that there is one at a time. -EAGAIN: another
 * process does. What a process that died left half done here, or in a store as a lock file, is taken
 * away. */
int vault_lock(struct vault *vault);
void vault_unlock(struct vault *vault);

/* Puts an item in, durably, under an id that was not there before. After a failure nothing is left. */
int vault_put(struct vault *vault, const struct quarantine *record, const void *original,
              const void *planned, char ret_id[static QUARANTINE_ID_SIZE]);

/* Replaces what is known of an item, durably. */
int vault_record(struct vault *vault, const char *id, const struct quarantine *record);

/* Writes the bytes that are to stand in its place, durably. */
int vault_plan(struct vault *vault, const char *id, const void *planned, size_t size);
void vault_drop_plan(struct vault *vault, const char *id);

/* Takes an item out again that was not needed after all. */
void vault_remove(struct vault *vault, const char *id);

/* Reads a file of an item, which must be of this size and SHA-256; suffix is one of shelf.h's. -EBADMSG:
 * it is damaged. The bytes are the caller's. */
int vault_read(struct vault *vault, const char *id, const char *suffix, uint64_t size,
               const uint8_t digest[static DIGEST_SIZE], uint8_t **ret);

/* Notes, before it is made, the lock file that is going to be ours, and forgets it. */
int vault_note_dotlock(struct vault *vault, const char *path, const char *text);
void vault_forget_dotlock(struct vault *vault);
