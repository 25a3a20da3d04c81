/* SPDX-License-Identifier: Apache-2.0 */

/* walk.c: every folder is announced before it is listed, at any depth, and nothing else is. */

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "daemon/walk.h"
#include "store/util.h"
#include "unit.h"

static char base[] = "/tmp/storescan-walk.XXXXXX";
static unsigned folders, files, errors;
static unsigned names_read;
static const char *refuse, *grow;

/* In place of libc's. */
struct dirent *readdir(DIR *dir) {
        static struct dirent *(*next)(DIR *);

        if (!next)
                *(void **)&next = dlsym(RTLD_NEXT, "readdir64");
        names_read++;
        return next(dir);
}

static int on_folder(void *userdata, int fd, const char *path) {
        struct stat st;

        (void)userdata;
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert(S_ISDIR(st.st_mode));
        if (refuse && strstr(path, refuse))
                return -EPERM;
        folders++;
        if (grow && strstr(path, grow)) {
                grow = NULL;
                ck_assert_int_eq(mkdirat(fd, "late", 0755), 0);
        }
        return 0;
}

static void on_file(void *userdata, int parent, const char *name, const char *path) {
        struct stat st;

        (void)userdata;
        (void)path;
        ck_assert_int_eq(fstatat(parent, name, &st, 0), 0);
        ck_assert(S_ISREG(st.st_mode));
        files++;
}

static void on_error(void *userdata, const char *path, int error) {
        (void)userdata;
        (void)path;
        (void)error;
        errors++;
}

static const struct walk walk = { .folder = on_folder, .file = on_file, .error = on_error };

static int enter(int parent, const char *name) {
        int fd;

        ck_assert_int_eq(mkdirat(parent, name, 0755), 0);
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(fd, 0);
        close(parent);
        return fd;
}

static int begin(void) {
        int fd;

        ck_assert_ptr_nonnull(mkdtemp(base));
        fd = open(base, O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(fd, 0);
        return fd;
}

START_TEST(test_kinds) {
        int fd = begin();

        ck_assert_int_ge(openat(fd, "file", O_CREAT | O_WRONLY, 0600), 0);
        ck_assert_int_eq(mkfifoat(fd, "fifo", 0600), 0);
        ck_assert_int_eq(symlinkat("/etc", fd, "link-to-folder"), 0);
        ck_assert_int_eq(symlinkat("file", fd, "link-to-file"), 0);
        ck_assert_int_eq(mkdirat(fd, "empty", 0755), 0);
        ck_assert_int_eq(walk_tree(&walk, AT_FDCWD, base, base), 0);
        ck_assert_uint_eq(folders, 2);
        ck_assert_uint_eq(files, 1);
        ck_assert_uint_eq(errors, 0);
}
END_TEST

/* Paths far beyond PATH_MAX, and more levels than a stack of frames would like. */
START_TEST(test_deep) {
        char name[201];
        int fd = begin();

        memset(name, 'n', 200);
        name[200] = '\0';
        for (int i = 0; i < 300; i++)
                fd = enter(fd, name);
        ck_assert_int_ge(openat(fd, "file", O_CREAT | O_WRONLY, 0600), 0);
        ck_assert_int_eq(walk_tree(&walk, AT_FDCWD, base, base), 0);
        ck_assert_uint_eq(folders, 301);
        ck_assert_uint_eq(files, 1);
        ck_assert_uint_eq(errors, 0);
}
END_TEST

static void make_mailboxes(int fd, unsigned n, unsigned messages) {
        char name[32];

        for (unsigned i = 0; i < n; i++) {
                int box, file;

                (void)snprintf(name, sizeof(name), "box%u", i);
                ck_assert_int_eq(mkdirat(fd, name, 0755), 0);
                box = openat(fd, name, O_RDONLY | O_DIRECTORY);
                ck_assert_int_ge(box, 0);
                for (unsigned k = 0; k < messages; k++) {
                        (void)snprintf(name, sizeof(name), "message%u", k);
                        file = openat(box, name, O_CREAT | O_WRONLY, 0600);
                        ck_assert_int_ge(file, 0);
                        close(file);
                }
                close(box);
        }
}

/* Where files are not asked for, those of folders that have no other in them are not even read. */
START_TEST(test_leaves) {
        const struct walk no_files = { .folder = on_folder, .error = on_error };
        int fd = begin();
        struct statfs fs;

        make_mailboxes(fd, 20, 50);
        ck_assert_int_eq(walk_tree(&no_files, AT_FDCWD, base, base), 0);
        ck_assert_uint_eq(folders, 21);
        ck_assert_int_eq(fstatfs(fd, &fs), 0);
        if (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC)
                ck_assert_uint_lt(names_read, 50);
        ck_assert_int_eq(walk_tree(&walk, AT_FDCWD, base, base), 0);
        ck_assert_uint_eq(files, 1000);
        ck_assert_uint_eq(errors, 0);
}
END_TEST

/* What comes into one that had none, between its announcement and the look into it. */
START_TEST(test_late) {
        const struct walk no_files = { .folder = on_folder, .error = on_error };
        int fd = begin();

        make_mailboxes(fd, 3, 1);
        grow = "box1";
        ck_assert_int_eq(walk_tree(&no_files, AT_FDCWD, base, base), 0);
        ck_assert_uint_eq(folders, 5);
}
END_TEST

START_TEST(test_refused_below) {
        int fd = begin();

        fd = enter(fd, "keep-out");
        (void)enter(fd, "below");
        refuse = "keep-out";
        ck_assert_int_eq(walk_tree(&walk, AT_FDCWD, base, base), 0);
        ck_assert_uint_eq(folders, 1);
}
END_TEST

START_TEST(test_refused_top) {
        (void)begin();
        refuse = base;
        ck_assert_int_eq(walk_tree(&walk, AT_FDCWD, base, base), -EPERM);
}
END_TEST

START_TEST(test_no_folder) {
        ck_assert_int_eq(walk_tree(&walk, AT_FDCWD, "/none-such", "/none-such"), -ENOENT);
        ck_assert_int_lt(walk_tree(&walk, AT_FDCWD, "/etc/passwd", "/etc/passwd"), 0);
        ck_assert_uint_eq(folders, 0);
}
END_TEST

/* A folder that can't be entered for want of fds is told, not passed over in silence. */
START_TEST(test_out_of_fds) {
        const struct rlimit few = { 32, 32 };
        int fd = begin();

        for (int i = 0; i < 60; i++)
                fd = enter(fd, "d");
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        ck_assert_int_eq(walk_tree(&walk, AT_FDCWD, base, base), 0);
        ck_assert_uint_ge(errors, 1);
        ck_assert_uint_lt(folders, 61);
}
END_TEST

UNIT_MAIN("walk", test_kinds, test_deep, test_refused_below, test_refused_top, test_no_folder,
          test_out_of_fds, test_leaves, test_late);
