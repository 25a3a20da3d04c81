/* SPDX-License-Identifier: Apache-2.0 */

/* Escaping of hostile bytes; decides by code point, so that what is legible stays legible. */

#include "daemon/ctl/escape.h"

#include <stdint.h>
#include <stdio.h>

#include "store/util.h"

static bool continuation(const char *s, size_t size, size_t i) {
        return i < size && ((unsigned char)s[i] & 0xc0) == 0x80;
}

size_t utf8_character(const char *s, size_t size, unsigned *ret_point) {
        static const struct {
                unsigned char mask, lead;
                unsigned min; /* smaller ones are overlong */
        } forms[] = {
                { 0x80, 0x00, 0 },
                { 0xe0, 0xc0, 0x80 },
                { 0xf0, 0xe0, 0x800 },
                { 0xf8, 0xf0, 0x10000 },
        };

        for (size_t n = 1; size > 0 && n <= ELEMENTSOF(forms); n++) {
                unsigned char c = (unsigned char)s[0];
                unsigned point;

                if ((c & forms[n - 1].mask) != forms[n - 1].lead)
                        continue;
                point = c & (unsigned char)~forms[n - 1].mask;
                for (size_t i = 1; i < n; i++) {
                        if (!continuation(s, size, i))
                                return 0;
                        point = point << 6 | ((unsigned char)s[i] & 0x3f);
                }
                if (point < forms[n - 1].min || point > 0x10ffff ||
                    (point >= 0xd800 && point <= 0xdfff))
                        return 0;
                *ret_point = point;
                return n;
        }
        return 0;
}

bool utf8_valid(const char *s, size_t size) {
        unsigned point;

        for (size_t i = 0, n; i < size; i += n) {
                n = utf8_character(s + i, size - i, &point);
                if (n == 0)
                        return false;
        }
        return true;
}

/* Whether a terminal shows this code point as itself. */
static bool harmless(unsigned point) {
        static const struct {
                unsigned first, last;
        } harmful[] = {
                { 0x0000, 0x001f },   /* C0 */
                { 0x007f, 0x009f },   /* delete and C1: some terminals take U+009B as an escape */
                { 0x061c, 0x061c },   /* Arabic letter mark */
                { 0x200b, 0x200f },   /* zero width, direction marks */
                { 0x2028, 0x202e },   /* line and paragraph ends, direction overrides */
                { 0x2060, 0x206f },   /* invisible operators, direction isolates */
                { 0xfeff, 0xfeff },   /* zero width no-break space */
                { 0xfff9, 0xfffb },   /* annotations */
                { 0xe0000, 0xe0fff }, /* invisible tags */
        };

        for (size_t i = 0; i < ELEMENTSOF(harmful); i++)
                if (point >= harmful[i].first && point <= harmful[i].last)
                        return false;
        return true;
}

char *escape_terminal(const char *s, size_t size) {
        char *out = malloc(size * 4 + 1), *p = out;
        unsigned point = 0;

        if (!out)
                return NULL;
        for (size_t i = 0, n; i < size; i += n) {
                bool whole;

                n = utf8_character(s + i, size - i, &point);
                whole = n > 0 && harmless(point);
                if (n == 0)
                        n = 1;
                if (whole && s[i] == '\\')
                        p = stpcpy(p, "\\\\");
                else if (whole)
                        p = mempcpy(p, s + i, n);
                else
                        for (size_t k = 0; k < n; k++)
                                p += sprintf(p, "\\x%02x", (unsigned char)s[i + k]);
        }
        *p = '\0';
        return out;
}

char *escape_json(const char *s, size_t size) {
        char *out = malloc(size * 6 + 1), *p = out;
        unsigned point = 0;

        if (!out)
                return NULL;
        for (size_t i = 0, n; i < size; i += n) {
                n = utf8_character(s + i, size - i, &point);
                if (n == 0) {
                        n = 1;
                        p = stpcpy(p, "\\ufffd");
                } else if (point == '"' || point == '\\') {
                        *p++ = '\\';
                        *p++ = s[i];
                } else if (point < 0x20 || point == 0x7f)
                        p += sprintf(p, "\\u%04x", point);
                else
                        p = mempcpy(p, s + i, n);
        }
        *p = '\0';
        return out;
}
