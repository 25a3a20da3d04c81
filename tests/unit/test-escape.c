/* SPDX-License-Identifier: Apache-2.0 */

/* Hostile names on terminals and in JSON. */

#include <string.h>

#include "daemon/ctl/escape.h"
#include "store/util.h"
#include "tests/unit/unit.h"

START_TEST(utf8) {
        static const struct {
                const char *text;
                size_t n;
                unsigned point;
        } good[] = {
                { "a", 1, 'a' },
                { "\x7f", 1, 0x7f },
                { "\xc2\x80", 2, 0x80 },
                { "\xdf\xbf", 2, 0x7ff },
                { "\xe0\xa0\x80", 3, 0x800 },
                { "\xed\x9f\xbf", 3, 0xd7ff },
                { "\xee\x80\x80", 3, 0xe000 },
                { "\xef\xbf\xbf", 3, 0xffff },
                { "\xf0\x90\x80\x80", 4, 0x10000 },
                { "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
        };
        static const char *const bad[] = {
                "\x80", /* begins with a continuation */
                "\xbf",
                "\xc2", /* ends early */
                "\xc2g",
                "\xe0\xa0",
                "\xf0\x90\x80",
                "\xc0\xaf", /* overlong: a hidden slash */
                "\xc1\xbf",
                "\xe0\x9f\xbf",
                "\xf0\x8f\xbf\xbf",
                "\xed\xa0\x80", /* surrogates */
                "\xed\xbf\xbf",
                "\xf4\x90\x80\x80", /* beyond Unicode */
                "\xf8\x88\x80\x80\x80",
                "\xff",
        };
        unsigned point = 0;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                size_t n = strlen(good[i].text);

                ck_assert_uint_eq(utf8_character(good[i].text, n, &point), good[i].n);
                ck_assert_uint_eq(point, good[i].point);
                ck_assert(utf8_valid(good[i].text, n));
                for (size_t k = 1; k < n; k++)
                        ck_assert(!utf8_valid(good[i].text, k));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_uint_eq(utf8_character(bad[i], strlen(bad[i]), &point), 0);
                ck_assert(!utf8_valid(bad[i], strlen(bad[i])));
        }
        ck_assert(utf8_valid("", 0));
        ck_assert_uint_eq(utf8_character("", 0, &point), 0);
}
END_TEST

#define T(text, expected) \
        { text, sizeof(text) - 1, expected }

START_TEST(terminal) {
        static const struct {
                const char *text;
                size_t size;
                const char *expected;
        } cases[] = {
                T("", ""),
                T("cur/1795470147.M1P2.vm:2,S", "cur/1795470147.M1P2.vm:2,S"),
                T("Entw\xc3\xbcrfe/\xe2\x9c\x89", "Entw\xc3\xbcrfe/\xe2\x9c\x89"),
                T("a\\b", "a\\\\b"),
                T("\033[2J\033]0;x\007", "\\x1b[2J\\x1b]0;x\\x07"),
                T("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
                T("nul\0end", "nul\\x00end"),
                T("\x7f", "\\x7f"),
                T("\xc2\x9b"
                  "31m",
                  "\\xc2\\x9b31m"), /* CSI as one character */
                T("\xe2\x80\xae"
                  "gpj.exe",
                  "\\xe2\\x80\\xaegpj.exe"), /* right to left */
                T("\xe2\x81\xa6x", "\\xe2\\x81\\xa6x"),
                T("\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"), /* invisible tag */
                T("caf\xe9", "caf\\xe9"),                      /* Latin-1 */
                T("\xed\xa0\x80", "\\xed\\xa0\\x80"),
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *out = escape_terminal(cases[i].text, cases[i].size);

                ck_assert_ptr_nonnull(out);
                ck_assert_str_eq(out, cases[i].expected);
        }
}
END_TEST

START_TEST(json) {
        static const struct {
                const char *text;
                size_t size;
                const char *expected;
        } cases[] = {
                T("", ""),
                T("plain/path", "plain/path"),
                T("a\"b\\c", "a\\\"b\\\\c"),
                T("a\nb\0c", "a\\u000ab\\u0000c"),
                T("\x7f", "\\u007f"),
                T("\xc3\xbc", "\xc3\xbc"),
                T("caf\xe9!", "caf\\ufffd!"),
                T("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"),
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *out = escape_json(cases[i].text, cases[i].size);

                ck_assert_ptr_nonnull(out);
                ck_assert_str_eq(out, cases[i].expected);
        }
}
END_TEST

/* Whatever comes in, one line of valid UTF-8 without control characters comes out. */
START_TEST(every_pair_of_bytes) {
        for (unsigned a = 0; a < 256; a++)
                for (unsigned b = 0; b < 256; b++) {
                        const char in[2] = { (char)a, (char)b };
                        _cleanup_free_ char *term = escape_terminal(in, 2);
                        _cleanup_free_ char *js = escape_json(in, 2);

                        ck_assert(utf8_valid(term, strlen(term)));
                        ck_assert(utf8_valid(js, strlen(js)));
                        for (const char *p = term; *p; p++)
                                ck_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
                        for (const char *p = js; *p; p++)
                                ck_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
                }
}
END_TEST

UNIT_MAIN("escape", utf8, terminal, json, every_pair_of_bytes);
