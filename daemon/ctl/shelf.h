/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The quarantine's folder, for those who look at it and tidy it up. What gets into it is the remedy's
 * business alone.
 */

#include <stddef.h>
#include <stdint.h>

#include "store/quarantine.h"
#include "store/util.h"

/* Behind the id. */
#define SHELF_META ".meta"
#define SHELF_ITEM ".item"
#define SHELF_PLAN ".plan" /* until the replacement is done */

struct shelf {
        int folder;
        char **ids; /* of all metadata files, oldest first */
        size_t n_ids;
};

/* Opens the folder and lists it. -ENOENT: nothing was ever quarantined. */
int shelf_open(const char *path, struct shelf *ret);
void shelf_close(struct shelf *shelf);
DEFINE_CLEANUP(struct shelf *, shelf_close);

/* What is noted of an item. -ENOENT: no such item; -EINVAL: damaged, in line *ret_line. */
int shelf_read(const struct shelf *shelf, const char *id, struct quarantine *ret,
               unsigned *ret_line);

/* The item's bytes, for reading. -EMEDIUMTYPE: not a file of ours. */
int shelf_open_item(const struct shelf *shelf, const char *id);

/* Space of an item's files. */
uint64_t shelf_space(const struct shelf *shelf, const char *id);

/* Deletes an item, durably once shelf_sync() returned; what is gone already is no error. */
int shelf_delete(const struct shelf *shelf, const char *id);
int shelf_sync(const struct shelf *shelf);

/* Deletes files that belong to no item and were left by who was interrupted more than a day ago. Returns
 * how many. */
int shelf_delete_leftovers(const struct shelf *shelf, uint64_t now_usec);
