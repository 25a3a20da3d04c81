/* SPDX-License-Identifier: Apache-2.0 */

/* What the kernel tells of a group's marks is read; other lines, and lines that are cut, are not. */

#include <string.h>

#include "daemon/fdinfo.h"
#include "tests/unit/unit.h"

static struct fdinfo_mark marks[8];
static unsigned n_marks;

static void on_mark(void *userdata, const struct fdinfo_mark *mark) {
        ck_assert_ptr_eq(userdata, &n_marks);
        ck_assert_uint_lt(n_marks, ELEMENTSOF(marks));
        marks[n_marks++] = *mark;
}

static void read_marks(const char *text) {
        n_marks = 0;
        fdinfo_marks(text, on_mark, &n_marks);
}

START_TEST(test_kinds) {
        static const char text[] =
                "pos:\t0\nflags:\t02004002\nmnt_id:\t16\nino:\t1056\n"
                "fanotify flags:3b event-flags:88800\n"
                "fanotify sdev:700005 mflags:0 mask:10000 ignored_mask:0\n"
                "fanotify mnt_id:12 mflags:40 mask:38 ignored_mask:40000000\n"
                "fanotify ino:4f969 sdev:800013 mflags:0 mask:0 ignored_mask:10000 fhandle-bytes:8 "
                "fhandle-type:1 f_handle:69f90400DEADBEEF\n"
                "fanotify ino:4f969 sdev:800013 mflags:0 mask:8010000 ignored_mask:0 "
                "fhandle-bytes:8 fhandle-type:1 f_handle:69f90400c3a5b101\n";

        read_marks(text);
        ck_assert_uint_eq(n_marks, 3);
        ck_assert(marks[0].filesystem);
        ck_assert_uint_eq(marks[0].dev, (UINT64_C(7) << 32) | 5);
        ck_assert_uint_eq(marks[0].mask, 0x10000);
        ck_assert(!marks[1].filesystem);
        ck_assert_uint_eq(marks[1].dev, (UINT64_C(8) << 32) | 0x13);
        ck_assert_uint_eq(marks[1].mask, 0);
        ck_assert_uint_eq(marks[1].ignored, 0x10000);
        ck_assert_uint_eq(marks[1].size, 0); /* the kernel writes small letters */
        ck_assert_uint_eq(marks[2].mask, 0x8010000);
        ck_assert_uint_eq(marks[2].size, 8);
        ck_assert_int_eq(marks[2].type, 1);
        ck_assert_mem_eq(marks[2].handle, "\x69\xf9\x04\x00\xc3\xa5\xb1\x01", 8);
}
END_TEST

START_TEST(test_cut) {
        static const char line[] = "fanotify ino:1 sdev:2 mflags:0 mask:3 ignored_mask:4 "
                                   "fhandle-bytes:4 fhandle-type:1 f_handle:01020304";
        char text[sizeof(line)], *longer;

        for (size_t n = 0; n < sizeof(line); n++) {
                memcpy(text, line, n);
                text[n] = '\0';
                read_marks(text);
                ck_assert_uint_le(n_marks, 1);
                if (n_marks > 0 && n < sizeof(line) - 1)
                        ck_assert_uint_eq(marks[0].size, 0);
        }
        ck_assert_uint_eq(marks[0].size, 4);
        /* More than a handle can be. */
        read_marks("fanotify ino:1 sdev:2 mask:3 ignored_mask:4 fhandle-bytes:ffffffff "
                   "fhandle-type:1 f_handle:01020304\n");
        ck_assert_uint_eq(n_marks, 1);
        ck_assert_uint_eq(marks[0].size, 0);
        longer = malloc(4096);
        memset(longer, 'f', 4095);
        longer[4095] = '\0';
        read_marks(longer);
        ck_assert_uint_eq(n_marks, 0);
        free(longer);
}
END_TEST

UNIT_MAIN("fdinfo", test_kinds, test_cut);
