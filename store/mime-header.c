/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the reading of a part's header: which lines can be of one, and what Content-Type,
 * Content-Disposition and Content-Transfer-Encoding say (RFC 2045, 2183, 2231). Must not know where
 * parts begin and end.
 */

#include "store/mime-private.h"

#include <strings.h>

#include "store/text.h"
#include "store/util.h"

/* Of a longer value, the rest is not looked at. */
#define VALUE_MAX ((size_t)2048)

struct value {
        char data[VALUE_MAX + 1];
        size_t at;
};

struct parameter {
        char name[32], value[VALUE_MAX + 1];
        size_t size; /* of the value */
};

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static char to_lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool mime_is_header_line(const uint8_t *line, size_t size, bool first) {
        size_t i = 0;

        if (size > 0 && is_blank((char)line[0])) {
                /* A blank line ends the header for some readers, and for others it does not. */
                for (i = 0; i < size && is_blank((char)line[i]); i++)
                        ;
                return !first && i < size;
        }
        while (i < size && line[i] > ' ' && line[i] < 0x7f && line[i] != ':')
                i++;
        if (i == 0)
                return false;
        while (i < size && is_blank((char)line[i]))
                i++;
        return i < size && line[i] == ':';
}

/* ---- Parameters ---- */

static void skip_blanks(struct value *v) {
        unsigned comments = 0;

        for (; v->data[v->at]; v->at++) {
                char c = v->data[v->at];

                if (c == '(')
                        comments++;
                else if (c == ')' && comments > 0)
                        comments--;
                else if (comments == 0 && !is_blank(c))
                        return;
        }
}

/* Token up to one of ends or a blank, in lower case; what does not fit is left out. */
static void read_token(struct value *v, const char *ends, char *ret, size_t size) {
        size_t n = 0;

        skip_blanks(v);
        for (; v->data[v->at] && !strchr(ends, v->data[v->at]) && !is_blank(v->data[v->at]);
             v->at++)
                if (n + 1 < size)
                        ret[n++] = to_lower(v->data[v->at]);
        ret[n] = '\0';
}

static void read_quoted(struct value *v, struct parameter *p) {
        for (v->at++; v->data[v->at] && v->data[v->at] != '"'; v->at++) {
                if (v->data[v->at] == '\\' && v->data[v->at + 1])
                        v->at++;
                p->value[p->size++] = v->data[v->at];
        }
}

static bool next_parameter(struct value *v, struct parameter *p) {
        skip_blanks(v);
        while (v->data[v->at] && v->data[v->at] != ';')
                v->at++;
        if (!v->data[v->at])
                return false;
        v->at++;
        p->size = 0;
        read_token(v, "=;", p->name, sizeof(p->name));
        skip_blanks(v);
        if (v->data[v->at] == '=') {
                v->at++;
                skip_blanks(v);
                if (v->data[v->at] == '"')
                        read_quoted(v, p);
                else
                        while (v->data[v->at] && v->data[v->at] != ';' && !is_blank(v->data[v->at]))
                                p->value[p->size++] = v->data[v->at++];
        }
        p->value[p->size] = '\0';
        return true;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c = to_lower(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2231: charset'language'text, with bytes as %XX. */
static void decode_extended(struct parameter *p) {
        const char *text = strchr(p->value, '\'');
        size_t n = 0;

        text = text ? strchr(text + 1, '\'') : NULL;
        text = text ? text + 1 : p->value;
        for (; *text; text++) {
                int high = *text == '%' ? hex_digit(text[1]) : -1;
                int low = high >= 0 ? hex_digit(text[2]) : -1;

                p->value[n++] = low < 0 ? *text : (char)(high << 4 | low);
                if (low >= 0)
                        text += 2;
        }
        p->size = n;
}

static void take_filename(struct parameter *p, struct mime_fields *f) {
        const char *name = p->value;

        if (p->name[strlen(p->name) - 1] == '*')
                decode_extended(p);
        for (size_t i = 0; i < p->size; i++)
                if (p->value[i] == '/' || p->value[i] == '\\')
                        name = p->value + i + 1;
        if (!f->filename[0])
                text_clean(name, p->size - (size_t)(name - p->value), f->filename,
                           sizeof(f->filename));
        f->attachment = true;
}

static bool is_filename(const char *name, const char *wanted) {
        const char *rest = startswith(name, wanted);

        return rest &&
               (streq(rest, "") || streq(rest, "*") || streq(rest, "*0") || streq(rest, "*0*"));
}

static enum mime_charset find_charset(const char *name) {
        static const struct {
                const char *name;
                enum mime_charset charset;
        } charsets[] = {
                { "utf-8", MIME_UTF8 },          { "utf8", MIME_UTF8 },
                { "iso-8859-1", MIME_LATIN1 },   { "latin1", MIME_LATIN1 },
                { "windows-1252", MIME_LATIN1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(charsets); i++)
                if (strcasecmp(name, charsets[i].name) == 0)
                        return charsets[i].charset;
        return MIME_ASCII;
}

/* ---- Fields ---- */

static void read_type(struct value *v, struct mime_fields *f) {
        struct parameter p;
        char type[MIME_TYPE_SIZE];
        const char *slash;

        read_token(v, ";", type, sizeof(type));
        slash = strchr(type, '/');
        if (slash && slash > type && slash[1])
                text_clean(type, strlen(type), f->type, sizeof(f->type));
        while (next_parameter(v, &p))
                if (streq(p.name, "boundary") && f->boundary_size == 0) {
                        while (p.size > 0 && is_blank(p.value[p.size - 1]))
                                p.size--;
                        if (p.size <= sizeof(f->boundary)) {
                                memcpy(f->boundary, p.value, p.size);
                                f->boundary_size = p.size;
                        }
                } else if (streq(p.name, "charset"))
                        f->charset = find_charset(p.value);
                else if (is_filename(p.name, "name"))
                        take_filename(&p, f);
}

static void read_disposition(struct value *v, struct mime_fields *f) {
        struct parameter p;
        char token[16];

        read_token(v, ";", token, sizeof(token));
        f->attachment |= streq(token, "attachment");
        while (next_parameter(v, &p))
                if (is_filename(p.name, "filename")) {
                        /* Goes before the name in Content-Type. */
                        if (p.size > 0)
                                f->filename[0] = '\0';
                        take_filename(&p, f);
                }
}

/* Returns whether 8-bit bytes may stand in the body. */
static bool read_encoding(struct value *v, struct mime_fields *f) {
        static const struct {
                const char *name;
                enum mime_encoding encoding;
                bool eight;
        } encodings[] = {
                { "7bit", MIME_IDENTITY, false },
                { "8bit", MIME_IDENTITY, true },
                { "binary", MIME_IDENTITY, true },
                { "base64", MIME_BASE64, true },
                { "quoted-printable", MIME_QUOTED_PRINTABLE, true },
                { "x-uuencode", MIME_UUENCODE, false },
                { "uuencode", MIME_UUENCODE, false },
                { "x-uue", MIME_UUENCODE, false },
        };
        char token[32];

        read_token(v, ";", token, sizeof(token));
        for (size_t i = 0; i < ELEMENTSOF(encodings); i++)
                if (streq(token, encodings[i].name)) {
                        f->encoding = encodings[i].encoding;
                        return encodings[i].eight;
                }
        return false;
}

/* The field's value from at on, unfolded; returns where the next field begins. */
static size_t read_value(const uint8_t *header, size_t size, size_t at, struct value *ret) {
        size_t n = 0;

        for (; at < size; at++) {
                uint8_t c = header[at];

                if (c == '\n' && at + 1 < size && !is_blank((char)header[at + 1]))
                        break;
                if (n < VALUE_MAX && c != '\r' && c != '\n')
                        ret->data[n++] = c < ' ' ? ' ' : (char)c;
        }
        ret->data[n] = '\0';
        ret->at = 0;
        return MIN(at + 1, size);
}

void mime_read_fields(const uint8_t *header, size_t size, const char *default_type,
                      struct mime_fields *ret) {
        static const char *const names[] = {
                "content-type",
                "content-disposition",
                "content-transfer-encoding",
        };
        struct mime_fields f = {};
        bool seen[ELEMENTSOF(names)] = {}, eight = false;

        for (size_t at = 0; at < size;) {
                size_t n = 0, which, next = mime_next_line(header, size, at);

                while (at + n < next && header[at + n] > ' ' && header[at + n] != ':')
                        n++;
                for (which = 0; which < ELEMENTSOF(names); which++)
                        if (strlen(names[which]) == n && !seen[which] &&
                            strncasecmp((const char *)header + at, names[which], n) == 0)
                                break;
                while (at + n < next && is_blank((char)header[at + n]))
                        n++;
                if (which < ELEMENTSOF(names) && at + n < next && header[at + n] == ':') {
                        struct value v;

                        seen[which] = true;
                        next = read_value(header, size, at + n + 1, &v);
                        if (which == 0)
                                read_type(&v, &f);
                        else if (which == 1)
                                read_disposition(&v, &f);
                        else
                                eight = read_encoding(&v, &f);
                }
                at = next;
        }
        if (!f.type[0])
                text_clean(default_type, strlen(default_type), f.type, sizeof(f.type));
        f.is_text = startswith(f.type, "text/") != NULL;
        f.html = streq(f.type, "text/html");
        f.attachment |= !f.is_text;
        if (!eight || !f.is_text)
                f.charset = MIME_ASCII;
        *ret = f;
}
