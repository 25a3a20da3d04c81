/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration where it is wrong: for each mistake the very line it is reported by, and
 * nothing else reported. Those of one file are in config-mistakes.h.
 */

#include <fcntl.h>

#include "tests/unit/config-fixture.h"
#include "tests/unit/config-mistakes.h"
#include "tests/unit/unit.h"

START_TEST(mistake) {
        make_link("@/a/sub", "@/link");
        load_bad(mistakes[_i].text, mistakes[_i].errors);
}
END_TEST

/* Names that begin alike are no parents. */
START_TEST(not_within) {
        _cleanup_(config_freep) struct config *c = NULL;

        make_folder("@/ab");
        make_folder("@/db2");
        c = load_good(DATABASE "tmpdir = @/a.tmp/x\n" STORE
                               "[store b]\npath = @/ab\n[store c]\npath = @/db2\n");
        ck_assert_uint_eq(c->n_stores, 3);
}
END_TEST

/* Attachments have another format than the mail they lie among, public folders another policy. */
START_TEST(stores_in_each_other) {
        _cleanup_(config_freep) struct config *c = NULL;

        c = load_good(DATABASE "[store b]\npath = @/a/sub\nformat = sis\n" STORE
                               "[store c]\npath = @/b\n");
        ck_assert_uint_eq(c->n_stores, 3);
}
END_TEST

/* Where no cache is saved nobody minds. */
START_TEST(no_cache_lies_nowhere) {
        config_free(load_good(VALID "[cache]\nsize = 0\ndirectory = @/a/sub\n"));
}
END_TEST

/* No line is to blame for a default; and nobody, if it may have been set in what was refused. */
START_TEST(default_database) {
        bool exists = access(STORESCAN_DATABASE, F_OK) == 0;

        write_file("@/storescan.conf", STORE);
        config_free(load(NULL, exists ? ""
                                      : CONF S "database: '" STORESCAN_DATABASE
                                               "' (default) does not exist; install signatures "
                                               "there (freshclam fetches them) or correct the "
                                               "path.\n"));
        load_bad("[scaner]\n" STORE,
                 LINE(1) "[scaner]: unknown section; perhaps [scanner] is meant.\n");
}
END_TEST

START_TEST(nul_bytes) {
        static const char text[] = "# a comment\0\n[gate]\nlog_queue = 6\0"
                                   "4\n[ga\0te]\nx = 1\n";
        _cleanup_free_ char *valid = expand(VALID);
        char all[2 * PATH_MAX];
        size_t n = strlen(valid);

        memcpy(all, valid, n);
        memcpy(all + n, text, sizeof(text) - 1);
        write_bytes("@/storescan.conf", all, n + sizeof(text) - 1);
        (void)load(NULL, NUL(5) NUL(7) NUL(8));

        /* Perhaps this was the store: none is missed. */
        write_bytes("@/storescan.conf", "[store\0a]\n", 10);
        (void)load(NULL, NUL(1));
}
END_TEST

/* inih would cut the line and take the rest for another: 198 characters still fit. */
START_TEST(long_lines) {
        _cleanup_(config_freep) struct config *c = NULL;
        char text[2048], errors[1024];

        (void)snprintf(text, sizeof(text), VALID "[gate]\nlog_queue = %0186d\n", 64);
        c = load_good(text);
        ck_assert_uint_eq(c->log_queue, 64);

        (void)snprintf(text, sizeof(text),
                       VALID "[gate]\nlog_queue = %0187d\n  max_pending=%01000d \n", 64, 1);
        load_bad(text, TOO_LONG(6, 199) TOO_LONG(7, 1012));

        /* Its key is not missing, nor may it be set again. */
        (void)snprintf(text, sizeof(text), DATABASE "[store a]\npath = /%0300d\npath = @/a\n", 0);
        load_bad(text, TOO_LONG(4, 308) TWICE(5, A "path", 4));

        /* What follows a section that is refused does not belong to the one before. */
        (void)snprintf(text, sizeof(text), VALID "[%0300d]\npath = @/b\n", 0);
        (void)snprintf(errors, sizeof(errors), LINE(5) "[%0300d]: " NO_SECTION, 0);
        load_bad(text, errors);
}
END_TEST

START_TEST(too_many_stores) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        (void)fputs(DATABASE, f);
        for (int i = 0; i < 1001; i++) {
                (void)fprintf(f, "[store %d]\npath = @/s%d\n", i, i);
                if (i < 1000) {
                        char path[32];

                        (void)snprintf(path, sizeof(path), "@/s%d", i);
                        make_folder(path);
                }
        }
        ck_assert_int_eq(fclose(f), 0);
        load_bad(text, "@/storescan.conf:2003: [store 1000]: more than 1000 stores; join some of "
                       "them.\n");
        free(text);
}
END_TEST

/* ---- Several files ---- */

/* clang-format off */
START_TEST(all_at_once) {
        static const char errors[] =
                NOT_WHOLE(2, S "workers", "many", "1 to 64, or auto")
                "@/conf.d/1.conf:2: [store b] path: 'mail' is a relative path; write it from / "
                "on.\n"
                "@/conf.d/1.conf:4: [gate] queue: unknown key; storescan.conf(5) lists the keys of "
                "[gate].\n"
                "@/conf.d/2.conf:2: [scanner] workers: '0' is out of range; write 1 to 64, or "
                "auto.\n"
                "@/conf.d/2.conf:4: 'nonsense' is not understood; write KEY = VALUE, or # in front "
                "of a comment.\n"
                "@/conf.d/2.conf:3: [scanner] database: '@/nowhere' does not exist; install "
                "signatures there (freshclam fetches them) or correct the path.\n"
                NO_PATH(4, A)
                "@/conf.d/2.conf:8: [store d] path: '@/a' is the same folder as [store c] "
                "(@/conf.d/2.conf:6); remove one of the two.\n";

        write_file("@/storescan.conf", "[scanner]\nworkers = many\n\n[store a]\nkind = mailbox\n");
        write_file("@/conf.d/1.conf", "[store b]\npath = mail\n[gate]\nqueue = 3\n");
        write_file("@/conf.d/2.conf", "[scanner]\nworkers = 0\ndatabase = @/nowhere\nnonsense\n"
                                      "[store c]\npath = @/a\n[store d]\npath = @/a\n");
        (void)load(NULL, errors);
}
END_TEST

/* What a later file overrides is judged where the later file sets it. */
START_TEST(origin_is_the_later_file) {
        write_file("@/storescan.conf", "[scanner]\ndatabase = @/nowhere\n[store a]\npath = @/c\n");
        write_file("@/conf.d/1.conf", DATABASE "[store a]\n\npath = @/d\n");
        (void)load(NULL, "@/conf.d/1.conf:5: [store a] path: '@/d' does not exist; mount or create "
                         "it, or correct the path.\n");
}
END_TEST

/* Nor is the earlier value judged in place of one that is refused. */
START_TEST(origin_is_the_refused) {
        write_file("@/storescan.conf", "[scanner]\ndatabase = @/nowhere\n" STORE
                                       "[store b]\npath = @/a/sub\n");
        write_file("@/conf.d/1.conf", "[scanner]\ndatabase = x\n[store a]\npath = ./b\n");
        (void)load(NULL,
                   "@/conf.d/1.conf:2: [scanner] database: 'x' is a relative path; write it from / "
                   "on.\n"
                   "@/conf.d/1.conf:4: [store a] path: './b' is a relative path; write it from / "
                   "on.\n");
}
END_TEST

START_TEST(no_files) {
        (void)load(NULL, NO_FILE);
        ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        (void)load(NULL, NO_FILE);
        ck_assert_int_eq(mkdir(root, 0755), 0); /* for the fixture to remove */
}
END_TEST

START_TEST(named_file_is_missing) {
        write_file("@/storescan.conf", VALID);
        (void)load("@/other.conf", "@/other.conf: can't be opened: No such file or directory; "
                                   "create it, or correct the path.\n");
}
END_TEST

/* The files that can be read are still judged; only nothing is missed. */
START_TEST(unreadable_files) {
        static const char errors[] =
                CONF "can't be opened: No such file or directory; create it, or correct the path.\n"
                "@/conf.d/1.conf: is not a regular file; put a configuration file there.\n"
                "@/conf.d/2.conf: can't be opened: Too many levels of symbolic links; make it "
                "readable.\n"
                "@/conf.d/3.conf: is not a regular file; put a configuration file there.\n"
                "@/conf.d/4.conf: is not a regular file; put a configuration file there.\n"
                "@/conf.d/5.conf:2: [gate] log_queue: '1' is out of range; write 64 to 65536.\n";
        _cleanup_free_ char *fifo = expand("@/conf.d/3.conf");

        make_link("@/nowhere", "@/storescan.conf");
        make_folder("@/conf.d/1.conf");
        make_link("@/conf.d/2.conf", "@/conf.d/2.conf");
        ck_assert_int_eq(mkfifo(fifo, 0644), 0);
        make_link("/dev/null", "@/conf.d/4.conf");
        write_file("@/conf.d/5.conf", "[gate]\nlog_queue = 1\n");
        (void)load(NULL, errors);
}
END_TEST

/* As another user, who may not look; root may always. */
START_TEST(no_permission) {
        static const char errors[] =
                CONF "can't be opened: Permission denied; make it readable.\n"
                "@/conf.d: can't be listed: Permission denied; make it a readable folder, or "
                "remove it.\n";
        _cleanup_free_ char *conf = expand("@/storescan.conf"), *dropins = expand("@/conf.d");

        write_file("@/storescan.conf", VALID);
        ck_assert_int_eq(chmod(conf, 0), 0);
        ck_assert_int_eq(chmod(dropins, 0), 0);
        if (getuid() == 0)
                ck_assert_int_eq(seteuid(65534), 0);
        (void)load(NULL, errors);
        if (getuid() == 0)
                ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(chmod(dropins, 0755), 0);
}
END_TEST

/* clang-format on */

/* A store that only others may look at can't be guarded; the database is the loader's. */
START_TEST(no_permission_below) {
        static const char errors[] =
                LINE(4) A "path: '@/a/sub' can't be looked at: Permission denied; correct it.\n";
        _cleanup_free_ char *a = expand("@/a");

        write_file("@/storescan.conf", "[scanner]\ndatabase = @/a/db\n[store a]\npath = @/a/sub\n");
        ck_assert_int_eq(chmod(a, 0), 0);
        if (getuid() == 0)
                ck_assert_int_eq(seteuid(65534), 0);
        (void)load(NULL, errors);
        if (getuid() == 0)
                ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(chmod(a, 0755), 0);
}
END_TEST

START_TEST(dropins_no_folder) {
        _cleanup_free_ char *dropins = expand("@/conf.d");

        ck_assert_int_eq(rmdir(dropins), 0);
        write_file("@/conf.d", VALID);
        (void)load(NULL, "@/conf.d: can't be listed: Not a directory; make it a readable folder, "
                         "or remove it.\n");
}
END_TEST

START_TEST(large_file) {
        _cleanup_free_ char *conf = expand("@/storescan.conf");

        write_file("@/storescan.conf", VALID);
        ck_assert_int_eq(truncate(conf, (1 << 20) + 1), 0);
        (void)load(NULL, CONF "is larger than 1024 KiB; put a configuration file there.\n");
}
END_TEST

/* The notice's file, line by line; by its own name. */
START_TEST(notices) {
        static const struct {
                const char *text, *error;
        } cases[] = {
                { "Gone.\n%{virus}\n", ":2: unknown variable; known are %{signature}, %{item}, "
                                       "%{sender}, %{date} and %{host}; a percent sign is %%.\n" },
                { "\xff\n", ":1: no valid UTF-8; save the file as UTF-8.\n" },
                { "", ": there is no text in it; write some.\n" },
        };
        _cleanup_free_ char *file = expand("@/n");
        char error[512];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_file("@/n", cases[i].text);
                (void)snprintf(error, sizeof(error), "@/n%s", cases[i].error);
                load_bad(VALID "[remedy]\nnotice = @/n\n", error);
        }
        ck_assert_int_eq(truncate(file, 4097), 0);
        load_bad(VALID "[remedy]\nnotice = @/n\n", "@/n: longer than 4096 bytes; shorten it.\n");
        load_bad(VALID "[remedy]\nnotice = @/a\n",
                 LINE(6) "[remedy] notice: '@/a' can't be read: not a regular file; make it a file "
                         "that can be.\n");
        load_bad(
                VALID "[remedy]\nnotice = @/none\n",
                LINE(6) "[remedy] notice: '@/none' can't be read: No such file or directory; write "
                        "it, or remove the line for a notice that is built in.\n");
}
END_TEST

/* What is reported stays one line each, whatever the files are called. */
START_TEST(hostile_names) {
        write_file("@/conf.d/a\nb:1: [gate].conf", "[gate]\nlog_queue = 1\n" VALID);
        (void)load(NULL, "@/conf.d/a\\x0ab:1: [gate].conf:2: [gate] log_queue: '1' is out of "
                         "range; write 64 to 65536.\n");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                not_within,
                stores_in_each_other,
                no_cache_lies_nowhere,
                default_database,
                nul_bytes,
                long_lines,
                too_many_stores,
                all_at_once,
                origin_is_the_later_file,
                origin_is_the_refused,
                no_files,
                named_file_is_missing,
                unreadable_files,
                no_permission,
                no_permission_below,
                dropins_no_folder,
                large_file,
                hostile_names,
                notices,
        };
        Suite *suite = suite_create("config-errors");
        TCase *tcase = tcase_create("config-errors");

        tcase_add_checked_fixture(tcase, make_root, remove_root);
        tcase_add_loop_test(tcase, mistake, 0, ELEMENTSOF(mistakes));
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
