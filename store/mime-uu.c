/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the recognition of uuencoded files in texts: "begin MODE NAME", a valid line, and "end" some
 * time later. Mail readers and scanners show and open them as attachments; mail servers take them
 * for text.
 */

#include "store/mime-private.h"

#include <stdio.h>

#include "store/text.h"
#include "store/util.h"

#define BEGIN_MAX 200 /* a longer line is text */

/* Returns where the name in the line begins; 0: it is no such line. */
static size_t read_begin(const uint8_t *line, size_t size) {
        static const char word[] = "begin ";
        size_t i = sizeof(word) - 1, digits = 0;

        if (size > BEGIN_MAX || size < i || memcmp(line, word, i) != 0)
                return 0;
        for (; i < size && line[i] >= '0' && line[i] <= '7'; i++)
                digits++;
        if (digits < 3 || digits > 4 || i + 1 >= size || line[i] != ' ')
                return 0;
        return i + 1;
}

static bool is_data_line(const uint8_t *line, size_t size) {
        size_t n;

        if (size == 0 || line[0] < ' ' || line[0] > '`')
                return false;
        n = (line[0] - ' ') & 0x3f;
        return size >= 1 + (n + 2) / 3 * 4;
}

static bool is_end(const uint8_t *line, size_t size) {
        while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
                size--;
        return size == 3 && memcmp(line, "end", 3) == 0;
}

/* Where the line "end" begins; end: there is none. */
static size_t find_end(const uint8_t *data, size_t at, size_t end) {
        while (at < end) {
                size_t next = mime_next_line(data, end, at);

                if (is_end(data + at, mime_line_size(data, at, next)))
                        return at;
                at = next;
        }
        return end;
}

static int find_in_leaf(struct mime *mime, size_t leaf, unsigned *n) {
        const struct mime_part parent = mime->parts[leaf];
        size_t next;

        for (size_t at = parent.body; at < parent.end && *n < MIME_UU_MAX; at = next) {
                size_t name, size, data_next, end;
                struct mime_part *part;

                next = mime_next_line(mime->data, parent.end, at);
                size = mime_line_size(mime->data, at, next);
                name = read_begin(mime->data + at, size);
                if (name == 0)
                        continue;
                data_next = mime_next_line(mime->data, parent.end, next);
                if (!is_data_line(mime->data + next, mime_line_size(mime->data, next, data_next)))
                        continue;
                end = find_end(mime->data, data_next, parent.end);
                if (end == parent.end)
                        return 0;
                part = mime_add(mime, leaf);
                if (!part)
                        return -ENOMEM;
                part->kind = MIME_UU;
                part->encoding = MIME_UUENCODE;
                part->start = at;
                part->body = next;
                part->end = end;
                part->attachment = true;
                (void)snprintf(part->type, sizeof(part->type), "application/octet-stream");
                text_clean((const char *)mime->data + at + name, size - name, part->filename,
                           sizeof(part->filename));
                (*n)++;
                next = mime_next_line(mime->data, parent.end, end);
        }
        return 0;
}

int mime_find_uu(struct mime *mime) {
        size_t n_parts = mime->n;
        unsigned n = 0;

        for (size_t i = 0; i < n_parts; i++) {
                const struct mime_part *part = &mime->parts[i];
                bool text = startswith(part->type, "text/") && !part->html && !part->doubtful;
                int r = 0;

                if (part->kind == MIME_LEAF &&
                    (part->encoding == MIME_UUENCODE || (text && part->encoding == MIME_IDENTITY)))
                        r = find_in_leaf(mime, i, &n);
                if (r < 0)
                        return r;
        }
        return 0;
}
