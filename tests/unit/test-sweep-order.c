/* SPDX-License-Identifier: Apache-2.0 */

/* The order of a sweep's walk: the same every time, and begun anywhere in it. */

#include "daemon/sweep/order.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

static char root[] = "/tmp/test-order-XXXXXX";

/* In the order that is expected. */
static const char *const files[] = {
        "1",
        "a/b/c",
        "a/cur/10:2,S",
        "a/cur/9:2,S",
        "a/cur.d/x", /* '.' comes before '/' in a path, but "cur" is a name before "cur.d" */
        "a/new/1",
        "a b",
        "ab/\xff\xfe",
        "ab/\xff\xff",
        "z/deep/er/and/deeper/file",
        "z/last",
};

static void make_file(const char *path) {
        char full[256], *slash;
        FILE *f;

        (void)snprintf(full, sizeof(full), "%s/%s", root, path);
        for (slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void)mkdir(full, 0755);
                *slash = '/';
        }
        f = fopen(full, "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fclose(f), 0);
}

static void make_root(void) {
        ck_assert_ptr_nonnull(mkdtemp(root));
        for (size_t i = ELEMENTSOF(files); i-- > 0;)
                make_file(files[i]);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void remove_root(void) {
        ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct order *begin(const char *position, const char *nested) {
        int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct order *order = NULL;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(order_new(fd, position, nested, &order), 0);
        return order;
}

/* What comes behind position must be the rest of files from here on. */
static void expect_rest(const char *position, size_t from) {
        _cleanup_(order_freep) struct order *order = begin(position, "\0");
        struct order_item item;

        for (size_t i = from; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = NULL;

                ck_assert_int_eq(order_next(order, &item), 1);
                path = order_path(&item);
                ck_assert_int_eq(item.error, 0);
                ck_assert_msg(streq(path, files[i]), "behind '%s' comes '%s', not '%s'", position,
                              path, files[i]);
                folder_release(item.folder);
                free(item.name);
        }
        ck_assert_int_eq(order_next(order, &item), 0);
        ck_assert_int_eq(order_next(order, &item), 0);
}

START_TEST(test_whole) {
        expect_rest("", 0);
}
END_TEST

START_TEST(test_behind_each) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                expect_rest(files[i], i + 1);
}
END_TEST

/* The position is gone, or something else has its name. */
START_TEST(test_behind_missing) {
        expect_rest("0", 0);
        expect_rest("a/b/a", 1);
        expect_rest("a/b/d/e", 2);
        expect_rest("a/cur/10:2,", 2);
        expect_rest("a/cur/10:2,ST", 3);
        expect_rest("a/cur", 4);         /* a folder now: what is in it has changed since */
        expect_rest("a/cur/9:2,S/x", 3); /* a file now: not that one */
        expect_rest("zz", ELEMENTSOF(files));
}
END_TEST

START_TEST(test_nested) {
        static const char nested[] = "a/cur\0ab\0";
        _cleanup_(order_freep) struct order *order = begin("", nested);
        struct order_item item;
        size_t n = 0;

        while (order_next(order, &item) > 0) {
                _cleanup_free_ char *path = order_path(&item);

                ck_assert(!startswith(path, "a/cur/") && !startswith(path, "ab/"));
                folder_release(item.folder);
                free(item.name);
                n++;
        }
        ck_assert_uint_eq(n, ELEMENTSOF(files) - 4);
}
END_TEST

/* Links are not followed, and not given. */
START_TEST(test_links) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/link", root);
        ck_assert_int_eq(symlink("a", path), 0);
        expect_rest("", 0);
        ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* A folder that can't be listed is told of in its place, and the walk goes on behind it. */
START_TEST(test_unlistable) {
        _cleanup_(order_freep) struct order *order = begin("a b", "\0");
        struct order_item item;
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/ab", root);
        ck_assert_int_eq(chmod(path, 0), 0);
        ck_assert_int_eq(chmod(root, 0755), 0);
        if (geteuid() == 0)
                ck_assert_int_eq(seteuid(65534), 0); /* root lists all */
        ck_assert_int_eq(order_next(order, &item), 1);
        if (getuid() == 0)
                ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(chmod(path, 0755), 0);
        ck_assert_str_eq(item.name, "ab");
        ck_assert_int_eq(item.error, EACCES);
        folder_release(item.folder);
        free(item.name);
        ck_assert_int_eq(order_next(order, &item), 1);
        ck_assert_str_eq(item.folder->path, "z/deep/er/and/deeper");
        folder_release(item.folder);
        free(item.name);
}
END_TEST

int main(void) {
        const TTest *const tests[] = { test_whole,  test_behind_each, test_behind_missing,
                                       test_nested, test_links,       test_unlistable };
        Suite *suite = suite_create("sweep-order");
        TCase *tcase = tcase_create("sweep-order");

        tcase_add_checked_fixture(tcase, make_root, remove_root);
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
