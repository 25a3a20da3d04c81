/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the writing of base64 and uuencode over what was there, to the byte. Must not trust what it
 * overwrites to be either: whatever stands there goes.
 */

#include "store/replace-private.h"
#include "store/util.h"

/* ---- base64 ---- */

static bool is_base64(uint8_t c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/' || c == '=';
}

/* Gives the encoded form of size bytes one character after the other. */
struct encoder {
        const uint8_t *data;
        size_t size, at;
};

static uint8_t next_base64(struct encoder *e) {
        static const char alphabet[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t group = e->at / 4 * 3, position = e->at % 4;
        uint32_t bits = 0;

        e->at++;
        if (group + position > e->size)
                return '=';
        for (size_t i = 0; i < 3; i++)
                bits = bits << 8 | (group + i < e->size ? e->data[group + i] : 0);
        return (uint8_t)alphabet[bits >> (18 - 6 * position) & 0x3f];
}

/* Number of "=" at the end, as far as they can mean something. */
static size_t count_padding(const struct replace_body *body) {
        size_t n = 0;

        for (size_t i = body->end; i-- > body->start && n < 2;)
                if (body->data[i] == '=')
                        n++;
                else if (is_base64(body->data[i]))
                        break;
        return n;
}

int replace_base64(const struct replace_body *body, const char *notice) {
        const struct replace_style style = { .html = body->part->html,
                                             .charset = body->part->charset };
        _cleanup_free_ uint8_t *text = NULL;
        struct encoder e = {};
        size_t n = 0, size;
        bool noticed;

        for (size_t i = body->start; i < body->end; i++)
                n += is_base64(body->data[i]);
        size = n / 4 * 3;
        if (size > 0 && n % 4 == 0)
                size -= count_padding(body);
        text = malloc(MAX(size, (size_t)1));
        if (!text)
                return -ENOMEM;
        noticed = replace_fill(&style, notice, text, size);
        e.data = text;
        e.size = size;
        for (size_t i = body->start; i < body->end; i++)
                if (!replace_is_line_end(body, i))
                        body->data[i] = is_base64(body->data[i]) && e.at < n / 4 * 4
                                                ? next_base64(&e)
                                                : ' ';
        return noticed;
}

/* ---- uuencode ---- */

#define UU_LINE_MAX 63 /* bytes that a line can encode */

static uint8_t uu_character(unsigned bits) {
        return bits & 0x3f ? (uint8_t)(' ' + (bits & 0x3f)) : '`';
}

static size_t uu_characters(size_t n) {
        return (n + 2) / 3 * 4;
}

/* How many bytes a line of size characters is to encode: as many as it did, if it is a line of
 * uuencode; else as many as fit. */
static size_t uu_bytes(const uint8_t *line, size_t size) {
        size_t n = (size_t)(line[0] - ' ') & 0x3f;

        if (line[0] >= ' ' && line[0] <= '`' && size >= 1 + uu_characters(n))
                return n;
        return MIN((size - 1) / 4 * 3, (size_t)UU_LINE_MAX);
}

static uint8_t uu_checksum(const uint8_t *data, size_t n) {
        unsigned sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += data[i];
        return uu_character(sum);
}

static size_t uu_decode(const uint8_t *line, size_t n, uint8_t ret[static UU_LINE_MAX]) {
        for (size_t i = 0; i < n; i++) {
                const uint8_t *c = line + 1 + i / 3 * 4 + i % 3;
                unsigned first = (unsigned)(c[0] - ' ') & 0x3f,
                         second = (unsigned)(c[1] - ' ') & 0x3f, shift = 2 + 2 * (i % 3);

                ret[i] = (uint8_t)(first << shift | second >> (6 - shift));
        }
        return n;
}

static void uu_write(uint8_t *line, size_t size, size_t n, const uint8_t *text) {
        uint8_t old[UU_LINE_MAX];
        size_t used = 1 + uu_characters(n);
        bool summed = n > 0 && size == used + 1 && line[0] >= ' ' && line[0] <= '`' &&
                      ((size_t)(line[0] - ' ') & 0x3f) == n &&
                      (line[used] == uu_checksum(old, uu_decode(line, n, old)) ||
                       (line[used] == ' ' && uu_checksum(old, n) == '`'));

        line[0] = uu_character((unsigned)n);
        for (size_t i = 0; i < n; i += 3) {
                uint32_t bits = 0;

                for (size_t k = 0; k < 3; k++)
                        bits = bits << 8 | (i + k < n ? text[i + k] : 0);
                for (size_t k = 0; k < 4; k++)
                        line[1 + i / 3 * 4 + k] = uu_character(bits >> (18 - 6 * k));
        }
        memset(line + used, ' ', size - used);
        if (summed)
                line[used] = uu_checksum(text, n);
}

/* Calls for each line that is not empty: first to count (text is NULL), then to write. */
static size_t uu_lines(const struct replace_body *body, const uint8_t *text) {
        size_t total = 0, next;

        for (size_t at = body->start; at < body->end; at = next) {
                size_t size = 0, n;

                while (at + size < body->end && !replace_is_line_end(body, at + size))
                        size++;
                next = at + MAX(size, (size_t)1);
                if (size == 0)
                        continue;
                n = uu_bytes(body->data + at, size);
                if (text)
                        uu_write(body->data + at, size, n, text + total);
                total += n;
        }
        return total;
}

int replace_uu(const struct replace_body *body, const char *notice) {
        const struct replace_style style = { .charset = MIME_ASCII };
        size_t size = uu_lines(body, NULL);
        _cleanup_free_ uint8_t *text = malloc(MAX(size, (size_t)1));

        bool noticed;

        if (!text)
                return -ENOMEM;
        noticed = replace_fill(&style, notice, text, size);
        (void)uu_lines(body, text);
        return noticed;
}
