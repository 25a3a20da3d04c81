/* SPDX-License-Identifier: Apache-2.0 */

/* Templates: what becomes of them, and what is said of bad ones; the one that is shipped is good. */

#include "store/notice.h"

#include <stdio.h>

#include "store/text.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static const struct notice_values values = {
        .signature = "Eicar",
        .item = "cur/1\n\x1b[2J",
        .sender = "M\xc3\xa4rta\xff <m@example.org>",
        .date = "",
        .host = NULL,
};

static void check_notice(const char *template, const char *expected) {
        _cleanup_free_ char *notice = NULL;
        struct notice_error error = {};

        ck_assert_int_eq(notice_check(template, strlen(template), &error), 0);
        ck_assert_int_eq(notice_new(template, strlen(template), &values, &notice, &error), 0);
        ck_assert_str_eq(notice, expected);
}

START_TEST(test_expansion) {
        check_notice("plain", "plain\n");
        check_notice("a\r\n\tb\n\n", "a\n b\n\n");
        check_notice("%{signature}%{signature} 100%%\n", "EicarEicar 100%\n");
        check_notice("%%{signature}\n", "%{signature}\n");
        check_notice("%{item}|%{sender}|%{date}|%{host}\n",
                     "cur/1??[2J|M\xc3\xa4rta? <m@example.org>|-|-\n");
        check_notice("\xe2\x82\xac\n", "\xe2\x82\xac\n");
}
END_TEST

START_TEST(test_values_are_no_templates) {
        const struct notice_values nested = { .signature = "%{item}%%" };
        _cleanup_free_ char *notice = NULL;
        struct notice_error error = {};

        ck_assert_int_eq(notice_new("%{signature}", 12, &nested, &notice, &error), 0);
        ck_assert_str_eq(notice, "%{item}%%\n");
}
END_TEST

START_TEST(test_long_values) {
        _cleanup_free_ char *value = calloc(1, 100000), *notice = NULL;
        const struct notice_values large = { .item = value };
        struct notice_error error = {};

        /* Cut at the end of a character. */
        value[0] = 'x';
        for (size_t i = 1; i < 99990; i += 2)
                memcpy(value + i, "\xc3\xa4", 2);
        ck_assert_int_eq(notice_new("%{item}", 7, &large, &notice, &error), 0);
        ck_assert_uint_eq(strlen(notice), NOTICE_VALUE_MAX);
        ck_assert_uint_eq((unsigned char)notice[NOTICE_VALUE_MAX - 2], 0xa4);
}
END_TEST

static const struct {
        const char *template;
        unsigned line;
        const char *text;
} mistakes[] = {
        { "x\ny %{virus}\n", 2, "unknown variable" },
        { "%{signature", 1, "unknown variable" },
        { "%{ITEM}", 1, "unknown variable" },
        { "100%", 1, "unknown variable" },
        { "100% sure", 1, "unknown variable" },
        { "a\nb\nc\xff\n", 3, "no valid UTF-8" },
        { "a\n\x1b[2J\n", 2, "can't be seen" },
        { "a\rb", 1, "can't be seen" },
        { "a\xe2\x80\xae", 1, "can't be seen" },
        { "", 0, "no text" },
        { " ", 0, "no text" },
        { " \n\ntext\n", 1, "first line is empty" },
};

START_TEST(test_mistakes) {
        for (size_t i = 0; i < ELEMENTSOF(mistakes); i++) {
                const char *t = mistakes[i].template;
                struct notice_error error = {}, again = {};
                char *notice = NULL;

                ck_assert_int_eq(notice_check(t, strlen(t), &error), -EINVAL);
                ck_assert_uint_eq(error.line, mistakes[i].line);
                ck_assert_ptr_nonnull(strstr(error.text, mistakes[i].text));
                ck_assert_int_eq(notice_new(t, strlen(t), &values, &notice, &again), -EINVAL);
                ck_assert_uint_eq(again.line, error.line);
                ck_assert_ptr_null(notice);
        }
}
END_TEST

START_TEST(test_size) {
        _cleanup_free_ char *t = malloc(NOTICE_TEMPLATE_MAX + 1);
        struct notice_error error = {};

        memset(t, 'x', NOTICE_TEMPLATE_MAX + 1);
        ck_assert_int_eq(notice_check(t, NOTICE_TEMPLATE_MAX, &error), 0);
        ck_assert_int_eq(notice_check(t, NOTICE_TEMPLATE_MAX + 1, &error), -EINVAL);
        ck_assert_uint_eq(error.line, 0);
        /* A NUL is no character of a text. */
        t[5] = '\0';
        ck_assert_int_eq(notice_check(t, 10, &error), -EINVAL);
}
END_TEST

START_TEST(test_shipped) {
        _cleanup_free_ char *path = NULL, *notice = NULL;
        char t[NOTICE_TEMPLATE_MAX];
        struct notice_error error = {};
        size_t size;
        FILE *f;

        ck_assert_int_gt(asprintf(&path, "%s/etc/notice.txt", getenv("SOURCE_ROOT")), 0);
        f = fopen(path, "re");
        ck_assert_ptr_nonnull(f);
        size = fread(t, 1, sizeof(t), f);
        fclose(f);
        ck_assert_int_eq(notice_new(t, size, &values, &notice, &error), 0);
        ck_assert_ptr_nonnull(strstr(notice, "Eicar"));
        /* US-ASCII, so that it reads the same in any part. */
        for (size_t i = 0; i < size; i++)
                ck_assert_int_lt((unsigned char)t[i], 0x7f);
}
END_TEST

START_TEST(test_transliteration) {
        ck_assert_str_eq(text_ascii(0xe4), "ae");
        ck_assert_str_eq(text_ascii(0xdf), "ss");
        ck_assert_str_eq(text_ascii(0xff), "y");
        ck_assert_str_eq(text_ascii(0x100), "A");
        ck_assert_str_eq(text_ascii(0x142), "l");
        ck_assert_str_eq(text_ascii(0x17e), "z");
        ck_assert_str_eq(text_ascii(0x17f), "s");
        ck_assert_str_eq(text_ascii(0x20ac), "EUR");
        ck_assert_str_eq(text_ascii(0x4e00), "?");
        for (unsigned point = 0x80; point < 0x3000; point++)
                ck_assert(text_ascii(point)[0] >= ' ' && strlen(text_ascii(point)) <= 3);
}
END_TEST

UNIT_MAIN("notice", test_expansion, test_values_are_no_templates, test_long_values, test_mistakes,
          test_size, test_shipped, test_transliteration);
