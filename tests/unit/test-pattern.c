/* SPDX-License-Identifier: Apache-2.0 */

/* Patterns of names, and that their work is bounded. */

#include "store/pattern.h"

#include "store/util.h"
#include "tests/unit/unit.h"

static bool match(const char *pattern, const char *text) {
        return pattern_match(pattern, strlen(pattern), text, strlen(text));
}

START_TEST(test_match) {
        ck_assert(match("*.exe", "a.exe"));
        ck_assert(match("*.exe", ".EXE"));
        ck_assert(match("*.Exe", "a.exe.eXe"));
        ck_assert(!match("*.exe", "a.exe.txt"));
        ck_assert(!match("*.exe", "exe"));
        ck_assert(match("*", ""));
        ck_assert(match("", ""));
        ck_assert(!match("", "a"));
        ck_assert(match("a?c", "abc"));
        ck_assert(!match("a?c", "ac"));
        ck_assert(match("**a**b**", "xxaxxbxx"));
        ck_assert(!match("**a**b**", "xxbxxaxx"));
        ck_assert(match("application/x-ms*", "application/x-msdownload"));
        ck_assert(match("[a]", "[a]"));
        ck_assert(!match("[a]", "a"));
}
END_TEST

/* Backtracking over every star would take longer than anybody waits. */
START_TEST(test_bounded) {
        char pattern[201], text[4001];

        for (size_t i = 0; i < 200; i += 2)
                memcpy(pattern + i, "*a", 2);
        pattern[199] = 'b';
        pattern[200] = '\0';
        memset(text, 'a', 4000);
        text[4000] = '\0';
        ck_assert(!match(pattern, text));
}
END_TEST

START_TEST(test_list) {
        static const char list[] = "*.exe  *.js\t*.vbs";
        const char *found;
        size_t size = 0;

        found = patterns_find(list, "a.JS", 4, &size);
        ck_assert_ptr_eq(found, list + 7);
        ck_assert_uint_eq(size, 4);
        ck_assert_ptr_null(patterns_find(list, "a.txt", 5, &size));
        ck_assert_ptr_null(patterns_find("none", "none", 4, &size));
        ck_assert_ptr_null(patterns_find("", "", 0, &size));
}
END_TEST

static bool name(const char *list, const char *text, size_t n) {
        size_t size;

        return patterns_find_name(list, text, n, &size);
}

START_TEST(test_name) {
        static const char *const same[] = {
                "run.exe",       "C:\\temp\\run.exe", "dir/run.exe", "run.exe.",      "run.exe . .",
                "run.exe\r\n\t", "../../run.exe",     "c:run.exe",   "dir/run.exe  ",
        };

        for (size_t i = 0; i < ELEMENTSOF(same); i++)
                ck_assert_msg(name("run.exe", same[i], strlen(same[i])), "%s", same[i]);
        ck_assert(name("*.exe", "run.exe\0.txt", 12));
        ck_assert(name("*.txt", "run.exe\0.txt", 12));
        ck_assert(name("dir/*.exe", "dir/run.exe", 11));
        ck_assert(!name("*.exe", "run.exe.txt", 11));
        ck_assert(!name("*.exe", "exe/", 4));
        ck_assert(!name("run.exe", "", 0));
}
END_TEST

UNIT_MAIN("pattern", test_match, test_bounded, test_list, test_name);
