/* SPDX-License-Identifier: Apache-2.0 */

/* The folder of contents that cost workers: its list, its copies and their bounds. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/poison-file.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static char directory[] = "/tmp/test-poison.XXXXXX";
static int folder;

static void begin(void) {
        ck_assert_ptr_nonnull(mkdtemp(directory));
        folder = poison_folder_open(directory);
        ck_assert_int_ge(folder, 0);
}

static void end(void) {
        char command[64];

        close_fd(folder);
        (void)snprintf(command, sizeof(command), "rm -r %s", directory);
        ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a folder of ours */
}

/* A file of this size, whose bytes are of no other n. */
static int make_content(unsigned n, size_t size, uint8_t ret_digest[static DIGEST_SIZE]) {
        uint8_t *data = calloc(1, size);
        int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        memcpy(data, &n, sizeof(n));
        ck_assert_int_eq(digest_buffer(data, size, ret_digest), 0);
        ck_assert_int_eq(pwrite(fd, data, size, 0), (ssize_t)size);
        free(data);
        return fd;
}

static bool has_copy(const uint8_t digest[static DIGEST_SIZE], struct stat *ret) {
        char name[sizeof(POISON_COPY) + POISON_DIGEST_TEXT] = POISON_COPY;

        poison_digest_format(digest, name + strlen(POISON_COPY));
        return fstatat(folder, name, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(test_list) {
        static const char text[] = "storescan-poison 1 0.1\n";
        struct poison_list list = { .n = 7 };

        begin();
        ck_assert_int_eq(poison_load(directory, "0.1", &list), 0);
        ck_assert_uint_eq(list.n, 7); /* untouched */
        ck_assert_int_eq(poison_save(folder, text, strlen(text)), 0);
        ck_assert_int_eq(poison_load(directory, "0.1", &list), 0);
        ck_assert_uint_eq(list.n, 0);
        ck_assert_int_eq(poison_save(folder, "else\n", 5), 0);
        ck_assert_int_eq(poison_load(directory, "0.1", &list), -EINVAL);
        end();
}
END_TEST

START_TEST(test_copy) {
        uint8_t digest[DIGEST_SIZE], other[DIGEST_SIZE] = {};
        struct stat st;
        int fd;

        begin();
        fd = make_content(1, 700000, digest);
        ck_assert_int_eq(poison_copy(folder, fd, 0, 700000, other), -ESTALE);
        ck_assert(!has_copy(other, &st));
        ck_assert_int_eq(poison_copy(folder, fd, 0, 700001, digest), -ENODATA);
        ck_assert_int_eq(poison_copy(folder, fd, 0, 700000, digest), 1);
        ck_assert(has_copy(digest, &st));
        ck_assert_int_eq(st.st_size, 700000);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        ck_assert_int_eq(faccessat(folder, "new", F_OK, 0), -1);
        /* Without a folder it is known all the same. */
        ck_assert_int_eq(poison_copy(-EBADF, fd, 0, 700000, digest), 0);
        ck_assert_int_eq(poison_delete_copies(folder), 0);
        ck_assert(!has_copy(digest, &st));
        close_fd(fd);
        end();
}
END_TEST

START_TEST(test_too_large) {
        uint8_t digest[DIGEST_SIZE];
        struct stat st;
        int fd;

        begin();
        fd = make_content(2, POISON_COPY_SIZE + 1, digest);
        ck_assert_int_eq(poison_copy(folder, fd, 0, POISON_COPY_SIZE + 1, digest), 0);
        ck_assert(!has_copy(digest, &st));
        close_fd(fd);
        end();
}
END_TEST

START_TEST(test_bounds) {
        uint8_t digests[POISON_COPIES_MAX + 2][DIGEST_SIZE];
        struct stat st;

        begin();
        for (unsigned n = 0; n < ELEMENTSOF(digests); n++) {
                char name[sizeof(POISON_COPY) + POISON_DIGEST_TEXT] = POISON_COPY;
                struct timespec times[2] = { { .tv_sec = 1000 + n }, { .tv_sec = 1000 + n } };
                int fd = make_content(n, 100, digests[n]);

                ck_assert_int_eq(poison_copy(folder, fd, 0, 100, digests[n]), 1);
                poison_digest_format(digests[n], name + strlen(POISON_COPY));
                ck_assert_int_eq(utimensat(folder, name, times, 0), 0);
                close_fd(fd);
        }
        /* The oldest are gone. */
        for (unsigned n = 0; n < ELEMENTSOF(digests); n++)
                ck_assert_int_eq(has_copy(digests[n], &st), n >= 2);
        end();
}
END_TEST

UNIT_MAIN("poison-file", test_list, test_copy, test_too_large, test_bounds);
