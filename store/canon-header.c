/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The grammar of a regular header and what becomes of each of its fields. Owns no state. Must not
 * be lenient: what is not known to be harmless makes a header irregular, which costs a scan.
 */

#include "store/canon-header.h"

#include <strings.h>

#include "store/util.h"

#define FIELDS_MAX          500
#define LEFT_OUT_MAX        100
#define LEFT_OUT_SIZE_MAX   (32 * 1024)
#define LEFT_OUT_FIELD_MAX  2048
#define SHORT_LINE_MAX      500
#define LENGTH_DIGITS_MAX   18 /* fits uint64_t */
#define NAME_LETTERS_LOOKED 256

struct line {
        const uint8_t *data;
        size_t size; /* without its end */
        enum line_end end;
};

/* What delivery, and mail servers that keep an mbox, write into a message. */
static const char *const left_out[] = {
        "Delivered-To",       "Delivery-Date", "Envelope-To",
        "Received",           "Return-Path",   "Status",
        "X-Cyrus-Session-Id", "X-IMAP",        "X-IMAPbase",
        "X-Keywords",         "X-Original-To", "X-Sieve",
        "X-Status",           "X-UID",         "X-UIDL",
};

/* Begin no file of another type than mail. */
static const char *const usual[] = {
        "ARC-Seal",
        "Authentication-Results",
        "Bcc",
        "Cc",
        "Content-Type",
        "Date",
        "DKIM-Signature",
        "From",
        "In-Reply-To",
        "List-Id",
        "Message-ID",
        "MIME-Version",
        "References",
        "Reply-To",
        "Sender",
        "Subject",
        "To",
        "User-Agent",
};

static bool is_blank(uint8_t c) {
        return c == ' ' || c == '\t';
}

static bool is_letter(uint8_t c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 5322 3.6.8 */
static bool is_name_character(uint8_t c) {
        return c > ' ' && c < 0x7f && c != ':';
}

static uint8_t lower(uint8_t c) {
        return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* ---- Lines ---- */

static struct line read_line(const uint8_t *data, size_t size) {
        const uint8_t *end = memchr(data, '\n', size);
        struct line line = { .data = data };

        if (!end) {
                line.size = size;
                return line;
        }
        line.end = end > data && end[-1] == '\r' ? LINE_END_CRLF : LINE_END_LF;
        line.size = (size_t)(end - data) - (line.end == LINE_END_CRLF);
        return line;
}

static size_t full_size(const struct line *line) {
        return line->size + (size_t)line->end;
}

static bool begins_with(const uint8_t *data, size_t size, const char *text) {
        return size >= strlen(text) && memcmp(data, text, strlen(text)) == 0;
}

/* For the most lenient reader: a name, perhaps blanks, a colon. */
static bool looks_like_field(const uint8_t *data, size_t size) {
        size_t i = 0;

        while (i < size && data[i] != ':' && !is_blank(data[i]))
                i++;
        if (i == 0)
                return false;
        while (i < size && is_blank(data[i]))
                i++;
        return i < size && data[i] == ':';
}

static bool check_characters(const struct line *line, struct canon_field *field) {
        for (size_t i = 0; i < line->size; i++) {
                uint8_t c = line->data[i];

                if ((c < ' ' && c != '\t') || c == 0x7f)
                        return false;
                if (c >= 0x80)
                        field->eight_bit = true;
        }
        if (line->size > SHORT_LINE_MAX)
                field->long_line = true;
        return true;
}

static bool check_continuation(const struct line *line, struct canon_field *field) {
        const uint8_t *p = line->data;
        size_t n = line->size;

        while (n > 0 && is_blank(*p))
                p++, n--;
        if (n == 0 || begins_with(p, n, "--") || begins_with(p, n, "begin "))
                return false;
        if (looks_like_field(p, n))
                field->hidden = true;
        return true;
}

/* ---- Fields ---- */

bool canon_field_is_one_of(const struct canon_field *field, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strlen(names[i]) == field->name &&
                    strncasecmp((const char *)field->data, names[i], field->name) == 0)
                        return true;
        return false;
}

bool canon_name_is_about_content(const uint8_t *name, size_t size) {
        char letters[NAME_LETTERS_LOOKED + 1];
        size_t n = 0;

        for (size_t i = 0; i < size; i++) {
                if (!is_letter(name[i]))
                        continue;
                if (n == NAME_LETTERS_LOOKED)
                        return true; /* a name so long is no use */
                letters[n++] = (char)lower(name[i]);
        }
        letters[n] = '\0';
        return strstr(letters, "content") || strstr(letters, "mime") || strstr(letters, "encoding");
}

static bool is_about_content(const struct canon_field *field) {
        return canon_name_is_about_content(field->data, field->name);
}

/* The value of "Content-Length: 123"; false: it is anything else. */
static bool parse_length(const struct canon_field *field, uint64_t *ret) {
        static const char name[] = "Content-Length";
        const char *const names[] = { name };
        const struct line line = read_line(field->data, field->size);
        size_t i = field->name + 1, digits = 0;
        uint64_t value = 0;

        if (field->lines != 1 || !canon_field_is_one_of(field, names, 1))
                return false;
        while (i < line.size && is_blank(line.data[i]))
                i++;
        for (; i < line.size && line.data[i] >= '0' && line.data[i] <= '9'; i++, digits++) {
                if (digits == LENGTH_DIGITS_MAX)
                        return false;
                value = value * 10 + (uint64_t)(line.data[i] - '0');
        }
        /* A leading zero is octal to some. */
        if (digits == 0 || i != line.size || (digits > 1 && line.data[i - digits] == '0'))
                return false;
        *ret = value;
        return true;
}

static enum canon_treatment choose(const struct canon_field *field) {
        uint64_t length;

        if (parse_length(field, &length))
                return CANON_LENGTH;
        if (field->hidden || field->long_line)
                return CANON_EXACT;
        if (!field->eight_bit && canon_field_is_one_of(field, left_out, ELEMENTSOF(left_out)))
                return CANON_LEFT_OUT;
        return is_about_content(field) ? CANON_EXACT : CANON_RELAXED;
}

bool canon_field_read(const uint8_t *data, size_t size, enum line_end ends,
                      struct canon_field *ret) {
        struct canon_field field = { .data = data };
        struct line line = read_line(data, size);

        while (field.name < line.size && is_name_character(line.data[field.name]))
                field.name++;
        if (field.name == 0 || field.name == line.size || line.data[field.name] != ':' ||
            begins_with(line.data, line.size, "--"))
                return false;
        for (;;) {
                if (line.end != ends || !check_characters(&line, &field))
                        return false;
                field.size += full_size(&line);
                field.lines++;
                if (field.size == size || !is_blank(data[field.size]))
                        break;
                line = read_line(data + field.size, size - field.size);
                if (!check_continuation(&line, &field))
                        return false;
        }
        field.treatment = choose(&field);
        *ret = field;
        return true;
}

/* ---- The header ---- */

size_t canon_header_find_end(const uint8_t *data, size_t size, size_t *at) {
        /* *at is always the beginning of a line. */
        while (*at < size) {
                const uint8_t *line = data + *at, *end = memchr(line, '\n', size - *at);

                if (!end)
                        return 0;
                *at = (size_t)(end - data) + 1;
                if (end == line || (end == line + 1 && *line == '\r'))
                        return *at;
        }
        return 0;
}

struct tally {
        unsigned fields, left_out;
        size_t left_out_size;
        bool after_content; /* the last field that is kept is about content */
        bool any_kept, first_left_out;
};

static bool count_left_out(struct tally *tally, const struct canon_field *field) {
        tally->left_out++;
        tally->left_out_size += field->size;
        return tally->left_out <= LEFT_OUT_MAX && tally->left_out_size <= LEFT_OUT_SIZE_MAX &&
               field->size <= LEFT_OUT_FIELD_MAX && !(field->lines > 1 && tally->after_content);
}

static void count_kept(struct tally *tally, const struct canon_field *field,
                       struct canon_header *header) {
        if (!tally->any_kept)
                header->hides_magic = tally->first_left_out &&
                                      !canon_field_is_one_of(field, usual, ELEMENTSOF(usual));
        tally->any_kept = true;
        tally->after_content = is_about_content(field);
}

static bool count(struct tally *tally, const struct canon_field *field,
                  struct canon_header *header) {
        if (++tally->fields > FIELDS_MAX)
                return false;
        if (field->treatment == CANON_LENGTH) {
                if (header->has_length)
                        return false;
                header->has_length = parse_length(field, &header->content_length);
        }
        if (field->treatment == CANON_RELAXED || field->treatment == CANON_EXACT) {
                count_kept(tally, field, header);
                return true;
        }
        if (tally->fields == 1)
                header->hides_magic = tally->first_left_out = true;
        return count_left_out(tally, field);
}

bool canon_header_check(const uint8_t *data, size_t size, struct canon_header *ret) {
        struct canon_header header = {};
        struct tally tally = {};

        if (size > 0)
                header.ends = read_line(data, size).end;
        while (size > 0) {
                struct line line = read_line(data, size);
                struct canon_field field;

                if (line.size == 0 && line.end != LINE_END_NONE) {
                        if (line.end != header.ends)
                                return false;
                        header.complete = true;
                        break;
                }
                if (header.ends == LINE_END_NONE ||
                    !canon_field_read(data, size, header.ends, &field) ||
                    !count(&tally, &field, &header))
                        return false;
                data += field.size;
                size -= field.size;
        }
        *ret = header;
        return true;
}

int canon_field_write_relaxed(const struct canon_field *field, canon_put_t put, void *userdata) {
        const uint8_t *p = field->data + field->name + 1, *end = field->data + field->size;
        uint8_t name[64];
        bool first = true;
        int r = 0;

        for (size_t i = 0; i < field->name && r == 0;) {
                size_t n = 0;

                while (n < sizeof(name) && i < field->name)
                        name[n++] = lower(field->data[i++]);
                r = put(userdata, name, n);
        }
        if (r == 0)
                r = put(userdata, ":", 1);
        while (r == 0) {
                const uint8_t *word;

                /* The only control characters here are those of folds. */
                while (p < end && *p <= ' ')
                        p++;
                if (p == end)
                        break;
                for (word = p; p<end && * p> ' ';)
                        p++;
                if (!first)
                        r = put(userdata, " ", 1);
                if (r == 0)
                        r = put(userdata, word, (size_t)(p - word));
                first = false;
        }
        return r == 0 ? put(userdata, "\r\n", 2) : r;
}

/* "Rname:a b c" CRLF. */
static int write_relaxed(const struct canon_field *field, canon_put_t put, void *userdata) {
        int r = put(userdata, "R", 1);

        return r == 0 ? canon_field_write_relaxed(field, put, userdata) : r;
}

/* "E" and the lines, each with CRLF. */
static int write_exact(const struct canon_field *field, canon_put_t put, void *userdata) {
        int r = put(userdata, "E", 1);

        for (size_t at = 0; at < field->size && r == 0;) {
                struct line line = read_line(field->data + at, field->size - at);

                r = put(userdata, line.data, line.size);
                if (r == 0)
                        r = put(userdata, "\r\n", 2);
                at += full_size(&line);
        }
        return r;
}

int canon_header_write(const uint8_t *data, size_t size, canon_put_t put, void *userdata) {
        enum line_end ends = size > 0 ? read_line(data, size).end : LINE_END_NONE;
        bool any_kept = false;
        int r = 0;

        while (size > 0 && r == 0) {
                struct canon_field field;

                /* The empty line. */
                if (!canon_field_read(data, size, ends, &field))
                        break;
                data += field.size;
                size -= field.size;
                if (field.treatment == CANON_LEFT_OUT || field.treatment == CANON_LENGTH)
                        continue;
                /* A magic may depend on letters' case. */
                if (!any_kept && !canon_field_is_one_of(&field, usual, ELEMENTSOF(usual)))
                        field.treatment = CANON_EXACT;
                any_kept = true;
                r = field.treatment == CANON_EXACT ? write_exact(&field, put, userdata)
                                                   : write_relaxed(&field, put, userdata);
        }
        return r;
}
