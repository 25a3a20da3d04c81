/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Walks over the items of a file that lies in memory, for the tests of the readers: every walk
 * makes sure that the items tile the file. Header only; assertions by WALK_ASSERT, which whoever
 * includes this defines.
 */

#include <inttypes.h>
#include <stdio.h>

#include "store/reader.h"
#include "store/util.h"

DEFINE_CLEANUP(struct reader *, reader_free);

struct memory {
        const uint8_t *data;
        size_t size;
        bool at_once; /* the reader has it in memory, for a walk over an mbox from its start on */
        size_t chunk; /* the most that one read gives; 0: any */
        uint64_t fail_at; /* a read of this byte fails with -EIO; 0: none does */
        uint64_t n_bytes; /* given so far, in n_reads */
        unsigned n_reads;
};

static inline ssize_t memory_read(void *userdata, void *buf, size_t size, uint64_t offset) {
        struct memory *memory = userdata;

        if (offset >= memory->size)
                return 0;
        size = MIN(size, memory->size - offset);
        if (memory->chunk > 0)
                size = MIN(size, memory->chunk);
        if (memory->fail_at > 0 && memory->fail_at >= offset && memory->fail_at < offset + size)
                return -EIO;
        memcpy(buf, memory->data + offset, size);
        memory->n_bytes += size;
        memory->n_reads++;
        return (ssize_t)size;
}

/* All that an item must be, whatever the file is. Expected begins where the one before ended. */
static inline void check_item(const struct item *item, uint64_t expected, uint64_t end) {
        WALK_ASSERT(item->offset == expected);
        WALK_ASSERT(item->size > 0 && item->size <= end - item->offset);
        WALK_ASSERT(item->message_offset >= item->offset);
        WALK_ASSERT(item->message_offset <= item->offset + item->size);
        WALK_ASSERT(item->message_size <= item->offset + item->size - item->message_offset);
        WALK_ASSERT((unsigned)item->state < _ITEM_STATE_MAX);
        WALK_ASSERT(item->last == (item->offset + item->size == end));
        WALK_ASSERT(item->state != ITEM_HEADER ||
                    (item->offset == 0 && item->message_size == 0 && item->size <= 64));
        WALK_ASSERT(item->state != ITEM_IN_PROGRESS || item->last);
        WALK_ASSERT(item->state != ITEM_DAMAGED ||
                    item->message_offset + item->message_size == item->offset + item->size);
        WALK_ASSERT(item->claimed_size == 0 ||
                    item->message_offset + item->claimed_size > item->offset + item->size);
        WALK_ASSERT(item->claimed_size <= end - item->message_offset);
        WALK_ASSERT(memchr(item->guid, '\0', sizeof(item->guid)));
        WALK_ASSERT(memchr(item->mailbox, '\0', sizeof(item->mailbox)));
}

/* All items from start on, allocated; *ret_n of them. */
static inline struct item *walk_items(enum reader_format format, unsigned flags,
                                      struct memory *memory, uint64_t start, size_t *ret_n) {
        struct reader_source source = { .read = memory_read,
                                        .userdata = memory,
                                        .size = memory->size };
        _cleanup_(reader_freep) struct reader *reader = NULL;
        struct item *items = NULL, item;
        uint64_t offset = start;
        size_t n = 0, room = 0;
        int r;

        if (memory->at_once) {
                source.memory_at = format == READER_MBOX ? start : 0;
                source.memory = memory->data + source.memory_at;
        }
        WALK_ASSERT(reader_new(format, &source, start, flags, &reader) == 0);
        while ((r = reader_next(reader, &item)) > 0) {
                check_item(&item, offset, memory->size);
                offset += item.size;
                if (n == room) {
                        room = room > 0 ? 2 * room : 16;
                        items = reallocarray(items, room, sizeof(*items));
                        WALK_ASSERT(items);
                }
                items[n++] = item;
        }
        WALK_ASSERT(r == 0);
        WALK_ASSERT(offset == memory->size);
        WALK_ASSERT(reader_next(reader, &item) == 0);
        *ret_n = n;
        return items;
}

static inline bool same_items(const struct item *a, size_t n_a, const struct item *b, size_t n_b) {
        if (n_a != n_b)
                return false;
        for (size_t i = 0; i < n_a; i++)
                if (a[i].offset != b[i].offset || a[i].size != b[i].size ||
                    a[i].message_offset != b[i].message_offset ||
                    a[i].message_size != b[i].message_size || a[i].state != b[i].state ||
                    a[i].last != b[i].last || a[i].has_from_lines != b[i].has_from_lines ||
                    a[i].claimed_size != b[i].claimed_size || !streq(a[i].guid, b[i].guid) ||
                    !streq(a[i].mailbox, b[i].mailbox) || a[i].received != b[i].received ||
                    a[i].plain_size != b[i].plain_size || a[i].external != b[i].external)
                        return false;
        return true;
}
