/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the reading of file names. Must not know which of them are wanted. */

#include "store/filenames.h"

#include <strings.h>

#include "store/util.h"

/* The end of a name says what it is: what does not fit pushes out the middle. */
struct text {
        char data[FILENAME_SIZE_MAX];
        size_t n;
};

struct reader {
        const char *p, *end;
        filename_fn found;
        void *userdata;
        struct text joined; /* pieces so far */
        unsigned pieces;
};

static void put(struct text *t, char c) {
        if (t->n == sizeof(t->data)) {
                size_t half = sizeof(t->data) / 2;

                memmove(t->data + half / 2, t->data + half, half);
                t->n = half / 2 + half;
        }
        t->data[t->n++] = c;
}

static int hex_digit(char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

/* %41 with mark '%', =41 with '='. */
static void decode_hex(const char *s, size_t n, char mark, struct text *ret) {
        for (size_t i = 0; i < n; i++) {
                int high = s[i] == mark && n - i > 2 ? hex_digit(s[i + 1]) : -1;
                int low = high >= 0 ? hex_digit(s[i + 2]) : -1;

                put(ret, low >= 0                     ? (char)(high << 4 | low)
                         : mark == '=' && s[i] == '_' ? ' '
                                                      : s[i]);
                if (low >= 0)
                        i += 2;
        }
}

static void decode_base64(const char *s, size_t n, struct text *ret) {
        unsigned bits = 0, have = 0;

        for (size_t i = 0; i < n; i++) {
                char c = s[i];
                int v = c >= 'A' && c <= 'Z'   ? c - 'A'
                        : c >= 'a' && c <= 'z' ? c - 'a' + 26
                        : c >= '0' && c <= '9' ? c - '0' + 52
                        : c == '+'             ? 62
                        : c == '/'             ? 63
                                               : -1;

                if (v < 0)
                        continue;
                bits = bits << 6 | (unsigned)v;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        put(ret, (char)(bits >> have & 0xff));
                }
        }
}

/* The encoded word that s begins with; returns its size, 0: it is none. */
static size_t decode_word(const char *s, size_t n, struct text *ret) {
        const char *end = s + n, *charset_end, *text, *stop;

        if (n < 8 || s[0] != '=' || s[1] != '?')
                return 0;
        charset_end = memchr(s + 2, '?', n - 2);
        if (!charset_end || end - charset_end < 5 || charset_end[2] != '?')
                return 0;
        text = charset_end + 3;
        for (stop = text; stop + 1 < end && !(stop[0] == '?' && stop[1] == '='); stop++)
                ;
        if (stop + 1 >= end)
                return 0;
        if (charset_end[1] == 'B' || charset_end[1] == 'b')
                decode_base64(text, (size_t)(stop - text), ret);
        else if (charset_end[1] == 'Q' || charset_end[1] == 'q')
                decode_hex(text, (size_t)(stop - text), '=', ret);
        else
                return 0;
        return (size_t)(stop + 2 - s);
}

static void decode_words(const char *s, size_t n, struct text *ret) {
        bool after_word = false;

        for (size_t i = 0, k; i < n; i += k) {
                k = decode_word(s + i, n - i, ret);
                if (k > 0) {
                        after_word = true;
                        continue;
                }
                k = 1;
                /* Blanks between encoded words are none. */
                if (after_word && (s[i] == ' ' || s[i] == '\t'))
                        continue;
                after_word = false;
                put(ret, s[i]);
        }
}

/* One name, in every form it can be read in. */
static void tell(const struct reader *r, const struct text *t) {
        struct text decoded = {}, inner = {};

        r->found(r->userdata, t->data, t->n);
        if (memchr(t->data, '%', t->n)) {
                decode_hex(t->data, t->n, '%', &decoded);
                r->found(r->userdata, decoded.data, decoded.n);
        }
        if (t->n >= 2 && memmem(t->data, t->n, "=?", 2)) {
                decode_words(t->data, t->n, &inner);
                r->found(r->userdata, inner.data, inner.n);
        }
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct reader *r) {
        while (r->p < r->end && is_blank(*r->p))
                r->p++;
}

/* Line ends of a folded value are none of its characters. */
static void read_value(struct reader *r, struct text *ret) {
        skip_blanks(r);
        if (r->p < r->end && *r->p == '"') {
                for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
                        if (*r->p == '\\' && r->p + 1 < r->end)
                                r->p++;
                        if (*r->p != '\r' && *r->p != '\n')
                                put(ret, *r->p);
                }
                return;
        }
        /* Unquoted names with blanks in them are met, and read in either way. */
        for (; r->p < r->end && *r->p != ';' && *r->p != '\n'; r->p++)
                if (*r->p != '\r')
                        put(ret, *r->p);
}

/* At what stands behind "name": "*", "*0", "*0*", then "=". False: it is no parameter. */
static bool read_equals(struct reader *r, bool *ret_piece) {
        const char *p = r->p;

        while (p < r->end && (*p == '*' || (*p >= '0' && *p <= '9') || is_blank(*p)))
                p++;
        if (p == r->end || *p != '=')
                return false;
        *ret_piece = memchr(r->p, '*', (size_t)(p - r->p)) != NULL;
        r->p = p + 1;
        return true;
}

static void take_piece(struct reader *r, const struct text *value) {
        for (size_t i = 0; i < value->n; i++)
                put(&r->joined, value->data[i]);
        if (++r->pieces > 1)
                tell(r, &r->joined);
}

/* Whether names are looked for in the field that begins at p: those about the content, and whatever
 * has no name of its own. */
static bool is_about_content(const char *p, const char *end) {
        const char *name = p;

        while (p < end && *p != ':' && *p != '\n')
                p++;
        if (p == end || *p == '\n')
                return true;
        for (; p - name >= 7; name++)
                if (strncasecmp(name, "content", 7) == 0)
                        return true;
        return false;
}

static const char *next_field(const char *p, const char *end) {
        do {
                p = memchr(p, '\n', (size_t)(end - p));
                p = p ? p + 1 : end;
        } while (p < end && is_blank(*p));
        return p;
}

void filenames_read(const void *header, size_t size, filename_fn found, void *userdata) {
        struct reader r = {
                .p = header,
                .end = (const char *)header + size,
                .found = found,
                .userdata = userdata,
        };

        if (!is_about_content(r.p, r.end))
                r.p = next_field(r.p, r.end);
        while (r.end - r.p > 4) {
                struct text value = {};
                bool piece;

                if (r.p > (const char *)header && r.p[-1] == '\n' && !is_blank(*r.p) &&
                    !is_about_content(r.p, r.end)) {
                        r.p = next_field(r.p, r.end);
                        continue;
                }

                if (strncasecmp(r.p, "name", 4) != 0) {
                        r.p++;
                        continue;
                }
                r.p += 4;
                if (!read_equals(&r, &piece))
                        continue;
                read_value(&r, &value);
                tell(&r, &value);
                /* Up to its first blank, as those read it who know no blanks without quotes. */
                for (size_t i = 0; i < value.n; i++)
                        if (is_blank(value.data[i])) {
                                found(userdata, value.data, i);
                                break;
                        }
                if (piece)
                        take_piece(&r, &value);
        }
}
