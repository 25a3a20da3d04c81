/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the test's folder in memory, and the asserting half of talking to a worker. */

#include "tests/system/worker-world.h"

#include <ftw.h>
#include <sched.h>

const char *program, *signatures;
char place[PATH_MAX];

void in_place(char ret[static PATH_MAX], const char *name) {
        ck_assert_int_lt(snprintf(ret, PATH_MAX, "%s/%s", place, name), PATH_MAX);
}

void give(const char *path) {
        ck_assert_int_eq(lchown(path, gate_user(), (gid_t)-1), 0);
}

static void make_place(void) {
        (void)snprintf(place, sizeof(place), "/dev/shm/storescan-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(place));
        ck_assert_int_eq(chmod(place, 0755), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
        return remove(path);
}

static void remove_place(void) {
        (void)umount2(place, MNT_DETACH);
        ck_assert_int_eq(nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), 0);
}

void make_folder(char ret[static PATH_MAX], const char *name) {
        in_place(ret, name);
        ck_assert_int_eq(mkdir(ret, 0700), 0);
        give(ret);
}

void write_file(const char *path, const void *data, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                ck_assert_int_gt(n, 0);
                data = (const char *)data + n;
                size -= (size_t)n;
        }
        give(path);
}

void write_text(const char *folder, const char *name, const char *text) {
        char path[PATH_MAX];

        ck_assert_int_lt(snprintf(path, sizeof(path), "%s/%s", folder, name), PATH_MAX);
        write_file(path, text, strlen(text));
}

void world_prepare(struct world *w) {
        *w = (struct world){};
        make_folder(w->tmpdir, "scan");
        ck_assert_int_eq(gate_start(&w->gate, &(struct gate_start){ .program = program }), 0);
        gate_load_init(&w->load, signatures, w->tmpdir);
}

void world_load(struct world *w) {
        int r = gate_load(&w->gate, &w->load, &w->reply);

        ck_assert_msg(r == PROTO_LOADED, "load: %s",
                      r == PROTO_REFUSED ? w->reply.refused.text : strerror(-r));
}

void world_spawn(struct world *w) {
        ck_assert_int_eq(gate_spawn(&w->gate, 0, &w->worker), 0);
}

void world_start(struct world *w) {
        world_prepare(w);
        world_load(w);
        world_spawn(w);
}

void assert_empty(const char *folder) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/.", folder);
        if (rmdir(folder) < 0)
                ck_abort_msg("%s is not empty: %s", folder, strerror(errno));
        ck_assert_int_eq(mkdir(folder, 0700), 0);
        give(folder);
}

/* Ends as storescand ends it, and nothing may be left. */
void world_stop(struct world *w) {
        gate_worker_free(&w->worker);
        ck_assert_int_eq(gate_stop(&w->gate), 0);
        assert_empty(w->tmpdir);
}

struct proto_result scan(struct world *w, const struct blob *mail) {
        struct proto_result result;

        ck_assert_int_eq(gate_scan(&w->worker,
                                   &(struct gate_job){ .data = mail->data,
                                                       .size = mail->size,
                                                       .form = JOB_MESSAGE },
                                   &result),
                         0);
        return result;
}

struct proto_result scan_fd(struct world *w, int fd) {
        struct proto_result result;
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(gate_scan(&w->worker,
                                   &(struct gate_job){ .fd = fd,
                                                       .size = (size_t)st.st_size,
                                                       .form = JOB_MESSAGE },
                                   &result),
                         0);
        return result;
}

void assert_result(const struct proto_result *r, enum verdict verdict, enum reason reason,
                   const char *text) {
        ck_assert_msg(r->verdict == verdict && r->reason == reason && !r->known &&
                              (!text || strstr(r->signature, text)),
                      "%s, %s, '%s' instead of %s, %s, '%s'", verdict_name(r->verdict),
                      reason_name(r->reason), r->signature, verdict_name(verdict),
                      reason_name(reason), text ? text : "");
}

void assert_not_clean(const struct proto_result *r) {
        ck_assert_msg(r->verdict != VERDICT_CLEAN, "it was called clean");
}

int blob_fd(const struct blob *blob) {
        int fd = memfd_create("item", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, blob->data, blob->size), (ssize_t)blob->size);
        return fd;
}

void assert_works(struct world *w) {
        _cleanup_blob_ struct blob clean = {}, infected = {};
        struct proto_result r;

        mail_plain(&clean, 5000, 1);
        mail_with(&infected, "e.com", eicar(), EICAR_SIZE, BASE64);
        r = scan(w, &clean);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, NULL);
        r = scan(w, &infected);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
}

void folder_of(const struct world *w, char ret[static PATH_MAX]) {
        ck_assert_int_lt(snprintf(ret, PATH_MAX, "%s/w0-%d", w->tmpdir, (int)w->worker.pid),
                         PATH_MAX);
}

void assert_private_memory(const struct world *w) {
        unsigned long dirty = 0, kib;
        char path[64], line[256];
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)w->worker.pid);
        f = fopen(path, "re");
        ck_assert_ptr_nonnull(f);
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1)
                        dirty += kib;
        (void)fclose(f);
        printf("private memory of a worker: %lu KiB\n", dirty);
        ck_assert_uint_gt(dirty, 0);
        ck_assert_uint_le(dirty, 6144);
}

void mount_place(const char *options) {
        ck_assert_int_eq(mount("test", place, "tmpfs", MS_NOSUID | MS_NODEV, options), 0);
        ck_assert_int_eq(chmod(place, 0755), 0);
}

int world_main(int argc, char **argv, const TTest *const *tests, size_t n,
               const TTest *const *root_tests, size_t n_root) {
        bool privileged = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
                          mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
        Suite *suite;
        TCase *tcase;
        SRunner *runner;
        int failed;

        if (argc == 3) {
                program = realpath(argv[1], NULL);
                signatures = realpath(argv[2], NULL);
        }
        if (!program || !signatures) {
                fprintf(stderr, "Usage: %s PROGRAM SIGNATURES\n", argv[0]);
                return 2;
        }
        suite = suite_create("worker");
        tcase = tcase_create("worker");
        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, make_place, remove_place);
        for (size_t i = 0; i < n; i++)
                tcase_add_test(tcase, tests[i]);
        for (size_t i = 0; i < n_root && privileged; i++)
                tcase_add_test(tcase, root_tests[i]);
        if (n_root > 0 && !privileged)
                printf("left out: %zu tests that need root and a mount namespace\n", n_root);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
