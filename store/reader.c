/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The window over the source, and what holds for items of every format. Owns the window's memory; over a
 * source in memory there is none. Knows nothing of any format.
 */

#include "store/reader.h"

#include <assert.h>

#include "store/reader-private.h"
#include "store/vector.h"

/* What a jump to another place reads; reading on from there reads more each time. */
#define FILL_LEAST ((size_t)1024)

static const char *const state_names[] = {
        [ITEM_WHOLE] = "whole",
        [ITEM_IN_PROGRESS] = "in-progress",
        [ITEM_DAMAGED] = "damaged",
        [ITEM_HEADER] = "header",
};
static_assert(ELEMENTSOF(state_names) == _ITEM_STATE_MAX, "a name for every state");

const char *item_state_name(enum item_state state) {
        if ((unsigned)state >= ELEMENTSOF(state_names))
                return "invalid";
        return state_names[state];
}

ssize_t reader_probe(struct reader *reader, uint64_t offset, void *buf, size_t size) {
        const struct reader_source *source = &reader->source;
        size_t have = 0;

        if (offset >= reader->end)
                return 0;
        size = MIN(size, reader->end - offset);
        if (source->memory) {
                if (offset < source->memory_at)
                        return -EINVAL;
                memcpy(buf, source->memory + (offset - source->memory_at), size);
                return (ssize_t)size;
        }
        if (offset >= reader->window_offset &&
            offset + size <= reader->window_offset + reader->window_have) {
                memcpy(buf, reader->window + (offset - reader->window_offset), size);
                return (ssize_t)size;
        }
        while (have < size) {
                ssize_t n = source->read(source->userdata, (uint8_t *)buf + have, size - have,
                                         offset + have);

                if (n < 0)
                        return n;
                if (n == 0) {
                        reader->end = offset + have;
                        break;
                }
                assert((size_t)n <= size - have);
                have += (size_t)n;
        }
        return (ssize_t)have;
}

/* The same of a source in memory: no more than a window would show, so that long lines look the same. */
static int peek_memory(const struct reader *reader, uint64_t offset, const uint8_t **ret_data,
                       size_t *ret_size) {
        const struct reader_source *source = &reader->source;

        *ret_data = source->memory;
        *ret_size = 0;
        if (offset >= reader->end)
                return 0;
        if (offset < source->memory_at)
                return -EINVAL;
        *ret_data = source->memory + (offset - source->memory_at);
        *ret_size = MIN(reader->end - offset, READER_WINDOW);
        return 0;
}

int reader_peek(struct reader *reader, uint64_t offset, size_t want, const uint8_t **ret_data,
                size_t *ret_size) {
        uint64_t window_end = reader->window_offset + reader->window_have;
        size_t keep = 0;
        ssize_t n;

        assert(want <= READER_PEEK_MAX);
        if (reader->source.memory)
                return peek_memory(reader, offset, ret_data, ret_size);
        if (offset >= reader->window_offset && offset <= window_end)
                keep = (size_t)(window_end - offset);
        if (keep < want && offset + keep < reader->end) {
                if (keep > 0 || offset == window_end)
                        reader->fill = MIN(reader->fill * 4, READER_WINDOW);
                else
                        reader->fill = FILL_LEAST;
                if (keep > 0)
                        memmove(reader->window, reader->window + (offset - reader->window_offset),
                                keep);
                reader->window_offset = offset;
                reader->window_have = keep;
                n = reader_probe(reader, offset + keep, reader->window + keep,
                                 MIN(MAX(reader->fill, want), READER_WINDOW) - keep);
                if (n < 0)
                        return (int)n;
                reader->window_have = keep += (size_t)n;
        }
        *ret_data = keep > 0 ? reader->window + (offset - reader->window_offset) : reader->window;
        *ret_size = offset < reader->end ? MIN(keep, reader->end - offset) : 0;
        return 0;
}

/* Where in these bytes what is looked for begins; NULL: nowhere. */
typedef const uint8_t *search_fn(const uint8_t *data, size_t size, uint8_t byte);

/* What is looked for is width bytes long, of which byte is one. */
static int find(struct reader *reader, uint64_t offset, uint64_t limit, size_t width,
                search_fn *search, uint8_t byte, uint64_t *ret_offset) {
        while (offset + width <= limit) {
                const uint8_t *data, *found;
                size_t size;
                int r;

                r = reader_peek(reader, offset, width, &data, &size);
                if (r < 0)
                        return r;
                size = MIN(size, limit - offset);
                if (size < width)
                        break;
                found = search(data, size, byte);
                if (found) {
                        *ret_offset = offset + (uint64_t)(found - data);
                        return 1;
                }
                offset += size - (width - 1);
        }
        return 0;
}

static const uint8_t *search_byte(const uint8_t *data, size_t size, uint8_t byte) {
        return memchr(data, byte, size);
}

int reader_find(struct reader *reader, uint64_t offset, uint64_t limit, uint8_t byte,
                uint64_t *ret_offset) {
        return find(reader, offset, limit, 1, search_byte, byte, ret_offset);
}

/* LF and that byte. memmem(3) takes as long as a digest does. */
static const uint8_t *search_line(const uint8_t *data, size_t size, uint8_t first) {
        size_t i = 0;

        for (; i + sizeof(vector) < size; i += sizeof(vector))
                if (vector_any((vector)(vector_load(data + i) == '\n') &
                               (vector)(vector_load(data + i + 1) == first)))
                        break;
        for (; i + 1 < size; i++)
                if (data[i] == '\n' && data[i + 1] == first)
                        return data + i;
        return NULL;
}

int reader_find_line(struct reader *reader, uint64_t offset, uint64_t limit, uint8_t first,
                     uint64_t *ret_offset) {
        return find(reader, offset, limit, 2, search_line, first, ret_offset);
}

struct reader *reader_free(struct reader *reader) {
        if (!reader)
                return NULL;
        free(reader->window);
        free(reader);
        return NULL;
}

DEFINE_CLEANUP(struct reader *, reader_free);

int reader_new(enum reader_format format, const struct reader_source *source, uint64_t start,
               unsigned flags, struct reader **ret_reader) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        int r;

        /* Offsets stay those of files, so that no sum of two of them overflows. */
        if ((unsigned)format >= _READER_FORMAT_MAX || start > source->size ||
            source->size > INT64_MAX || (source->memory && start < source->memory_at))
                return -EINVAL;
        reader = calloc(1, sizeof(*reader));
        if (!reader)
                return -ENOMEM;
        if (!source->memory) {
                reader->window = malloc(READER_WINDOW);
                if (!reader->window)
                        return -ENOMEM;
        }
        reader->format = format;
        reader->flags = flags;
        reader->source = *source;
        reader->offset = start;
        reader->end = source->size;
        reader->fill = FILL_LEAST;
        if (format == READER_DBOX) {
                r = reader_dbox_open(reader);
                if (r < 0)
                        return r;
        }
        *ret_reader = TAKE_PTR(reader);
        return 0;
}

int reader_next(struct reader *reader, struct item *ret_item) {
        struct item item = { .offset = reader->offset };
        const uint8_t *data;
        size_t size;
        int r;

        /* Whether there is a byte at all, the source knows better than its size. */
        r = reader_peek(reader, reader->offset, 1, &data, &size);
        if (r < 0 || size == 0)
                return r;
        r = reader->format == READER_MBOX ? reader_mbox_next(reader, &item)
                                          : reader_dbox_next(reader, &item);
        if (r < 0)
                return r;

        assert(item.size > 0);
        assert(item.message_offset >= item.offset);
        assert(item.message_size <= item.size - (item.message_offset - item.offset));
        reader->offset = item.offset + item.size;
        item.last = reader->offset >= reader->end;
        if (item.plain_size == 0)
                item.plain_size = item.message_size;
        *ret_item = item;
        return 1;
}
