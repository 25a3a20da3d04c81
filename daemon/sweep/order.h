/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The items of a store in an order that is the same every time: folder by folder, names by their
 * bytes, so that a walk can go on behind any of them. Never leaves the mount, follows no link, and
 * leaves out the roots of other stores.
 */

#include <stdbool.h>
#include <stddef.h>

#include "store/util.h"

struct order;

/* A folder that is open as long as anybody holds it. */
struct folder {
        int fd;
        unsigned held;
        char path[]; /* relative to the root; "" for it */
};

struct order_item {
        struct folder *folder; /* held for the caller: folder_release() */
        char *name;            /* the caller's */
        int error; /* name is a folder that could not be listed, for this reason; else 0 */
};

void folder_release(struct folder *folder);

/* root is an open folder, and taken. position: the path behind which to begin, "" for the beginning.
 * nested: paths to leave out, each with a NUL, then one more NUL. */
int order_new(int root, const char *position, const char *nested, struct order **ret);
struct order *order_free(struct order *order);
DEFINE_CLEANUP(struct order *, order_free);

/* The next regular file, or folder that can't be listed. 1; 0 behind the last; -ENOMEM. Names of an
 * unknown type are given, too. */
int order_next(struct order *order, struct order_item *ret);

/* folder/name, for the caller to free; NULL without memory. */
char *order_path(const struct order_item *item);
