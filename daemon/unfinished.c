/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the list: short, since a process that dies leaves one, so it is searched from its beginning. */

#include "daemon/unfinished.h"

#include "store/util.h"

struct unfinished_item {
        struct unfinished_place at;
        bool told; /* in this look */
};

void unfinished_done(struct unfinished *u) {
        free(u->items);
        *u = (struct unfinished){};
}

static bool same_place(const struct unfinished_place *a, const struct unfinished_place *b) {
        return a->ino == b->ino && a->dev == b->dev && a->offset == b->offset && a->size == b->size;
}

int unfinished_add(struct unfinished *u, const struct unfinished_place *place, bool told) {
        for (size_t i = 0; i < u->n; i++)
                if (same_place(&u->items[i].at, place)) {
                        u->items[i].told = u->items[i].told || told;
                        return 0;
                }
        if (u->n == u->allocated) {
                size_t allocated = MAX(u->allocated * 2, (size_t)8);
                struct unfinished_item *items = reallocarray(u->items, allocated, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                u->items = items;
                u->allocated = allocated;
        }
        u->items[u->n++] = (struct unfinished_item){ .at = *place, .told = told };
        return 0;
}

void unfinished_looked(struct unfinished *u, bool all) {
        size_t kept = 0;

        for (size_t i = 0; i < u->n; i++)
                if (u->items[i].told || !all) {
                        u->items[kept] = u->items[i];
                        u->items[kept++].told = false;
                }
        u->n = kept;
}

bool unfinished_overlaps(const struct unfinished *u, dev_t dev, ino_t ino, uint64_t offset,
                         uint64_t size) {
        for (size_t i = 0; i < u->n; i++) {
                const struct unfinished_place *at = &u->items[i].at;

                if (at->ino == ino && at->dev == dev && offset < at->offset + at->size &&
                    (size > UINT64_MAX - offset || at->offset < offset + size))
                        return true;
        }
        return false;
}
