/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The items at which a replacement was interrupted and is not completed: some bytes are the old ones, some
 * the new ones. Whatever an engine makes of that, it is not to be read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct unfinished_item;

/* A zeroed object is empty and valid. */
struct unfinished {
        struct unfinished_item *items;
        size_t n, allocated;
};

void unfinished_done(struct unfinished *unfinished);

struct unfinished_place {
        dev_t dev;
        ino_t ino;
        uint64_t offset, size;
};

/* told: by who completes them, in the course of a look at all of them. 0 or -ENOMEM. */
int unfinished_add(struct unfinished *unfinished, const struct unfinished_place *place, bool told);

/* The look is over; if nothing kept it from telling of all, those that it did not tell of are done. */
void unfinished_looked(struct unfinished *unfinished, bool all);

/* Whether one overlaps [offset, offset + size) of this file. */
bool unfinished_overlaps(const struct unfinished *unfinished, dev_t dev, ino_t ino, uint64_t offset,
                         uint64_t size);
