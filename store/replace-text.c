/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the setting of a notice into lines that are there already: words go where there is room for
 * them. Must never make a line that could be taken for a boundary, mbox's From_ line or the
 * beginning of a uuencoded file; so those that might begin with a blank.
 */

#include "store/replace-private.h"

#include <stdio.h>

#include "store/text.h"
#include "store/util.h"

/* A word that is longer than a line is split over lines of at least this size. */
#define SPLIT_MIN ((size_t)30)

bool replace_is_line_end(const struct replace_body *body, size_t at) {
        return body->data[at] == '\n' ||
               (body->data[at] == '\r' && at + 1 < body->size && body->data[at + 1] == '\n');
}

/* ---- Characters ---- */

static size_t put_byte(const struct replace_style *style, uint8_t c, char *ret) {
        static const char hex[] = "0123456789ABCDEF";

        if (!style->quoted_printable || (c >= ' ' && c < 0x7f && c != '=')) {
                ret[0] = (char)c;
                return 1;
        }
        ret[0] = '=';
        ret[1] = hex[c >> 4];
        ret[2] = hex[c & 0xf];
        return 3;
}

static size_t put_bytes(const struct replace_style *style, const char *s, size_t size, char *ret) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++)
                n += put_byte(style, (uint8_t)s[i], ret + n);
        return n;
}

static const char *escape(char c) {
        switch (c) {
        case '&': return "&amp;";
        case '<': return "&lt;";
        case '>': return "&gt;";
        case '"': return "&quot;";
        default: return NULL;
        }
}

/* US-ASCII, escaped in HTML. */
static size_t put_ascii(const struct replace_style *style, const char *s, char *ret) {
        size_t n = 0;

        for (; *s; s++) {
                const char *escaped = style->html ? escape(*s) : NULL;

                if (escaped)
                        n += put_bytes(style, escaped, strlen(escaped), ret + n);
                else
                        n += put_byte(style, (uint8_t)*s, ret + n);
        }
        return n;
}

size_t replace_character(const struct replace_style *style, const char **s,
                         char ret[static REPLACE_CHARACTER_MAX]) {
        const char *at = *s;
        unsigned point = '?';
        size_t size = text_read(at, strlen(at), &point);
        char c;

        *s += MAX(size, (size_t)1);
        if (point >= 0x80 && style->charset == MIME_UTF8)
                return put_bytes(style, at, size, ret);
        if (point >= 0xa0 && point <= 0xff && style->charset == MIME_LATIN1) {
                c = (char)point;
                return put_bytes(style, &c, 1, ret);
        }
        if (point >= 0x80)
                return put_ascii(style, text_ascii(point), ret);
        return put_ascii(style, (const char[]){ (char)point, '\0' }, ret);
}

/* Size of the word at s, up to a blank or the line's end; where it ends in *ret_end. */
static size_t measure(const struct replace_style *style, const char *s, const char **ret_end) {
        char character[REPLACE_CHARACTER_MAX];
        size_t n = 0;

        while (*s && *s != ' ' && *s != '\n')
                n += replace_character(style, &s, character);
        *ret_end = s;
        return n;
}

/* ---- Setting ---- */

enum manner {
        MANNER_LINES, /* a new line for each of the notice's */
        MANNER_FLOW,  /* one behind the other */
        MANNER_FIRST, /* the first line only */
        _MANNER_MAX
};

struct setter {
        const struct replace_body *body;
        const struct replace_style *style;
        size_t at, line_end; /* what is left of the line */
        bool fresh;          /* nothing is in it */
};

static void enter_line(struct setter *s, size_t at) {
        s->at = s->line_end = at;
        while (s->line_end < s->body->end && !replace_is_line_end(s->body, s->line_end))
                s->line_end++;
        s->fresh = true;
}

/* False: that was the last one. */
static bool next_line(struct setter *s) {
        size_t at = s->line_end;

        if (at < s->body->end && s->body->data[at] == '\r')
                at++;
        if (at >= s->body->end)
                return false;
        enter_line(s, at + 1);
        return true;
}

static bool needs_blank(const struct setter *s, const char *word, const char *end) {
        static const char *const words[] = { "From", "begin", "end" };
        char c = word[0];

        if (s->style->indented)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if ((size_t)(end - word) == strlen(words[i]) &&
                    memcmp(word, words[i], (size_t)(end - word)) == 0)
                        return true;
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
}

static void write_bytes(struct setter *s, const char *data, size_t size) {
        memcpy(s->body->data + s->at, data, size);
        s->at += size;
        s->fresh = false;
}

/* A long word, character by character. */
static bool split_word(struct setter *s, const char *word, const char *end) {
        while (word < end) {
                char character[REPLACE_CHARACTER_MAX];
                size_t size = replace_character(s->style, &word, character);

                while (s->line_end - s->at < size + s->fresh || s->line_end == s->at)
                        if (!next_line(s))
                                return false;
                s->at += s->fresh;
                write_bytes(s, character, size);
        }
        return true;
}

static bool put_word(struct setter *s, const char *word, const char *end, size_t size) {
        for (;;) {
                size_t blank = s->fresh ? needs_blank(s, word, end) : 1, left = s->line_end - s->at;

                if (left >= size + blank) {
                        char character[REPLACE_CHARACTER_MAX];

                        s->at += blank;
                        while (word < end) {
                                size = replace_character(s->style, &word, character);
                                write_bytes(s, character, size);
                        }
                        return true;
                }
                if (s->fresh && left >= SPLIT_MIN)
                        return split_word(s, word, end);
                if (!next_line(s))
                        return false;
        }
}

/* A line break in HTML; between words, as a word. */
static bool put_break(struct setter *s) {
        static const char text[] = "<br>";
        size_t blank = s->fresh;

        while (s->line_end - s->at < sizeof(text) - 1 + blank) {
                if (!next_line(s))
                        return false;
                blank = 1;
        }
        s->at += blank;
        write_bytes(s, text, sizeof(text) - 1);
        return true;
}

static void blank_out(const struct replace_body *body) {
        for (size_t i = body->start; i < body->end; i++)
                if (!replace_is_line_end(body, i))
                        body->data[i] = ' ';
}

static bool set(const struct replace_body *body, const struct replace_style *style,
                enum manner manner, const char *notice) {
        struct setter s = { .body = body, .style = style };

        blank_out(body);
        enter_line(&s, body->start);
        while (*notice) {
                const char *end;
                size_t size;

                if (*notice == '\n') {
                        /* What follows the last line needs no room. */
                        if (manner == MANNER_FIRST || !notice[1])
                                return true;
                        if (style->html ? !put_break(&s) : manner == MANNER_LINES && !next_line(&s))
                                return false;
                        notice++;
                        continue;
                }
                if (*notice == ' ') {
                        notice++;
                        continue;
                }
                size = measure(style, notice, &end);
                if (!put_word(&s, notice, end, size))
                        return false;
                notice = end;
        }
        return true;
}

bool replace_text(const struct replace_body *body, const char *notice) {
        struct replace_style style = {
                .quoted_printable = body->part->encoding == MIME_QUOTED_PRINTABLE,
                .html = body->part->html,
                .indented = body->part->doubtful,
                .charset = body->part->charset,
        };

        for (enum manner manner = style.html ? MANNER_FLOW : MANNER_LINES;
             notice && manner < _MANNER_MAX; manner++)
                if (set(body, &style, manner, notice))
                        return true;
        blank_out(body);
        return false;
}

/* ---- Decoded text, for what is encoded as a whole ---- */

static bool fill(const struct replace_style *style, const char *notice, uint8_t *dst, size_t size,
                 bool first_only) {
        size_t n = 0;

        memset(dst, ' ', size);
        while (*notice && !(first_only && *notice == '\n')) {
                char text[REPLACE_CHARACTER_MAX];
                size_t length;

                if (*notice == '\n') {
                        length = (size_t)snprintf(text, sizeof(text), "%s\r\n",
                                                  style->html ? "<br>" : "");
                        notice++;
                } else
                        length = replace_character(style, &notice, text);
                if (length > size - n)
                        return false;
                memcpy(dst + n, text, length);
                n += length;
        }
        return true;
}

bool replace_fill(const struct replace_style *style, const char *notice, uint8_t *dst,
                  size_t size) {
        if (notice &&
            (fill(style, notice, dst, size, false) || fill(style, notice, dst, size, true)))
                return true;
        memset(dst, ' ', size);
        return false;
}
