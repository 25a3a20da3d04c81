/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing: fixed buffers on the stack, no allocation. Must not fail: any bytes give a text. */

#include "store/context.h"

#include <strings.h>

#include "store/text.h"
#include "store/util.h"

/* Of a value that is longer, the beginning is enough to fill what is wanted. */
#define VALUE_MAX 2048

struct buffer {
        char data[VALUE_MAX];
        size_t size;
};

static void append(struct buffer *buffer, unsigned char c) {
        if (buffer->size < sizeof(buffer->data))
                buffer->data[buffer->size++] = (char)c;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- Characters ---- */

/* As much of the value as out holds with its NUL, without blanks around it. */
static void write_printable(const struct buffer *value, char *out, size_t room) {
        size_t at = 0, end = value->size, used = 0;

        while (at < end && is_blank(value->data[at]))
                at++;
        while (end > at && is_blank(value->data[end - 1]))
                end--;
        while (at < end) {
                unsigned point = 0;
                size_t n = text_read(value->data + at, end - at, &point);
                bool good = n > 0 && text_is_printable(point);
                size_t taken = good ? n : 1;

                if (used + taken >= room)
                        break;
                if (good)
                        memcpy(out + used, value->data + at, n);
                else
                        out[used] = '?';
                used += taken;
                at += MAX(n, (size_t)1);
        }
        out[used] = '\0';
}

/* ---- Encoded words ---- */

enum charset { CHARSET_UTF8, CHARSET_LATIN1, CHARSET_OTHER };

struct word {
        enum charset charset;
        char encoding; /* 'B' or 'Q' */
        const char *text;
        size_t text_size, size; /* of the text; of all */
};

static enum charset read_charset(const char *s, size_t size) {
        static const struct {
                const char *name;
                enum charset charset;
        } names[] = {
                { "utf-8", CHARSET_UTF8 },
                { "utf8", CHARSET_UTF8 },
                { "us-ascii", CHARSET_UTF8 },
                { "iso-8859-1", CHARSET_LATIN1 },
        };
        const char *language = memchr(s, '*', size); /* RFC 2231 section 5 */

        if (language)
                size = (size_t)(language - s);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i].name) == size && strncasecmp(s, names[i].name, size) == 0)
                        return names[i].charset;
        return CHARSET_OTHER;
}

/* "=?charset?B?text?=" */
static bool read_word(const char *s, size_t size, struct word *ret) {
        const char *end = s + size, *p, *charset;
        struct word word = {};

        if (size < 2 || s[0] != '=' || s[1] != '?')
                return false;
        charset = s + 2;
        p = memchr(charset, '?', (size_t)(end - charset));
        if (!p || end - p < 3 || p[2] != '?')
                return false;
        word.charset = read_charset(charset, (size_t)(p - charset));
        word.encoding = p[1] == 'b' ? 'B' : p[1] == 'q' ? 'Q' : p[1];
        word.text = p + 3;
        p = memchr(word.text, '?', (size_t)(end - word.text));
        if (!p || p + 1 == end || p[1] != '=')
                return false;
        word.text_size = (size_t)(p - word.text);
        word.size = (size_t)(p + 2 - s);
        if (word.charset == CHARSET_OTHER || (word.encoding != 'B' && word.encoding != 'Q'))
                return false;
        *ret = word;
        return true;
}

static void append_as(struct buffer *to, enum charset charset, unsigned char c) {
        if (charset == CHARSET_LATIN1 && c >= 0x80) {
                append(to, (unsigned char)(0xc0 | c >> 6));
                c = (unsigned char)(0x80 | (c & 0x3f));
        }
        append(to, c);
}

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -EINVAL;
}

static int base64_value(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -EINVAL;
}

static void decode_q(const struct word *word, struct buffer *to) {
        for (size_t i = 0; i < word->text_size; i++) {
                char c = word->text[i];

                if (c == '=' && word->text_size - i > 2 && hex_value(word->text[i + 1]) >= 0 &&
                    hex_value(word->text[i + 2]) >= 0) {
                        c = (char)(hex_value(word->text[i + 1]) * 16 +
                                   hex_value(word->text[i + 2]));
                        i += 2;
                } else if (c == '_')
                        c = ' ';
                append_as(to, word->charset, (unsigned char)c);
        }
}

static void decode_b(const struct word *word, struct buffer *to) {
        uint32_t bits = 0;
        unsigned have = 0;

        for (size_t i = 0; i < word->text_size; i++) {
                int value = base64_value(word->text[i]);

                if (value < 0)
                        continue;
                bits = bits << 6 | (uint32_t)value;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        append_as(to, word->charset, (unsigned char)(bits >> have));
                }
        }
}

/* Blanks between encoded words belong to neither. */
static void decode_words(const struct buffer *from, struct buffer *to) {
        bool after_word = false;

        for (size_t i = 0; i < from->size;) {
                size_t next = i;
                struct word word;

                while (next < from->size && is_blank(from->data[next]))
                        next++;
                if (!read_word(from->data + next, from->size - next, &word)) {
                        after_word = false;
                        append(to, (unsigned char)from->data[i++]);
                        continue;
                }
                for (; i < next; i++)
                        if (!after_word)
                                append(to, ' ');
                if (word.encoding == 'B')
                        decode_b(&word, to);
                else
                        decode_q(&word, to);
                i += word.size;
                after_word = true;
        }
}

/* ---- Fields ---- */

/* Length of the line at data with its LF, or of all there is. */
static size_t line_length(const char *data, size_t size) {
        const char *lf = memchr(data, '\n', size);

        return lf ? (size_t)(lf - data) + 1 : size;
}

/* Length of the field at data, continuation lines and all. */
static size_t field_length(const char *data, size_t size) {
        size_t n = line_length(data, size);

        while (n < size && (data[n] == ' ' || data[n] == '\t'))
                n += line_length(data + n, size - n);
        return n;
}

/* The value without folds: runs of ends of lines and blanks are one blank. */
static void unfold(const char *data, size_t size, struct buffer *to) {
        for (size_t i = 0; i < size; i++)
                if (!is_blank(data[i]))
                        append(to, (unsigned char)data[i]);
                else if (to->size > 0 && to->data[to->size - 1] != ' ')
                        append(to, ' ');
}

static void read_value(const char *data, size_t size, bool words, char *out, size_t room) {
        struct buffer value, decoded;

        if (out[0] != '\0')
                return;
        value.size = decoded.size = 0;
        unfold(data, size, &value);
        if (words)
                decode_words(&value, &decoded);
        write_printable(words ? &decoded : &value, out, room);
}

void context_read(const void *data, size_t size, struct context *ret) {
        const struct {
                const char *name;
                bool words;
                char *out;
                size_t room;
        } fields[] = {
                { "message-id:", false, ret->message_id, sizeof(ret->message_id) },
                { "from:", true, ret->from, sizeof(ret->from) },
                { "subject:", true, ret->subject, sizeof(ret->subject) },
        };
        const char *p = data, *end = p + MIN(size, CONTEXT_LOOKED);

        *ret = (struct context){};
        while (p < end && *p != '\n' && !(*p == '\r' && end - p > 1 && p[1] == '\n')) {
                size_t n = field_length(p, (size_t)(end - p));

                for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                        size_t name = strlen(fields[i].name);

                        if (n >= name && strncasecmp(p, fields[i].name, name) == 0)
                                read_value(p + name, n - name, fields[i].words, fields[i].out,
                                           fields[i].room);
                }
                p += n;
        }
}
