/* SPDX-License-Identifier: Apache-2.0 */

/* The files of the verdict cache: intact, damaged, of somebody else, and impossible to write. */

#include <sched.h>
#include <sys/mount.h>

#include "tests/unit/verdicts-fixture.h"

#define CONTENTS 3000 /* none of them meets seven others */

static size_t read_file(const char *name, uint8_t *ret, size_t size) {
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, ret, size);

        ck_assert_int_ge(n, 0);
        return (size_t)n;
}

static struct cache filled_cache(const uint8_t secret[static CACHE_KEY_SIZE], unsigned n) {
        struct cache cache = open_cache(secret);

        for (unsigned i = 0; i < n; i++) {
                const struct cache_verdict v = {
                        .verdict = i % 3 ? VERDICT_CLEAN : VERDICT_UNSCANNABLE,
                        .reason = i % 3 ? REASON_NONE : REASON_BROKEN,
                        .generation = i % 2 ? gen_a : gen_b,
                        .time_msec = 1000 + i,
                };

                ck_assert_int_eq(cache_store(&cache, digest_of(i), &v), CACHE_ADDED);
        }
        return cache;
}

static void assert_filled(const struct cache *cache, unsigned n) {
        struct cache_verdict v;

        ck_assert_uint_eq(cache->n_entries, n);
        for (unsigned i = 0; i < n; i++) {
                ck_assert_int_eq(cache_lookup(cache, digest_of(i), &gen_a, &v),
                                 i % 2 ? CACHE_HIT : CACHE_STALE);
                ck_assert_int_eq(v.verdict, i % 3 ? VERDICT_CLEAN : VERDICT_UNSCANNABLE);
                ck_assert_uint_eq(v.time_msec, 1000 + i);
        }
}

START_TEST(saved_is_loaded) {
        static const unsigned counts[] = { 0, 1, 2, 1023, 1024, 1025, CONTENTS };
        uint8_t secret[CACHE_KEY_SIZE] = "a secret";
        struct verdicts_loaded loaded;
        struct stat st;
        uint64_t n;

        for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
                struct cache cache = filled_cache(secret, counts[i]), again = open_cache(secret);

                ck_assert_int_eq(verdicts_save(folder, &cache, &n), 0);
                ck_assert_uint_eq(n, counts[i]);
                ck_assert_int_eq(fstatat(folder, VERDICTS_NAME, &st, 0), 0);
                ck_assert_int_eq(st.st_size, 64 + 64 * counts[i]);
                ck_assert_uint_eq(st.st_mode & 07777, 0600);
                ck_assert(!exists(VERDICTS_NAME ".new"));
                ck_assert_int_eq(verdicts_load(folder, &again, &loaded), 0);
                ck_assert_uint_eq(loaded.n, counts[i]);
                ck_assert_uint_eq(loaded.damaged, 0);
                assert_filled(&again, counts[i]);
                close_cache(&cache);
                close_cache(&again);
        }
}
END_TEST

START_TEST(damaged_files) {
        uint8_t secret[CACHE_KEY_SIZE] = "a secret", other[CACHE_KEY_SIZE] = "another secret";
        static uint8_t good[64 + 64 * 20], bytes[sizeof(good) + 64];
        struct cache cache = filled_cache(secret, 20);
        struct verdicts_loaded loaded = {};
        uint64_t n;

        ck_assert_int_eq(try_load(secret, &loaded), -ENOENT);
        ck_assert_int_eq(verdicts_save(folder, &cache, &n), 0);
        close_cache(&cache);
        ck_assert_uint_eq(read_file(VERDICTS_NAME, good, sizeof(good)), sizeof(good));
        ck_assert_int_eq(try_load(secret, &loaded), 0);
        ck_assert_int_eq(try_load(other, &loaded), -EKEYREJECTED);

        /* Cut, and grown. */
        memcpy(bytes, good, sizeof(good));
        for (size_t size = 0; size <= sizeof(bytes); size++) {
                write_file(VERDICTS_NAME, bytes, size);
                ck_assert_int_eq(try_load(secret, &loaded), size < 64              ? -EINVAL
                                                            : size == sizeof(good) ? 0
                                                                                   : -EMSGSIZE);
        }
        /* Another byte anywhere. */
        for (size_t i = 0; i < sizeof(good); i++) {
                bytes[i] ^= 0x20;
                write_file(VERDICTS_NAME, bytes, sizeof(good));
                loaded = (struct verdicts_loaded){};
                ck_assert_int_eq(try_load(secret, &loaded), i < 8    ? -EINVAL
                                                            : i < 12 ? -EPROTONOSUPPORT
                                                            : i < 64 ? -EKEYREJECTED
                                                                     : 0);
                ck_assert_uint_eq(loaded.damaged, i < 64 ? 0 : 1);
                bytes[i] ^= 0x20;
        }
        /* A page that never reached the disk. */
        memset(bytes + 64 + 64 * 5, 0, 64 * 10);
        write_file(VERDICTS_NAME, bytes, sizeof(good));
        ck_assert_int_eq(try_load(secret, &loaded), 0);
        ck_assert_uint_eq(loaded.damaged, 10);
}
END_TEST

START_TEST(not_files) {
        uint8_t secret[CACHE_KEY_SIZE] = "a secret";
        struct verdicts_loaded loaded;

        ck_assert_int_eq(mkdirat(folder, VERDICTS_NAME, 0700), 0);
        ck_assert_int_eq(try_load(secret, &loaded), -EMEDIUMTYPE);
        ck_assert_int_eq(unlinkat(folder, VERDICTS_NAME, AT_REMOVEDIR), 0);
        ck_assert_int_eq(mkfifoat(folder, VERDICTS_NAME, 0600), 0);
        ck_assert_int_eq(try_load(secret, &loaded), -EMEDIUMTYPE);
        ck_assert_int_eq(unlinkat(folder, VERDICTS_NAME, 0), 0);
        ck_assert_int_eq(symlinkat("/dev/zero", folder, VERDICTS_NAME), 0);
        ck_assert_int_eq(try_load(secret, &loaded), -EMEDIUMTYPE);
}
END_TEST

/* The disk fills at every place: the file is the old one, and nothing is left beside it. */
START_TEST(full_disk) {
        uint8_t secret[CACHE_KEY_SIZE] = "a secret";
        struct cache cache = filled_cache(secret, CONTENTS), few = filled_cache(secret, 5);
        struct verdicts_loaded loaded;
        uint64_t n = 77;

        ck_assert_int_eq(verdicts_save(folder, &few, &n), 0);
        n = 77;
        write_file(VERDICTS_NAME ".new", "of a save before a power loss", 20);
        for (rlim_t limit = 0; limit < 64 + 64 * CONTENTS; limit += 9999) {
                int r;

                limit_files(limit);
                r = verdicts_save(folder, &cache, &n);
                limit_files(FILES_MAX);
                ck_assert_int_eq(r, -EFBIG);
                ck_assert_uint_eq(n, 77);
                ck_assert(!exists(VERDICTS_NAME ".new"));
                ck_assert_int_eq(try_load(secret, &loaded), 0);
                ck_assert_uint_eq(loaded.n, 5);
        }
        ck_assert_int_eq(verdicts_save(folder, &cache, &n), 0);
        ck_assert_uint_eq(n, CONTENTS);
        close_cache(&cache);
        close_cache(&few);
}
END_TEST

START_TEST(keys) {
        uint8_t first[CACHE_KEY_SIZE], second[CACHE_KEY_SIZE];
        struct stat st;

        ck_assert_int_eq(verdicts_key_read(folder, first), VERDICTS_KEY_MADE);
        ck_assert_int_eq(fstatat(folder, VERDICTS_KEY_NAME, &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        ck_assert_int_eq(st.st_size, CACHE_KEY_SIZE);
        ck_assert_int_eq(verdicts_key_read(folder, second), VERDICTS_KEY_READ);
        ck_assert_mem_eq(first, second, sizeof(first));

        /* What others may have read, or made, or half of a key, is none. */
        for (unsigned i = 0; i < 6; i++) {
                switch (i) {
                case 0: ck_assert_int_eq(fchmodat(folder, VERDICTS_KEY_NAME, 0640, 0), 0); break;
                case 1: ck_assert_int_eq(fchmodat(folder, VERDICTS_KEY_NAME, 0602, 0), 0); break;
                case 2: write_file(VERDICTS_KEY_NAME, first, CACHE_KEY_SIZE - 1); break;
                case 3: write_file(VERDICTS_KEY_NAME, "", 0); break;
                case 4:
                        ck_assert_int_eq(renameat(folder, VERDICTS_KEY_NAME, folder, "k"), 0);
                        ck_assert_int_eq(symlinkat("k", folder, VERDICTS_KEY_NAME), 0);
                        break;
                default:
                        if (geteuid() != 0)
                                continue;
                        ck_assert_int_eq(fchownat(folder, VERDICTS_KEY_NAME, 65534, 65534, 0), 0);
                }
                ck_assert_int_eq(verdicts_key_read(folder, second), VERDICTS_KEY_REPLACED);
                ck_assert_mem_ne(first, second, sizeof(first));
                memcpy(first, second, sizeof(first));
                ck_assert_int_eq(verdicts_key_read(folder, second), VERDICTS_KEY_READ);
                ck_assert_mem_eq(first, second, sizeof(first));
                ck_assert(!exists(VERDICTS_KEY_NAME ".new"));
        }
}
END_TEST

/* A real one, as far as the kernel lets us have it: three pages of it. */
START_TEST(full_file_system) {
        uint8_t secret[CACHE_KEY_SIZE] = "a secret", key[CACHE_KEY_SIZE];
        struct cache cache = filled_cache(secret, CONTENTS), few = filled_cache(secret, 100);
        struct verdicts_loaded loaded;
        char options[32];
        uint64_t n;

        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                fprintf(stderr, "no mounts of our own: no full file system\n");
                return;
        }
        (void)snprintf(options, sizeof(options), "size=%ld", 3 * sysconf(_SC_PAGESIZE));
        ck_assert_int_eq(mount("none", root, "tmpfs", 0, options), 0);
        close_fd(folder);
        folder = own_folder_open(root);
        ck_assert_int_eq(verdicts_save(folder, &few, &n), 0);
        ck_assert_int_eq(verdicts_save(folder, &cache, &n), -ENOSPC);
        ck_assert(!exists(VERDICTS_NAME ".new"));
        ck_assert_int_eq(try_load(secret, &loaded), 0);
        ck_assert_uint_eq(loaded.n, 100);
        /* 100 verdicts take two pages. */
        write_file("other", "", 1);
        ck_assert_int_eq(verdicts_key_read(folder, key), -ENOSPC);
        ck_assert(!exists(VERDICTS_KEY_NAME) && !exists(VERDICTS_KEY_NAME ".new"));
        ck_assert_int_eq(umount2(root, MNT_DETACH), 0);
        close_cache(&cache);
        close_cache(&few);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                saved_is_loaded, damaged_files, not_files, full_disk, keys, full_file_system,
        };
        Suite *suite = suite_create("verdicts-file");
        TCase *tcase = tcase_create("verdicts-file");

        tcase_add_checked_fixture(tcase, make_folder, remove_folder);
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
