/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where the messages of an mbox begin and end, by the rules of Dovecot 2.3 (istream-raw-mbox.c,
 * mbox-from.c, mbox-sync-parse.c), since it is what Dovecot serves that has to be scanned. Other
 * mail readers have other rules; where theirs would give other messages, the item says so. Must
 * not unquote, decode or judge anything.
 */

#include "store/reader-private.h"

static int classify_at(struct reader *reader, uint64_t offset, enum from_line *ret_class) {
        const uint8_t *data;
        size_t size;
        int r;

        *ret_class = FROM_NONE;
        r = reader_peek(reader, offset, 5, &data, &size);
        if (r < 0)
                return r;
        if (size >= 5 && memcmp(data, "From ", 5) == 0) {
                r = reader_peek(reader, offset, 5 + FROM_LINE_MAX + FROM_LINE_BEYOND, &data, &size);
                if (r < 0)
                        return r;
        }
        *ret_class = reader_classify_from(data, size);
        return 0;
}

/* Is that a message's first line, in the eyes of this walk? */
static bool is_start(const struct reader *reader, enum from_line class) {
        return class == FROM_STRICT || (class == FROM_LENIENT && reader->flags & READER_LENIENT);
}

/* ---- Content-Length ---- */

/* What the header says, before it is known whether it is true. */
struct lengths {
        bool valid, open; /* open: a continuation line may still spoil it */
        uint64_t value;   /* the one that Dovecot goes by: the first that is well-formed */
        uint64_t others[4];
        size_t n_others; /* what others may go by */
};

#define LENGTH_NAME_SIZE (sizeof("Content-Length") - 1)

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static bool has_length_name(const uint8_t *line, size_t size) {
        return size > LENGTH_NAME_SIZE &&
               strncasecmp((const char *)line, "Content-Length", LENGTH_NAME_SIZE) == 0;
}

/* Sets *ret_value as Dovecot does: one blank, digits (which may overflow), blanks. Returns whether
 * it is well-formed. */
static bool parse_length(const char *p, const char *end, uint64_t *ret_value) {
        uint64_t value = 0;

        if (p < end && is_blank(*p))
                p++;
        for (; p < end && is_digit(*p); p++)
                value = value * 10 + (uint64_t)(*p - '0');
        while (p < end && is_blank(*p))
                p++;
        *ret_value = value;
        return p == end;
}

/* One header line, without its line end. */
static void see_header(struct lengths *lengths, const char *line, size_t size) {
        const char *end = line + size, *p = line + LENGTH_NAME_SIZE;
        uint64_t value;

        if (size > 0 && is_blank(*line)) {
                while (line < end && is_blank(*line))
                        line++;
                if (lengths->open && line < end)
                        lengths->valid = lengths->open = false;
                return;
        }
        lengths->open = false;
        if (!has_length_name((const uint8_t *)line, size))
                return;
        /* To Dovecot a name ends at a NUL, too. */
        if (*p == '\0')
                p = memchr(p, ':', (size_t)(end - p));
        else
                while (p < end && is_blank(*p))
                        p++;
        if (!p || p >= end || *p != ':')
                return;
        p++;
        if (!lengths->valid && parse_length(p, end, &lengths->value))
                lengths->valid = lengths->open = true;

        while (p < end && is_blank(*p))
                p++;
        (void)parse_length(p, end, &value);
        if (lengths->n_others < ELEMENTSOF(lengths->others))
                lengths->others[lengths->n_others++] = value;
}

/* What a look ahead reads at first. */
#define LANDING_PROBE 32

enum landing {
        LANDING_NOWHERE,
        LANDING_LENIENT, /* others may take it for a message's end */
        LANDING_STRICT,  /* Dovecot does */
};

static size_t line_end_at(const uint8_t *data, size_t size) {
        if (size >= 1 && data[0] == '\n')
                return 1;
        return size >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
}

/* What is at the end of a body by its Content-Length; ret_next: where the next message begins then,
 * or the file ends. */
static int look_at_landing(struct reader *reader, uint64_t offset, enum landing *ret_landing,
                           uint64_t *ret_next) {
        uint8_t data[2 + 5 + FROM_LINE_MAX + FROM_LINE_BEYOND];
        enum from_line class;
        size_t line_end, size;
        ssize_t n;

        *ret_landing = LANDING_NOWHERE;
        n = reader_probe(reader, offset, data, LANDING_PROBE);
        if (n < 0)
                return (int)n;
        line_end = line_end_at(data, (size_t)n);
        /* Nearly always that was enough. */
        if (n == LANDING_PROBE && memcmp(data + line_end, "From ", 5) == 0) {
                n = reader_probe(reader, offset, data, sizeof(data));
                if (n < 0)
                        return (int)n;
        }
        /* The file may have turned out to be shorter. */
        if (offset > reader->end)
                return 0;
        size = (size_t)n;
        *ret_next = offset + line_end;
        if (size == line_end) {
                *ret_landing = line_end > 0 ? LANDING_STRICT : LANDING_LENIENT;
                return 0;
        }
        class = reader_classify_from(data + line_end, size - line_end);
        /* Dovecot looks only where there is room for "From x Thu Nov 29 22:33:52 2001". */
        if (class == FROM_STRICT && line_end > 0 && size > 30 + line_end)
                *ret_landing = LANDING_STRICT;
        else if (class >= FROM_LENIENT)
                *ret_landing = LANDING_LENIENT;
        return 0;
}

/* ---- The message ---- */

/* A walk over the lines of one message. */
struct walk {
        struct lengths lengths;
        bool in_header;
        bool believed; /* Content-Length is true: the next two are what it says */
        uint64_t message_end, next;
};

/* The header has ended, the body begins at offset. */
static int end_header(struct reader *reader, struct walk *walk, struct item *item, uint64_t body) {
        const struct lengths *lengths = &walk->lengths;
        enum landing landing;
        uint64_t next;
        int r;

        walk->in_header = false;
        if (reader->flags & READER_LENIENT || body > reader->end)
                return 0;
        for (size_t i = 0; i < lengths->n_others; i++) {
                if (lengths->others[i] > reader->end - body)
                        continue;
                r = look_at_landing(reader, body + lengths->others[i], &landing, &next);
                if (r < 0)
                        return r;
                if (landing != LANDING_NOWHERE)
                        item->claimed_size = MAX(item->claimed_size,
                                                 body + lengths->others[i] - item->message_offset);
        }
        if (!lengths->valid || lengths->value > reader->end - body)
                return 0;
        r = look_at_landing(reader, body + lengths->value, &landing, &next);
        if (r < 0)
                return r;
        if (landing == LANDING_STRICT) {
                walk->believed = true;
                walk->message_end = body + lengths->value;
                walk->next = next;
        }
        return 0;
}

/* Looks for Content-Length and the header's end in the line at offset. */
static int walk_header(struct reader *reader, struct walk *walk, struct item *item,
                       uint64_t offset) {
        const uint8_t *data, *lf;
        size_t size, n;
        int r;

        r = reader_peek(reader, offset, LENGTH_NAME_SIZE + 1, &data, &size);
        if (r < 0)
                return r;
        /* Of other lines the first bytes will do. */
        if (size > 0 &&
            (has_length_name(data, size) || (walk->lengths.open && is_blank((char)data[0])))) {
                r = reader_peek(reader, offset, READER_PEEK_MAX, &data, &size);
                if (r < 0)
                        return r;
        }
        lf = memchr(data, '\n', size);
        n = lf ? (size_t)(lf - data) : size;
        if (lf && n > 0 && data[n - 1] == '\r')
                n--;
        if (lf && n == 0)
                return end_header(reader, walk, item, offset + (uint64_t)(lf - data) + 1);
        see_header(&walk->lengths, (const char *)data, n);
        return 0;
}

/* A message ends before the line at offset, or the file does: without the line end before it. */
static int end_before(struct reader *reader, const struct item *item, uint64_t offset,
                      uint64_t *ret_end) {
        uint8_t before[2];
        size_t want = (size_t)MIN(offset - item->message_offset, sizeof(before));
        ssize_t n;

        *ret_end = offset;
        n = reader_probe(reader, offset - want, before, want);
        if (n < 0)
                return (int)n;
        if ((size_t)n == want && want >= 1 && before[want - 1] == '\n') {
                (*ret_end)--;
                if (want == 2 && before[0] == '\r')
                        (*ret_end)--;
        }
        return 0;
}

/* The line at offset is a start. Has the message ended? A message whose header never ended may still
 * have a Content-Length: it counts from the line end before this line. */
static int meet_start(struct reader *reader, struct walk *walk, struct item *item,
                      uint64_t offset) {
        uint64_t end;
        int r;

        r = end_before(reader, item, offset, &end);
        if (r < 0)
                return r;
        if (walk->in_header) {
                r = end_header(reader, walk, item, end);
                if (r < 0)
                        return r;
                /* Of length 0, it ends here all the same. */
                if (walk->believed)
                        return walk->next <= offset;
        }
        walk->message_end = end;
        walk->next = offset;
        return 1;
}

/* From offset, the line behind the From_ line, to the next message. */
static int walk_message(struct reader *reader, struct walk *walk, struct item *item,
                        uint64_t offset) {
        /* Dovecot looks for LF and "From ". Neither the LF of the From_ line itself counts nor that
         * of a line which is nothing but "From ". Others see no difference. */
        bool shadow = !(reader->flags & READER_LENIENT);
        int r;

        while (offset < reader->end) {
                enum from_line class;
                uint64_t lf;

                if (walk->believed && (offset >= walk->message_end || item->has_from_lines))
                        return 0;
                r = classify_at(reader, offset, &class);
                if (r < 0)
                        return r;
                if (is_start(reader, class) && !shadow && !walk->believed) {
                        r = meet_start(reader, walk, item, offset);
                        if (r != 0)
                                return MIN(r, 0);
                }
                if (class >= FROM_LENIENT)
                        item->has_from_lines = true;
                if (walk->in_header) {
                        r = walk_header(reader, walk, item, offset);
                        if (r < 0)
                                return r;
                }
                /* In a body nothing counts but From_ lines, and the one behind each. */
                r = walk->in_header || class != FROM_NONE
                            ? reader_find(reader, offset, reader->end, '\n', &lf)
                            : reader_find_line(reader, offset, reader->end, 'F', &lf);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                offset = lf + 1;
                shadow = class == FROM_BARE && !shadow && !(reader->flags & READER_LENIENT);
        }
        if (walk->believed)
                return 0;
        walk->next = reader->end;
        return end_before(reader, item, reader->end, &walk->message_end);
}

/* No From_ line where one has to be: all up to the next one. */
static int damaged(struct reader *reader, struct item *item) {
        uint64_t offset = item->offset, lf;
        enum from_line class;
        int r;

        for (;;) {
                r = reader_find(reader, offset, reader->end, '\n', &lf);
                if (r < 0)
                        return r;
                offset = r > 0 ? lf + 1 : reader->end;
                r = classify_at(reader, offset, &class);
                if (r < 0)
                        return r;
                if (offset >= reader->end || is_start(reader, class))
                        break;
        }
        item->state = ITEM_DAMAGED;
        item->size = item->message_size = offset - item->offset;
        item->message_offset = item->offset;
        return 0;
}

int reader_mbox_next(struct reader *reader, struct item *item) {
        struct walk walk = { .in_header = true };
        enum from_line class;
        uint64_t lf = reader->end;
        const uint8_t *data;
        size_t size;
        int r;

        r = classify_at(reader, item->offset, &class);
        if (r < 0)
                return r;
        r = reader_peek(reader, item->offset, 5, &data, &size);
        if (r < 0)
                return r;
        if (size < 5 || memcmp(data, "From ", 5) != 0)
                return damaged(reader, item);
        r = reader_find(reader, item->offset, reader->end, '\n', &lf);
        if (r < 0)
                return r;
        if (r == 0 && reader->end - item->offset <= FROM_LINE_MAX) {
                item->state = ITEM_IN_PROGRESS;
                item->size = item->message_size = reader->end - item->offset;
                item->message_offset = item->offset;
                return 0;
        }
        if (r == 0 || !is_start(reader, class))
                return damaged(reader, item);

        /* What stands in an endless From_ line is looked at. */
        item->message_offset = lf - item->offset < FROM_LINE_MAX + 5 ? lf + 1 : item->offset;
        r = walk_message(reader, &walk, item, lf + 1);
        if (r < 0)
                return r;
        item->state = ITEM_WHOLE;
        item->size = walk.next - item->offset;
        item->message_size = walk.message_end - item->message_offset;
        if (item->message_offset + item->claimed_size <= walk.next ||
            item->message_offset + item->claimed_size > reader->end)
                item->claimed_size = 0;
        return 0;
}
