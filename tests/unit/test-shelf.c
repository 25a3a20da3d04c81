/* SPDX-License-Identifier: Apache-2.0 */

/* The quarantine's folder, as those see it who tidy it up, and the list of allowed contents on disk. */

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "daemon/ctl/allow-file.h"
#include "daemon/ctl/shelf.h"
#include "tests/unit/unit.h"

#define ID_A "0000000000000001-0000000000000002"
#define ID_B "0000000000000003-0000000000000001"
#define ID_C "0000000000000004-0000000000000001"

static char folder[] = "/tmp/test-shelf-XXXXXX";

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int take_away(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void teardown(void) {
        ck_assert_int_eq(nftw(folder, take_away, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void path_of(const char *name, char ret[static 256]) {
        (void)snprintf(ret, 256, "%s/%s", folder, name);
}

static void put(const char *name, const char *text, size_t size) {
        char path[256];
        FILE *f;

        path_of(name, path);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(text, 1, size, f), size);
        ck_assert_int_eq(fclose(f), 0);
}

static bool exists(const char *name) {
        char path[256];

        path_of(name, path);
        return access(path, F_OK) >= 0;
}

static void put_item(const char *id, const char *bytes) {
        struct quarantine q = { .state = QUARANTINE_REPLACED,
                                .store = "mail",
                                .size = strlen(bytes) };
        char text[QUARANTINE_TEXT_MAX], name[64];
        int n = quarantine_format(&q, text);

        ck_assert_int_gt(n, 0);
        (void)snprintf(name, sizeof(name), "%s" SHELF_META, id);
        put(name, text, (size_t)n);
        (void)snprintf(name, sizeof(name), "%s" SHELF_ITEM, id);
        put(name, bytes, strlen(bytes));
}

START_TEST(listed_and_read) {
        struct shelf shelf;
        struct quarantine q;
        unsigned line;
        char bytes[16];
        int fd;

        ck_assert_int_eq(shelf_open("/nonexistent", &shelf), -ENOENT);
        put_item(ID_B, "second");
        put_item(ID_A, "first");
        put("nonsense.meta", "", 0);
        put(ID_C ".meta", "nonsense\n", 9);
        ck_assert_int_eq(shelf_open(folder, &shelf), 0);
        ck_assert_uint_eq(shelf.n_ids, 3);
        ck_assert_str_eq(shelf.ids[0], ID_A);
        ck_assert_str_eq(shelf.ids[1], ID_B);

        ck_assert_int_eq(shelf_read(&shelf, ID_A, &q, &line), 0);
        ck_assert_uint_eq(q.size, 5);
        ck_assert_int_eq(shelf_read(&shelf, ID_C, &q, &line), -EINVAL);
        ck_assert_uint_eq(line, 1);
        ck_assert_int_eq(shelf_read(&shelf, "../" ID_A, &q, &line), -ENOENT);
        ck_assert_int_eq(shelf_read(&shelf, "nonsense", &q, &line), -ENOENT);
        ck_assert_uint_gt(shelf_space(&shelf, ID_A), 0);
        fd = shelf_open_item(&shelf, ID_B);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(read(fd, bytes, sizeof(bytes)), 6);
        close_fd(fd);
        ck_assert_int_eq(shelf_open_item(&shelf, ID_C), -ENOENT);
        shelf_close(&shelf);
        ck_assert_int_eq(shelf.folder, -EBADF);
}
END_TEST

START_TEST(no_file_of_ours) {
        struct shelf shelf;
        struct quarantine q;
        unsigned line;
        char path[256];

        path_of(ID_A ".item", path);
        ck_assert_int_eq(symlink("/etc/passwd", path), 0);
        path_of(ID_B ".item", path);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        path_of(ID_A ".meta", path);
        ck_assert_int_eq(symlink("/etc/passwd", path), 0);
        ck_assert_int_eq(shelf_open(folder, &shelf), 0);
        ck_assert_int_eq(shelf_open_item(&shelf, ID_A), -EMEDIUMTYPE);
        ck_assert_int_eq(shelf_open_item(&shelf, ID_B), -EMEDIUMTYPE);
        ck_assert_int_eq(shelf_read(&shelf, ID_A, &q, &line), -EMEDIUMTYPE);
        shelf_close(&shelf);
}
END_TEST

START_TEST(deleted) {
        struct shelf shelf;

        put_item(ID_A, "first");
        put_item(ID_B, "second");
        put(ID_A ".plan", "x", 1);
        ck_assert_int_eq(shelf_open(folder, &shelf), 0);
        ck_assert_int_eq(shelf_delete(&shelf, ID_A), 0);
        ck_assert(!exists(ID_A ".meta") && !exists(ID_A ".item") && !exists(ID_A ".plan"));
        ck_assert(exists(ID_B ".meta") && exists(ID_B ".item"));
        ck_assert_int_eq(shelf_delete(&shelf, ID_A), 0);
        ck_assert_int_eq(shelf_delete(&shelf, "../x"), -ENOENT);
        ck_assert_int_eq(shelf_sync(&shelf), 0);
        shelf_close(&shelf);
}
END_TEST

START_TEST(leftovers) {
        const uint64_t day = UINT64_C(24) * 3600 * USEC_PER_SEC;
        struct shelf shelf;
        struct stat st;
        uint64_t now;
        char path[256];

        put_item(ID_A, "first");
        put(ID_B ".item", "x", 1);
        put(ID_C ".plan", "x", 1);
        put("other.item", "x", 1);
        path_of(ID_B ".item", path);
        ck_assert_int_eq(stat(path, &st), 0);
        now = (uint64_t)st.st_mtim.tv_sec * USEC_PER_SEC;
        ck_assert_int_eq(shelf_open(folder, &shelf), 0);
        ck_assert_int_eq(shelf_delete_leftovers(&shelf, now + day - USEC_PER_SEC), 0);
        ck_assert_int_eq(shelf_delete_leftovers(&shelf, now - day), 0);
        ck_assert_int_eq(shelf_delete_leftovers(&shelf, now + day + 60 * USEC_PER_SEC), 2);
        ck_assert(!exists(ID_B ".item") && !exists(ID_C ".plan"));
        ck_assert(exists(ID_A ".item") && exists("other.item"));
        shelf_close(&shelf);
}
END_TEST

START_TEST(allow_list) {
        struct allowed_entry entry = { .forever = true };
        struct allow_file file;
        unsigned line;
        char missing[256];
        int fd;

        path_of("state", missing);
        ck_assert_int_eq(allow_file_open(missing, false, &file, &line), 0);
        ck_assert_uint_eq(file.allowed.n, 0);
        allow_file_close(&file);
        ck_assert(!exists("state"));

        ck_assert_int_eq(allow_file_open(missing, true, &file, &line), 0);
        ck_assert_int_eq(allowed_add(&file.allowed, &entry), 0);
        /* One at a time. */
        fd = open(missing, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_lt(flock(fd, LOCK_EX | LOCK_NB), 0);
        ck_assert_int_eq(allow_file_save(&file), 0);
        ck_assert(exists("state/allowed") && !exists("state/allowed.new"));
        allow_file_close(&file);
        ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
        close_fd(fd);

        ck_assert_int_eq(allow_file_open(missing, false, &file, &line), 0);
        ck_assert_uint_eq(file.allowed.n, 1);
        ck_assert(file.allowed.entries[0].forever);
        allow_file_close(&file);

        put("state/allowed", "nonsense\n", 9);
        ck_assert_int_eq(allow_file_open(missing, true, &file, &line), -EINVAL);
        ck_assert_uint_eq(line, 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("shelf");
        TCase *tcase = tcase_create("shelf");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, listed_and_read);
        tcase_add_test(tcase, no_file_of_ours);
        tcase_add_test(tcase, deleted);
        tcase_add_test(tcase, leftovers);
        tcase_add_test(tcase, allow_list);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
