/* SPDX-License-Identifier: Apache-2.0 */

/* The record of an item in quarantine: one table of its lines. Owns no state, opens no files. */

#include "store/quarantine.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/util.h"

#define MAGIC "storescan-quarantine: 1\n"

enum line_kind { LINE_STATE, LINE_TEXT, LINE_NUMBER, LINE_NUMBER32, LINE_FLAG, LINE_HEX };

struct line {
        const char *key;
        enum line_kind kind;
        size_t offset, size; /* of the field */
};

#define FIELD(member) offsetof(struct quarantine, member), sizeof(((struct quarantine *)0)->member)
#define LINE(key, kind, member) \
        { key, kind, FIELD(member) }

/* clang-format off */
static const struct line lines[] = {
        LINE("state",      LINE_STATE,    state),
        LINE("store",      LINE_TEXT,     store),
        LINE("format",     LINE_TEXT,     format),
        LINE("path",       LINE_TEXT,     path),
        LINE("device",     LINE_NUMBER,   dev),
        LINE("inode",      LINE_NUMBER,   ino),
        LINE("offset",     LINE_NUMBER,   offset),
        LINE("size",       LINE_NUMBER,   size),
        LINE("opaque",     LINE_FLAG,     opaque),
        LINE("original",   LINE_HEX,      original),
        LINE("replaced",   LINE_HEX,      replaced),
        LINE("content",    LINE_HEX,      content),
        LINE("signature",  LINE_TEXT,     signature),
        LINE("generation", LINE_HEX,      generation.id),
        LINE("uid",        LINE_NUMBER32, uid),
        LINE("gid",        LINE_NUMBER32, gid),
        LINE("mode",       LINE_NUMBER32, mode),
        LINE("mtime",      LINE_NUMBER,   mtime_sec),
        LINE("time",       LINE_NUMBER,   time_usec),
        LINE("message-id", LINE_TEXT,     context.message_id),
        LINE("from",       LINE_TEXT,     context.from),
        LINE("subject",    LINE_TEXT,     context.subject),
};
/* clang-format on */

static const char *const states[] = {
        [QUARANTINE_REPLACING] = "replacing",
        [QUARANTINE_REPLACED] = "replaced",
        [QUARANTINE_LEFT] = "left",
        [QUARANTINE_RELEASED] = "released",
};

const char *quarantine_state_name(enum quarantine_state state) {
        return (unsigned)state < ELEMENTSOF(states) ? states[state] : "invalid";
}

/* ---- Writing ---- */

struct out {
        char *text;
        size_t n;
        bool full;
};

static void put(struct out *out, const char *s, size_t n) {
        if (n > QUARANTINE_TEXT_MAX - 1 - out->n) {
                out->full = true;
                return;
        }
        memcpy(out->text + out->n, s, n);
        out->n += n;
}

static void put_text(struct out *out, const char *s, size_t size) {
        for (size_t i = 0; i < size && s[i] != '\0'; i++) {
                unsigned char c = (unsigned char)s[i];
                char escaped[5];

                if (c >= ' ' && c < 0x7f && c != '\\')
                        put(out, &s[i], 1);
                else {
                        (void)snprintf(escaped, sizeof(escaped), "\\x%02x", c);
                        put(out, escaped, 4);
                }
        }
}

static void put_field(struct out *out, const struct line *line, const void *field) {
        char text[32];
        uint64_t number = 0;

        switch (line->kind) {
        case LINE_STATE: {
                const char *name = quarantine_state_name(*(const enum quarantine_state *)field);

                put(out, name, strlen(name));
                return;
        }
        case LINE_TEXT: put_text(out, field, line->size); return;
        case LINE_HEX:
                for (size_t i = 0; i < line->size; i++) {
                        (void)snprintf(text, sizeof(text), "%02x", ((const uint8_t *)field)[i]);
                        put(out, text, 2);
                }
                return;
        case LINE_NUMBER: number = *(const uint64_t *)field; break;
        case LINE_NUMBER32: number = *(const uint32_t *)field; break;
        case LINE_FLAG: number = *(const bool *)field; break;
        default: break;
        }
        put(out, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, number));
}

int quarantine_format(const struct quarantine *record, char ret_text[static QUARANTINE_TEXT_MAX]) {
        struct out out = { .text = ret_text };

        if ((unsigned)record->state >= _QUARANTINE_STATE_MAX)
                return -EINVAL;
        put(&out, MAGIC, strlen(MAGIC));
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                put(&out, lines[i].key, strlen(lines[i].key));
                put(&out, ": ", 2);
                put_field(&out, &lines[i], (const char *)record + lines[i].offset);
                put(&out, "\n", 1);
        }
        ret_text[out.n] = '\0';
        return out.full ? -EINVAL : (int)out.n;
}

/* ---- Reading ---- */

static int hex_digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_byte(const char *s) {
        int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);

        return low < 0 ? -1 : high << 4 | low;
}

/* What would be written otherwise is refused: one record has one text. */
static int take_text(const char *s, size_t n, char *field, size_t size) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
                int c = (unsigned char)s[i];

                if (c < ' ' || c >= 0x7f || k + 1 >= size)
                        return -EINVAL;
                if (c == '\\') {
                        if (n - i < 4 || s[i + 1] != 'x')
                                return -EINVAL;
                        c = hex_byte(s + i + 2);
                        if (c <= 0 || (c >= ' ' && c < 0x7f && c != '\\'))
                                return -EINVAL;
                        i += 3;
                }
                field[k++] = (char)c;
        }
        return 0;
}

static int take_number(const char *s, size_t n, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;

        if (n == 0 || (n > 1 && s[0] == '0'))
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                unsigned digit = (unsigned)(s[i] - '0');

                if (digit > 9 || digit > max || v > (max - digit) / 10)
                        return -EINVAL;
                v = v * 10 + digit;
        }
        *ret = v;
        return 0;
}

static int take_field(const struct line *line, const char *s, size_t n, void *field) {
        uint64_t number;
        int r;

        switch (line->kind) {
        case LINE_STATE:
                for (unsigned i = 0; i < ELEMENTSOF(states); i++)
                        if (strlen(states[i]) == n && memcmp(states[i], s, n) == 0) {
                                *(enum quarantine_state *)field = i;
                                return 0;
                        }
                return -EINVAL;
        case LINE_TEXT: return take_text(s, n, field, line->size);
        case LINE_HEX:
                if (n != 2 * line->size)
                        return -EINVAL;
                for (size_t i = 0; i < line->size; i++) {
                        r = hex_byte(s + 2 * i);
                        if (r < 0)
                                return -EINVAL;
                        ((uint8_t *)field)[i] = (uint8_t)r;
                }
                return 0;
        case LINE_NUMBER: return take_number(s, n, UINT64_MAX, field);
        case LINE_NUMBER32:
                r = take_number(s, n, UINT32_MAX, &number);
                if (r == 0)
                        *(uint32_t *)field = (uint32_t)number;
                return r;
        case LINE_FLAG:
                r = take_number(s, n, 1, &number);
                if (r == 0)
                        *(bool *)field = number;
                return r;
        default: return -EINVAL;
        }
}

int quarantine_parse(const char *text, size_t size, struct quarantine *ret, unsigned *ret_line) {
        struct quarantine record = {};
        const char *p = text, *end = text + size;

        *ret_line = 1;
        if (size < strlen(MAGIC) || memcmp(p, MAGIC, strlen(MAGIC)) != 0)
                return -EINVAL;
        p += strlen(MAGIC);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                const char *eol = memchr(p, '\n', (size_t)(end - p));
                size_t key = strlen(lines[i].key);

                ++*ret_line;
                if (!eol || (size_t)(eol - p) < key + 2 || memcmp(p, lines[i].key, key) != 0 ||
                    memcmp(p + key, ": ", 2) != 0 ||
                    take_field(&lines[i], p + key + 2, (size_t)(eol - p) - key - 2,
                               (char *)&record + lines[i].offset) < 0)
                        return -EINVAL;
                p = eol + 1;
        }
        if (p != end) {
                ++*ret_line;
                return -EINVAL;
        }
        *ret = record;
        return 0;
}

/* ---- Ids ---- */

void quarantine_id(uint64_t time_usec, uint64_t random, char ret_id[static QUARANTINE_ID_SIZE]) {
        (void)snprintf(ret_id, QUARANTINE_ID_SIZE, "%016" PRIx64 "-%016" PRIx64, time_usec, random);
}

bool quarantine_id_valid(const char *id) {
        if (strlen(id) != QUARANTINE_ID_SIZE - 1)
                return false;
        for (size_t i = 0; i < QUARANTINE_ID_SIZE - 1; i++)
                if (i == 16 ? id[i] != '-' : hex_digit(id[i]) < 0)
                        return false;
        return true;
}
