/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The messages of a dbox file: sdbox u.N and mdbox m.N, as Dovecot's dbox-file.h describes them.
 * What Dovecot would serve is an item; where it would give up, the bytes up to the next message
 * header are DAMAGED. Must not decompress, decrypt or fetch anything.
 */

#include "store/reader-private.h"

/* magic[2] 'N' ' ' uid[8] ' ' size[16], blanks up to the length that the file header says, LF */
#define PRE_MAGIC          "\001\002"
#define MESSAGE_HEADER     30
#define MESSAGE_HEADER_MAX 1024
#define SIZE_AT            13
#define SIZE_DIGITS        16

/* As Dovecot writes it, it is some 16 bytes long. */
#define FILE_HEADER_EXACT_MAX 64
#define FILE_HEADER_MAX       4096

/* Metadata lines that we want are shorter than this. */
#define METADATA_PEEK 512

static int hex_digit(uint8_t c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -EINVAL;
}

/* A number of digits and nothing else. */
static int parse_hex(const uint8_t *text, size_t size, uint64_t *ret_value) {
        uint64_t value = 0;

        if (size == 0 || size > SIZE_DIGITS)
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                int digit = hex_digit(text[i]);

                if (digit < 0)
                        return digit;
                value = value << 4 | (uint64_t)digit;
        }
        *ret_value = value;
        return 0;
}

/* ---- The file header ---- */

/* "2 M1e C6b04b343": sets M and whether each word is one that Dovecot writes. */
static int parse_file_header(const uint8_t *line, size_t size, uint64_t *ret_message_header,
                             bool *ret_exact) {
        uint64_t message_header = 0, value;
        bool exact = true;

        if (size < 2 || (line[0] != '1' && line[0] != '2') || line[1] != ' ')
                return -EINVAL;
        for (size_t i = 2, n; i < size; i += n + 1) {
                const uint8_t *blank = memchr(line + i, ' ', size - i);
                int r;

                n = blank ? (size_t)(blank - line) - i : size - i;
                r = n > 0 ? parse_hex(line + i + 1, n - 1, &value) : -EINVAL;
                if (r < 0 || !memchr("MCA", line[i], 3))
                        exact = false;
                if (n > 0 && line[i] == 'M') {
                        if (r < 0)
                                return r;
                        message_header = value;
                }
        }
        if (message_header < MESSAGE_HEADER || message_header > MESSAGE_HEADER_MAX)
                return -EINVAL;
        *ret_message_header = message_header;
        *ret_exact = exact;
        return 0;
}

int reader_dbox_open(struct reader *reader) {
        _cleanup_free_ uint8_t *line = malloc(FILE_HEADER_MAX);
        const uint8_t *lf;
        ssize_t n;

        if (!line)
                return -ENOMEM;
        reader->dbox.message_header = MESSAGE_HEADER;
        reader->dbox.endless = UINT64_MAX;
        n = reader_probe(reader, 0, line, FILE_HEADER_MAX);
        if (n < 0)
                return (int)n;
        lf = memchr(line, '\n', (size_t)n);
        if (!lf)
                return 0;
        n = lf - line;
        /* Dovecot takes a line that ends with CR LF as well. */
        if (parse_file_header(line, (size_t)n - (n > 0 && line[n - 1] == '\r'),
                              &reader->dbox.message_header, &reader->dbox.file_header_exact) < 0)
                return 0;
        reader->dbox.file_header = (uint64_t)n + 1;
        if (n >= FILE_HEADER_EXACT_MAX || line[n - 1] == '\r')
                reader->dbox.file_header_exact = false;
        return 0;
}

/* ---- Message headers ---- */

/* Does data, of the size of a message header, look like one? Dovecot itself does not look at more than
 * the magic and the LF; strict is for where nothing says that there has to be one. */
static bool is_message_header(const uint8_t *data, size_t size, bool strict, uint64_t *ret_size) {
        if (memcmp(data, PRE_MAGIC, 2) != 0 || data[size - 1] != '\n')
                return false;
        if (strict && (data[2] != 'N' || data[3] != ' ' || data[SIZE_AT - 1] != ' '))
                return false;
        return parse_hex(data + SIZE_AT, SIZE_DIGITS, ret_size) == 0;
}

/* Whether there is a message header at offset, and the size of message that it says. */
static int header_at(struct reader *reader, uint64_t offset, bool strict, uint64_t *ret_size) {
        size_t want = (size_t)reader->dbox.message_header, size;
        const uint8_t *data;
        int r;

        r = reader_peek(reader, offset, want, &data, &size);
        if (r < 0)
                return r;
        return size >= want && is_message_header(data, want, strict, ret_size);
}

/* The first message header at or behind offset, or the end. */
static int find_header(struct reader *reader, uint64_t offset, uint64_t *ret_offset) {
        uint64_t size;
        int r;

        for (;; offset++) {
                r = reader_find(reader, offset, reader->end, PRE_MAGIC[0], &offset);
                if (r < 0)
                        return r;
                if (r == 0) {
                        *ret_offset = reader->end;
                        return 0;
                }
                r = header_at(reader, offset, true, &size);
                if (r < 0)
                        return r;
                if (r > 0) {
                        *ret_offset = offset;
                        return 0;
                }
        }
}

/* ---- Metadata ---- */

/* What Dovecot takes the text of a line for: up to the line end, a NUL ends it as well. Left empty
 * where it does not fit, for a part of it would be another text. */
static void take_text(const uint8_t *text, size_t size, char *out, size_t out_size) {
        const uint8_t *nul = memchr(text, '\0', size);

        if (nul)
                size = (size_t)(nul - text);
        if (size >= out_size)
                return;
        memcpy(out, text, size);
        out[size] = '\0';
}

/* The keys that were seen. The first line of each is the one that counts. */
struct keys {
        bool guid, mailbox, received, plain_size;
};

/* One line without its end; cut off after METADATA_PEEK bytes. */
static void see_metadata(struct item *item, struct keys *seen, const uint8_t *line, size_t size) {
        const uint8_t *value = line + 1;

        size--;
        switch (line[0]) {
        case 'G':
                if (!seen->guid)
                        take_text(value, size, item->guid, sizeof(item->guid));
                seen->guid = true;
                break;
        case 'B':
                if (!seen->mailbox)
                        take_text(value, size, item->mailbox, sizeof(item->mailbox));
                seen->mailbox = true;
                break;
        case 'R':
                if (!seen->received)
                        (void)parse_hex(value, size, &item->received);
                seen->received = true;
                break;
        case 'Z':
                if (!seen->plain_size)
                        (void)parse_hex(value, size, &item->plain_size);
                seen->plain_size = true;
                break;
        case 'X': item->external = true; break;
        default: break;
        }
}

/* Does the line end the metadata? An empty one does; one that begins with a blank did in version 1;
 * to Dovecot a NUL is the end of a line. */
static bool ends_metadata(const uint8_t *line, size_t size) {
        return size == 0 || line[0] == ' ' || line[0] == '\0';
}

/* The lines of metadata from offset on: 1 and where they end, or 0 when they do not. They end as well
 * before a line that is none of theirs (keys are capital letters), so that whatever follows is not
 * taken for metadata, which nobody scans. What no line ends from some place on, none ends from a later
 * place: with that remembered, blocks without an end, of which a hostile file may have many, cost as
 * much as reading the file once. */
static int read_metadata(struct reader *reader, struct item *item, uint64_t offset,
                         uint64_t *ret_end) {
        uint64_t begin = offset, lf;
        struct keys seen = {};

        while (offset < reader->dbox.endless) {
                const uint8_t *data, *found;
                size_t size, n;
                bool ends;
                int r;

                r = reader_peek(reader, offset, METADATA_PEEK, &data, &size);
                if (r < 0)
                        return r;
                size = MIN(size, (size_t)METADATA_PEEK);
                found = memchr(data, '\n', size);
                n = found ? (size_t)(found - data) : size;
                if (n > 0 && found && data[n - 1] == '\r')
                        n--;
                ends = ends_metadata(data, n);
                if (!ends && size > 0 && (data[0] < 'A' || data[0] > 'Z')) {
                        *ret_end = offset;
                        return 1;
                }
                if (!ends)
                        see_metadata(item, &seen, data, n);
                if (found)
                        lf = offset + (uint64_t)(found - data);
                else {
                        r = reader_find(reader, offset + size, reader->end, '\n', &lf);
                        if (r < 0)
                                return r;
                        if (r == 0)
                                break;
                }
                offset = lf + 1;
                if (ends) {
                        *ret_end = offset;
                        return 1;
                }
        }
        reader->dbox.endless = MIN(reader->dbox.endless, begin);
        return 0;
}

/* ---- Items ---- */

/* The message whose header says size, its body at offset: 1 when it is all there, up to the end of
 * its metadata. */
static int whole_message(struct reader *reader, struct item *item, uint64_t offset, uint64_t size) {
        static const uint8_t post_magic[] = { '\n', '\001', '\003', '\n' };
        uint8_t magic[sizeof(post_magic)];
        struct item found = *item;
        uint64_t end;
        ssize_t n;
        int r;

        if (size > reader->end - offset)
                return 0;
        n = reader_probe(reader, offset + size, magic, sizeof(magic));
        if (n < 0)
                return (int)n;
        if (n < (ssize_t)sizeof(magic) || memcmp(magic, post_magic, sizeof(magic)) != 0)
                return 0;
        r = read_metadata(reader, &found, offset + size + sizeof(magic), &end);
        if (r <= 0)
                return r;
        /* A size of zero may mean that it is not known yet, and the body happens to look like
         * metadata. */
        if (size == 0 && end < reader->end) {
                uint64_t next;

                r = header_at(reader, end, false, &next);
                if (r <= 0)
                        return r;
        }
        found.state = ITEM_WHOLE;
        found.message_size = size;
        found.size = end - item->offset;
        *item = found;
        return 1;
}

/* The message whose header is at the item's offset and says size. */
static int message(struct reader *reader, struct item *item, uint64_t size) {
        uint64_t end;
        int r;

        item->message_offset = item->offset + reader->dbox.message_header;
        r = whole_message(reader, item, item->message_offset, size);
        if (r != 0)
                return MIN(r, 0);

        /* A message that is being appended is the last one. If there is another behind it, its
         * writer died. */
        r = find_header(reader, item->message_offset, &end);
        if (r < 0)
                return r;
        item->state = size == 0 && end == reader->end ? ITEM_IN_PROGRESS : ITEM_DAMAGED;
        item->size = end - item->offset;
        item->message_size = end - item->message_offset;
        return 0;
}

int reader_dbox_next(struct reader *reader, struct item *item) {
        uint64_t size, end;
        int r;

        if (item->offset == 0 && reader->dbox.file_header > 0) {
                item->size = reader->dbox.file_header;
                if (reader->dbox.file_header_exact) {
                        item->state = ITEM_HEADER;
                        item->message_offset = item->size;
                        return 0;
                }
        } else {
                r = header_at(reader, item->offset, false, &size);
                if (r < 0)
                        return r;
                if (r > 0)
                        return message(reader, item, size);
                r = find_header(reader, item->offset + 1, &end);
                if (r < 0)
                        return r;
                item->size = end - item->offset;
        }
        item->state = ITEM_DAMAGED;
        item->message_offset = item->offset;
        item->message_size = item->size;
        return 0;
}
