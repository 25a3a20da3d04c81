/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the tests of the configuration share: a folder for each test with a database and two
 * stores, and loading with all that is reported compared. In texts "@" stands for the folder.
 */

#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/config-private.h"

#define DATABASE "[scanner]\ndatabase = @/db\n"
#define STORE    "[store a]\npath = @/a\n"
#define VALID    DATABASE STORE /* four lines, the last section is the store's */

static char root[PATH_MAX];

/* text with root for each "@"; the caller frees it. */
static inline char *expand(const char *text) {
        char *out = NULL;
        size_t size;
        FILE *f = open_memstream(&out, &size);

        ck_assert_ptr_nonnull(f);
        for (; *text; text++)
                if (*text == '@')
                        (void)fputs(root, f);
                else
                        (void)fputc(*text, f);
        ck_assert_int_eq(fclose(f), 0);
        return out;
}

static inline void make_folder(const char *path) {
        _cleanup_free_ char *full = expand(path);

        ck_assert_int_eq(mkdir(full, 0755), 0);
}

static inline void make_link(const char *target, const char *path) {
        _cleanup_free_ char *full_target = expand(target), *full = expand(path);

        ck_assert_int_eq(symlink(full_target, full), 0);
}

static inline void write_bytes(const char *path, const void *data, size_t size) {
        _cleanup_free_ char *full = expand(path);
        FILE *f = fopen(full, "we");

        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(data, 1, size, f), size);
        ck_assert_int_eq(fclose(f), 0);
}

static inline void write_file(const char *path, const char *text) {
        _cleanup_free_ char *full = expand(text);

        write_bytes(path, full, strlen(full));
}

static inline void make_root(void) {
        char template[] = "/tmp/test-config-XXXXXX";

        ck_assert_ptr_nonnull(mkdtemp(template));
        ck_assert_ptr_eq(realpath(template, root), root);
        ck_assert_int_eq(chmod(root, 0755), 0);
        make_folder("@/db");
        make_folder("@/a");
        make_folder("@/a/sub");
        make_folder("@/b");
        make_folder("@/conf.d");
        write_file("@/file", "no folder\n");
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static inline void remove_root(void) {
        ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Loads one file, or with NULL root as the configuration's folder. What is reported must be
 * exactly this; the configuration is returned if that is nothing. */
static inline struct config *load(const char *file, const char *expected_errors) {
        _cleanup_free_ char *full = file ? expand(file) : NULL, *errors = NULL,
                            *expected = expand(expected_errors);
        struct config *config = NULL;
        size_t size;
        FILE *f = open_memstream(&errors, &size);
        int r;

        ck_assert_ptr_nonnull(f);
        r = full ? config_load(full, f, &config) : config_load_dir(root, f, &config);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_str_eq(errors, expected);
        ck_assert_int_eq(r, *expected ? -EINVAL : 0);
        ck_assert_int_eq(config != NULL, r == 0);
        return config;
}

static inline struct config *load_good(const char *text) {
        write_file("@/storescan.conf", text);
        return load(NULL, "");
}

static inline void load_bad(const char *text, const char *expected_errors) {
        write_file("@/storescan.conf", text);
        (void)load(NULL, expected_errors);
}
