/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verdict cache of the daemon: its memory, which others can read only; its thread; restarts.
 */

#include <sys/inotify.h>
#include <sys/sysinfo.h>

#include "daemon/verdicts.h"
#include "tests/unit/verdicts-fixture.h"

static struct stats stats;
static struct journal *journal;

/* ---- What is logged ---- */

static void start(void) {
        char log[80];
        int fd;

        make_folder();
        (void)snprintf(log, sizeof(log), "%s/log", root);
        fd = open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
        close_fd(fd);
        ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
        ck_assert_int_eq(journal_new(64, &journal), 0);
}

static void end(void) {
        journal = journal_free(journal);
        remove_folder();
}

/* Ends the journal; how many lines it wrote, all of them of this event and with this text. */
static unsigned logged(const char *text) {
        char line[4096];
        unsigned n = 0;
        FILE *f;

        journal = journal_free(journal);
        (void)snprintf(line, sizeof(line), "%s/log", root);
        f = fopen(line, "re");
        ck_assert_ptr_nonnull(f);
        for (; fgets(line, sizeof(line), f); n++) {
                ck_assert_ptr_nonnull(strstr(line, "cache-failed: "));
                ck_assert_msg(strstr(line, text), "'%s' does not have '%s'", line, text);
        }
        ck_assert_int_eq(fclose(f), 0);
        return n;
}

/* ---- The cache ---- */

static struct verdicts *start_in(const char *directory, uint64_t save_usec) {
        const struct verdicts_settings settings = { MEMORY, directory, save_usec };
        struct verdicts *v = verdicts_new(&settings, &stats, journal);

        ck_assert_ptr_nonnull(v);
        verdicts_wait_loaded(v);
        return v;
}

static enum cache_answer ask(struct verdicts *v, unsigned n) {
        struct cache_verdict found;

        return verdicts_lookup(v, digest_of(n), &gen_a, &found);
}

static void remember(struct verdicts *v, unsigned n) {
        verdicts_store(v, digest_of(n), &gen_a, VERDICT_CLEAN, REASON_NONE);
}

START_TEST(restarts) {
        struct cache_verdict found;
        struct verdicts *v;

        for (unsigned run = 0; run < 3; run++) {
                v = start_in(root, 0);
                ck_assert_uint_eq(verdicts_count(v), run * 100);
                for (unsigned i = 0; i < 300; i++)
                        ck_assert_int_eq(ask(v, i), i < run * 100 ? CACHE_HIT : CACHE_MISS);
                for (unsigned i = run * 100; i < (run + 1) * 100; i++)
                        remember(v, i);
                ck_assert_ptr_null(verdicts_free(v));
        }
        ck_assert_uint_eq(stats.cache_hits, 100 + 200);
        ck_assert_uint_eq(stats.cache_misses, 300 + 200 + 100);
        ck_assert_uint_eq(stats.cache_stored, 300);

        /* Infected: forgotten, also by the next run. */
        v = start_in(root, 0);
        verdicts_store(v, digest_of(7), &gen_a, VERDICT_INFECTED, REASON_NONE);
        verdicts_store(v, digest_of(8), &gen_a, VERDICT_UNKNOWN, REASON_CRASH);
        verdicts_store(v, digest_of(9), &gen_b, VERDICT_UNSCANNABLE, REASON_LIMITS);
        ck_assert_uint_eq(verdicts_count(v), 298);
        ck_assert_ptr_null(verdicts_free(v));
        v = start_in(root, 0);
        ck_assert_int_eq(ask(v, 7), CACHE_MISS);
        ck_assert_int_eq(ask(v, 8), CACHE_MISS);
        ck_assert_int_eq(verdicts_lookup(v, digest_of(9), &gen_a, &found), CACHE_STALE);
        ck_assert_int_eq(found.verdict, VERDICT_UNSCANNABLE);
        ck_assert_int_eq(found.reason, REASON_LIMITS);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_uint_eq(logged(""), 0);
}
END_TEST

START_TEST(no_cache) {
        const struct verdicts_settings settings = { 0, root, 0 };
        struct verdicts *v = verdicts_new(&settings, &stats, journal);

        ck_assert_ptr_null(v);
        remember(v, 1);
        ck_assert_int_eq(ask(v, 1), CACHE_MISS);
        ck_assert_int_eq(verdicts_fd(v), -EBADF);
        ck_assert_uint_eq(verdicts_count(v), 0);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert(!exists(VERDICTS_KEY_NAME));
        ck_assert_uint_eq(logged(""), 0);
}
END_TEST

/* What a worker gets: it can look, in no way write. */
START_TEST(memory_of_workers) {
        struct verdicts *v = start_in(root, 0);
        int fd = verdicts_fd(v), writable;
        struct cache_view view;
        char link[32];
        struct stat st;
        void *map;

        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq((uint64_t)st.st_size, cache_region_size(MEMORY));
        ck_assert_int_ge((int)(st.st_blocks / 8), (int)(st.st_size / 4096)); /* no holes */

        map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ck_assert_ptr_eq(map, MAP_FAILED);
        ck_assert_int_eq(errno, EPERM);
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        writable = open(link, O_RDWR | O_CLOEXEC);
        ck_assert_ptr_eq(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, MAX(writable, fd), 0),
                         MAP_FAILED);
        close_fd(writable);
        ck_assert_int_lt(pwrite(fd, "x", 1, 5000), 0);
        ck_assert_int_lt(ftruncate(fd, 4096), 0);
        ck_assert_int_lt(ftruncate(fd, 1 << 30), 0);
        ck_assert_int_lt(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
        ck_assert_int_lt(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);

        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        ck_assert_ptr_ne(map, MAP_FAILED);
        ck_assert_int_lt(mprotect(map, (size_t)st.st_size, PROT_READ | PROT_WRITE), 0);
        ck_assert_int_eq(cache_view(map, (size_t)st.st_size, &view), 0);
        ck_assert(!cache_hint(&view, digest_of(1), &gen_a));
        remember(v, 1);
        ck_assert(cache_hint(&view, digest_of(1), &gen_a));
        ck_assert(!cache_hint(&view, digest_of(1), &gen_b));
        ck_assert_int_eq(munmap(map, (size_t)st.st_size), 0);
        ck_assert_ptr_null(verdicts_free(v));
}
END_TEST

/* Without an end: saved by and by. */
START_TEST(saves_while_it_runs) {
        struct verdicts *v = start_in(root, 10 * USEC_PER_MSEC);
        struct verdicts_loaded loaded = {};
        uint8_t secret[CACHE_KEY_SIZE];
        char event[4096];
        int watch = inotify_init1(IN_CLOEXEC);

        ck_assert_int_ge(inotify_add_watch(watch, root, IN_MOVED_TO), 0);
        remember(v, 1);
        ck_assert_int_gt(read(watch, event, sizeof(event)), 0);
        ck_assert_int_eq(verdicts_key_read(folder, secret), VERDICTS_KEY_READ);
        ck_assert_int_eq(try_load(secret, &loaded), 0);
        ck_assert_uint_eq(loaded.n, 1);
        close_fd(watch);
        ck_assert_ptr_null(verdicts_free(v));
}
END_TEST

/* Nothing new: the file is left alone. */
START_TEST(saves_changes_only) {
        struct stat before, after;
        struct verdicts *v = start_in(root, 0);

        ck_assert_ptr_null(verdicts_free(v));
        ck_assert(!exists(VERDICTS_NAME));
        v = start_in(root, 0);
        remember(v, 1);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_int_eq(fstatat(folder, VERDICTS_NAME, &before, 0), 0);
        v = start_in(root, 0);
        ck_assert_int_eq(ask(v, 1), CACHE_HIT);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_int_eq(fstatat(folder, VERDICTS_NAME, &after, 0), 0);
        ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

static const struct {
        const char *content, *said;
} bad_files[] = {
        { "", "it is no file of verdicts" },
        { "SsVerds\0\2\0\0\0 and so on, as a later version may have it, for 64 bytes or more "
          "......",
          "another version" },
        { "SsVerds\0\1\0\0\0 and so on, for 64 bytes or more ................................",
          "damaged, or was written under another key" },
};

/* Told once, with the file's name; replaced by the next save. */
START_TEST(bad_file_is_replaced) {
        struct verdicts *v;

        write_file(VERDICTS_NAME, bad_files[_i].content, _i == 0 ? 0 : 70);
        v = start_in(root, 0);
        ck_assert_uint_eq(verdicts_count(v), 0);
        remember(v, 1);
        ck_assert_int_eq(ask(v, 1), CACHE_HIT);
        ck_assert_ptr_null(verdicts_free(v));
        v = start_in(root, 0);
        ck_assert_int_eq(ask(v, 1), CACHE_HIT);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_uint_eq(logged(bad_files[_i].said), 1);
}
END_TEST

START_TEST(lost_key_is_an_empty_cache) {
        struct verdicts *v = start_in(root, 0);

        remember(v, 1);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_int_eq(fchmodat(folder, VERDICTS_KEY_NAME, 0644, 0), 0);
        v = start_in(root, 0);
        ck_assert_int_eq(ask(v, 1), CACHE_MISS);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_uint_eq(logged(VERDICTS_KEY_NAME " was not a key of storescand's alone"), 1);
}
END_TEST

START_TEST(no_folder_to_write_to) {
        static const char *const below[] = { "/none/there", "/log", "/log/x" };
        char path[128];

        for (size_t i = 0; i < ELEMENTSOF(below); i++) {
                struct verdicts *v;

                (void)snprintf(path, sizeof(path), "%s%s", root, below[i]);
                v = start_in(path, 10 * USEC_PER_MSEC);
                remember(v, 1);
                ck_assert_int_eq(ask(v, 1), CACHE_HIT);
                ck_assert_ptr_null(verdicts_free(v));
        }
        ck_assert_uint_eq(logged("in memory only"), ELEMENTSOF(below));
}
END_TEST

START_TEST(folder_is_made) {
        char path[128];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/new", root);
        ck_assert_ptr_null(verdicts_free(start_in(path, 0)));
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0700);
        ck_assert_uint_eq(logged(""), 0);
}
END_TEST

/* Many periods without room: one message, and what was remembered is saved when there is room. */
START_TEST(full_disk_is_told_once) {
        struct verdicts *v = start_in(root, USEC_PER_MSEC);
        int watch = inotify_init1(IN_CLOEXEC);
        enum cache_answer answer;
        unsigned n_failed = 0;
        char event[4096];

        ck_assert_int_ge(inotify_add_watch(watch, root, IN_DELETE), 0);
        limit_files(1000);
        for (unsigned i = 0; i < 100; i++)
                remember(v, i);
        for (unsigned i = 0; i < 3; i++) /* what was begun is taken back */
                n_failed += read(watch, event, sizeof(event)) > 0;
        answer = ask(v, 5);
        limit_files(FILES_MAX);
        ck_assert_int_eq(answer, CACHE_HIT);
        ck_assert_uint_eq(n_failed, 3);
        close_fd(watch);
        ck_assert_ptr_null(verdicts_free(v));
        v = start_in(root, 0);
        ck_assert_uint_eq(verdicts_count(v), 100);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_uint_eq(logged("could not be saved"), 1);
}
END_TEST

/* Refused before a page is taken: the kernel would grant them, and end other processes for it. */
START_TEST(too_much_memory) {
        struct sysinfo machine;
        uint64_t sizes[4] = { UINT64_C(1) << 62, UINT64_MAX, CACHE_SIZE_MAX + 1 };

        ck_assert_int_eq(sysinfo(&machine), 0);
        sizes[3] = machine.totalram * machine.mem_unit / 4 + machine.mem_unit + 4096;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                const struct verdicts_settings settings = { sizes[i], root, 0 };

                ck_assert_ptr_null(verdicts_new(&settings, &stats, journal));
        }
        ck_assert(!exists(VERDICTS_KEY_NAME));
        ck_assert_uint_eq(logged("more than a quarter of this machine's"), ELEMENTSOF(sizes));
}
END_TEST

/* What is found infected before the file is loaded is not clean because the file says so. */
START_TEST(infected_before_the_load) {
        struct verdicts *v = start_in(root, 0);
        const unsigned n = 20000;

        for (unsigned i = 0; i < n; i++)
                remember(v, i);
        ck_assert_ptr_null(verdicts_free(v));

        v = verdicts_new(&(struct verdicts_settings){ MEMORY, root, 0 }, &stats, journal);
        ck_assert_ptr_nonnull(v);
        for (unsigned i = 0; i < 10; i++)
                verdicts_store(v, digest_of(i), &gen_a, i % 2 ? VERDICT_INFECTED : VERDICT_UNKNOWN,
                               i % 2 ? REASON_NONE : REASON_TIMEOUT);
        verdicts_wait_loaded(v);
        ck_assert_uint_ge(verdicts_count(v), n / 2);
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(ask(v, i), i < 10 ? CACHE_MISS : CACHE_HIT);
        ck_assert_ptr_null(verdicts_free(v));
        v = start_in(root, 0); /* also for the next run */
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(ask(v, i), i < 10 ? CACHE_MISS : CACHE_HIT);
        ck_assert_ptr_null(verdicts_free(v));
        ck_assert_uint_eq(logged(""), 0);
}
END_TEST

/* More of them than are noted: then nothing is believed. */
START_TEST(many_infected_before_the_load) {
        struct verdicts *v = start_in(root, 0);
        const unsigned n = 20000;

        for (unsigned i = 0; i < n; i++)
                remember(v, i);
        ck_assert_ptr_null(verdicts_free(v));
        v = verdicts_new(&(struct verdicts_settings){ MEMORY, root, 0 }, &stats, journal);
        for (unsigned i = 0; i < 1100; i++)
                verdicts_store(v, digest_of(i), &gen_a, VERDICT_INFECTED, REASON_NONE);
        verdicts_wait_loaded(v);
        for (unsigned i = 0; i < 1100; i++)
                ck_assert_int_eq(ask(v, i), CACHE_MISS);
        ck_assert_ptr_null(verdicts_free(v));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                restarts,
                no_cache,
                memory_of_workers,
                saves_while_it_runs,
                saves_changes_only,
                lost_key_is_an_empty_cache,
                no_folder_to_write_to,
                folder_is_made,
                full_disk_is_told_once,
                too_much_memory,
                infected_before_the_load,
                many_infected_before_the_load,
        };
        Suite *suite = suite_create("verdicts");
        TCase *tcase = tcase_create("verdicts");

        tcase_add_checked_fixture(tcase, start, end);
        tcase_add_loop_test(tcase, bad_file_is_replaced, 0, ELEMENTSOF(bad_files));
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
