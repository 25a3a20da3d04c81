/* SPDX-License-Identifier: Apache-2.0 */

/* Escaping of hostile bytes; decides by code point, so that what is legible stays legible. */

#include "daemon/ctl/escape.h"

#include <stdint.h>
#include <stdio.h>

#include "store/text.h"
#include "store/util.h"

size_t utf8_character(const char *s, size_t size, unsigned *ret_point) {
        return text_read(s, size, ret_point);
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

char *escape_terminal(const char *s, size_t size) {
        char *out = malloc(size * 4 + 1), *p = out;
        unsigned point = 0;

        if (!out)
                return NULL;
        for (size_t i = 0, n; i < size; i += n) {
                bool whole;

                n = utf8_character(s + i, size - i, &point);
                whole = n > 0 && text_is_printable(point);
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
