/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing but its tables. */

#include "store/text.h"

#include "store/util.h"

size_t text_read(const char *s, size_t size, unsigned *ret_point) {
        static const struct {
                unsigned char mask, lead;
                unsigned min; /* smaller ones are overlong */
        } forms[] = {
                { 0x80, 0x00, 0 },
                { 0xe0, 0xc0, 0x80 },
                { 0xf0, 0xe0, 0x800 },
                { 0xf8, 0xf0, 0x10000 },
        };

        for (size_t n = 1; n <= ELEMENTSOF(forms) && n <= size; n++) {
                unsigned char c = (unsigned char)s[0];
                unsigned point;

                if ((c & forms[n - 1].mask) != forms[n - 1].lead)
                        continue;
                point = c & (unsigned char)~forms[n - 1].mask;
                for (size_t i = 1; i < n; i++) {
                        if (((unsigned char)s[i] & 0xc0) != 0x80)
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

bool text_is_printable(unsigned point) {
        static const struct {
                unsigned first, last;
        } others[] = {
                { 0x0000, 0x001f },   /* C0 */
                { 0x007f, 0x009f },   /* delete and C1: some terminals take U+009B as an escape */
                { 0x00ad, 0x00ad },   /* soft hyphen */
                { 0x061c, 0x061c },   /* Arabic letter mark */
                { 0x200b, 0x200f },   /* zero width, direction marks */
                { 0x2028, 0x202e },   /* line and paragraph ends, direction overrides */
                { 0x2060, 0x206f },   /* invisible operators, direction isolates */
                { 0xfeff, 0xfeff },   /* zero width no-break space */
                { 0xfff9, 0xfffb },   /* annotations */
                { 0xe0000, 0xe0fff }, /* invisible tags */
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (point >= others[i].first && point <= others[i].last)
                        return false;
        return true;
}

const char *text_ascii(unsigned point) {
        /* From U+00A0 to U+017F. */
        static const char latin[][4] = {
                " ",  "!",   "c",   "L",   "?",   "Y",  "|", "S", "\"", "(c)", "a",  "<<", "-",
                "",   "(R)", "-",   "o",   "+-",  "2",  "3", "'", "u",  "P",   ".",  ",",  "1",
                "o",  ">>",  "1/4", "1/2", "3/4", "?",  "A", "A", "A",  "A",   "Ae", "A",  "AE",
                "C",  "E",   "E",   "E",   "E",   "I",  "I", "I", "I",  "D",   "N",  "O",  "O",
                "O",  "O",   "Oe",  "x",   "O",   "U",  "U", "U", "Ue", "Y",   "Th", "ss", "a",
                "a",  "a",   "a",   "ae",  "a",   "ae", "c", "e", "e",  "e",   "e",  "i",  "i",
                "i",  "i",   "d",   "n",   "o",   "o",  "o", "o", "oe", ":",   "o",  "u",  "u",
                "u",  "ue",  "y",   "th",  "y",   "A",  "a", "A", "a",  "A",   "a",  "C",  "c",
                "C",  "c",   "C",   "c",   "C",   "c",  "D", "d", "D",  "d",   "E",  "e",  "E",
                "e",  "E",   "e",   "E",   "e",   "E",  "e", "G", "g",  "G",   "g",  "G",  "g",
                "G",  "g",   "H",   "h",   "H",   "h",  "I", "i", "I",  "i",   "I",  "i",  "I",
                "i",  "I",   "i",   "IJ",  "ij",  "J",  "j", "K", "k",  "k",   "L",  "l",  "L",
                "l",  "L",   "l",   "L",   "l",   "L",  "l", "N", "n",  "N",   "n",  "N",  "n",
                "'n", "N",   "n",   "O",   "o",   "O",  "o", "O", "o",  "OE",  "oe", "R",  "r",
                "R",  "r",   "R",   "r",   "S",   "s",  "S", "s", "S",  "s",   "S",  "s",  "T",
                "t",  "T",   "t",   "T",   "t",   "U",  "u", "U", "u",  "U",   "u",  "U",  "u",
                "U",  "u",   "U",   "u",   "W",   "w",  "Y", "y", "Y",  "Z",   "z",  "Z",  "z",
                "Z",  "z",   "s",
        };
        static const struct {
                unsigned point;
                const char *ascii;
        } others[] = {
                { 0x2010, "-" },  { 0x2011, "-" },  { 0x2013, "-" },   { 0x2014, "-" },
                { 0x2018, "'" },  { 0x2019, "'" },  { 0x201a, "," },   { 0x201c, "\"" },
                { 0x201d, "\"" }, { 0x201e, "\"" }, { 0x2022, "*" },   { 0x2026, "..." },
                { 0x2039, "<" },  { 0x203a, ">" },  { 0x20ac, "EUR" }, { 0x2122, "TM" },
        };

        if (point >= 0xa0 && point - 0xa0 < ELEMENTSOF(latin))
                return latin[point - 0xa0][0] ? latin[point - 0xa0] : "?";
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (others[i].point == point)
                        return others[i].ascii;
        return "?";
}

void text_clean(const char *s, size_t size, char *dst, size_t dst_size) {
        size_t n = 0;

        for (size_t at = 0; at < size;) {
                unsigned point;
                size_t length = text_read(s + at, size - at, &point);
                bool good = length > 0 && text_is_printable(point);

                if (n + (good ? length : 1) >= dst_size)
                        break;
                if (good)
                        memcpy(dst + n, s + at, length);
                else
                        dst[n] = '?';
                n += good ? length : 1;
                at += length > 0 ? length : 1;
        }
        dst[n] = '\0';
}
