/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What reader.c lends to the readers of the formats: the window over the source. Nobody else
 * includes this.
 */

#include "store/reader.h"
#include "store/util.h"

#define READER_WINDOW   ((size_t)128 * 1024)
#define READER_PEEK_MAX (READER_WINDOW / 2)

struct reader {
        enum reader_format format;
        unsigned flags;
        struct reader_source source;
        uint64_t offset; /* of the next item */
        uint64_t end;    /* source.size, or less where the source ended before that */

        uint64_t window_offset;
        size_t window_have, fill;
        uint8_t *window;

        struct {
                uint64_t file_header;    /* length of the first line; 0 when it is none */
                bool file_header_exact;  /* as Dovecot writes it */
                uint64_t message_header; /* M: length of each message header */
                uint64_t endless;        /* no metadata ends from here on */
        } dbox;
};

/* The bytes at offset: at least want (<= READER_PEEK_MAX) of them, fewer only at the end of the
 * file. Valid until the next call. */
int reader_peek(struct reader *reader, uint64_t offset, size_t want, const uint8_t **ret_data,
                size_t *ret_size);

/* The same to a buffer, by as small a read as possible, leaving the window where it is: for looks
 * far ahead. Returns the number of bytes, fewer than size only at the end of the file. */
ssize_t reader_probe(struct reader *reader, uint64_t offset, void *buf, size_t size);

/* The first byte of this value in [offset, limit): 1 and its offset, or 0. */
int reader_find(struct reader *reader, uint64_t offset, uint64_t limit, uint8_t byte,
                uint64_t *ret_offset);

/* The same for the end of a line, LF, behind which a line begins with this byte. */
int reader_find_line(struct reader *reader, uint64_t offset, uint64_t limit, uint8_t first,
                     uint64_t *ret_offset);

/* Longer From_ lines are none: nobody's address is longer, and what stands in that line is not
 * message, so it must not be a place to hide content in. */
#define FROM_LINE_MAX ((size_t)4096)

/* So much of what follows a From_ line Dovecot may take for the rest of its date. */
#define FROM_LINE_BEYOND ((size_t)64)

static inline bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

enum from_line {
        FROM_NONE,
        FROM_BARE,    /* "From " and nothing else: none, but see walk_message */
        FROM_LENIENT, /* somebody may take it for a From_ line */
        FROM_STRICT,  /* Dovecot does, behind a line end */
};

/* The line that data begins with, and what follows it: data is all up to the file's end, or
 * FROM_LINE_MAX + FROM_LINE_BEYOND bytes. A line without an end is not STRICT. */
enum from_line reader_classify_from(const uint8_t *data, size_t size);

/* One format's part of reader_next, called with offset < end: fills in what differs from zero,
 * offset and last. The item's size is at least 1. */
int reader_mbox_next(struct reader *reader, struct item *item);
int reader_dbox_next(struct reader *reader, struct item *item);

/* Reads the line that begins a dbox file. */
int reader_dbox_open(struct reader *reader);
