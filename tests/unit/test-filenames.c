/* SPDX-License-Identifier: Apache-2.0 */

/* Names of files, in every spelling that hides one from somebody. */

#include "store/filenames.h"

#include "store/util.h"
#include "tests/unit/unit.h"

struct search {
        const char *wanted;
        bool found;
};

static void compare(void *userdata, const char *name, size_t size) {
        struct search *search = userdata;

        if (strlen(search->wanted) == size && memcmp(search->wanted, name, size) == 0)
                search->found = true;
}

static bool finds(const char *header, const char *wanted) {
        struct search search = { .wanted = wanted };

        filenames_read(header, strlen(header), compare, &search);
        return search.found;
}

static const char *const spellings[] = {
        "Content-Type: application/x; name=run.exe\r\n",
        "Content-Type: application/x; name=\"run.exe\"\r\n",
        "Content-Type: application/x;\r\n\tname = \"run.exe\"\r\n",
        "Content-Disposition: attachment; FileName=run.exe; size=3\r\n",
        "Content-Disposition: attachment; filename=\"run.\\exe\"\r\n",
        "Content-Disposition: attachment; filename=\"run.\r\nexe\"\r\n",
        "Content-Disposition: attachment; filename*=utf-8''run%2Eexe\r\nfilename*=run%2Eexe\r\n",
        "Content-Disposition: attachment; filename*0=\"run.\"; filename*1=\"exe\"\r\n",
        "Content-Disposition: attachment; filename*0*=run%2e; filename*1*=ex%65\r\n",
        "Content-Disposition: attachment; filename=\"=?utf-8?B?cnVuLmV4ZQ==?=\"\r\n",
        "Content-Disposition: attachment; filename==?utf-8?q?run=2Eexe?=\r\n",
        "Content-Disposition: attachment; filename=\"=?x?Q?run?= =?x?B?LmV4ZQ?=\"\r\n",
        "Content-Disposition: attachment; filename=run.exe and more\r\n",
        "filename=\"run.exe",
};

START_TEST(test_spellings) {
        ck_assert_msg(finds(spellings[_i], "run.exe"), "%s", spellings[_i]);
        ck_assert(!finds(spellings[_i], "other.exe"));
}
END_TEST

START_TEST(test_nothing) {
        ck_assert(!finds("", ""));
        ck_assert(!finds("name", ""));
        ck_assert(!finds("Subject: name run.exe\r\n", "run.exe"));
        ck_assert(!finds("Subject: filename=run.exe\r\n name=run.exe\r\nTo: name=run.exe",
                         "run.exe"));
        ck_assert(finds("Subject: s\r\n name=x\r\nx-content : a; name=run.exe\r\n", "run.exe"));
        ck_assert(finds("To: x\r\nno colon; name=run.exe\r\n", "run.exe"));
}
END_TEST

static void ends_with_exe(void *userdata, const char *name, size_t size) {
        bool *found = userdata;

        ck_assert_uint_le(size, FILENAME_SIZE_MAX);
        if (size > 4 && memcmp(name + size - 4, ".exe", 4) == 0)
                *found = true;
}

/* Its end counts, however long it is. */
START_TEST(test_long) {
        for (size_t n = 1; n < 10 * FILENAME_SIZE_MAX; n = n * 3 / 2 + 1) {
                _cleanup_free_ char *header = malloc(n + 32);
                bool found = false;
                size_t at;

                ck_assert_ptr_nonnull(header);
                at = strlen(strcpy(header, "filename=\""));
                memset(header + at, 'a', n);
                strcpy(header + at + n, ".exe\"\r\n");
                filenames_read(header, strlen(header), ends_with_exe, &found);
                ck_assert(found);
        }
}
END_TEST

int main(void) {
        const TTest *const tests[] = { test_nothing, test_long };
        Suite *suite = suite_create("filenames");
        TCase *tcase = tcase_create("filenames");

        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, test_spellings, 0, ELEMENTSOF(spellings));
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
