/* SPDX-License-Identifier: Apache-2.0 */

/* Broken ground: no folder, no inode, no space for temporary files. Nothing is clean then, and
 * all is well again afterwards. And what a worker is confined to. */

#include "tests/system/worker-world.h"

/* ---- Failures of the machine ---- */

/* Asks for a clean and for an infected mail on broken ground. The worker must not call the first
 * clean, and ends; the loader goes on. */
static void assert_distrusts(struct world *w, const char *text) {
        _cleanup_blob_ struct blob clean = {}, infected = {};
        struct proto_result r;

        mail_plain(&clean, 5000, 1);
        mail_with(&infected, "e.com", eicar(), EICAR_SIZE, BASE64);
        r = scan(w, &clean);
        assert_result(&r, VERDICT_UNKNOWN, REASON_ENGINE, text);
        ck_assert_int_eq(gate_wait_end(&w->worker), 0);
        gate_worker_free(&w->worker);
        /* Its successor finds out before it says HELLO. */
        if (gate_spawn(&w->gate, 1, &w->worker) == 0) {
                r = scan(w, &infected);
                assert_not_clean(&r);
                r = scan(w, &clean);
                assert_not_clean(&r);
        }
        gate_worker_free(&w->worker);
}

START_TEST(folder_removed_under_a_worker) {
        char folder[PATH_MAX];
        struct world w;

        world_start(&w);
        assert_works(&w);
        folder_of(&w, folder);
        ck_assert_int_eq(rmdir(folder), 0);
        {
                _cleanup_blob_ struct blob clean = {};
                struct proto_result r;

                mail_plain(&clean, 5000, 1);
                r = scan(&w, &clean);
                assert_result(&r, VERDICT_UNKNOWN, REASON_ENGINE, NULL);
                ck_assert_int_eq(gate_wait_end(&w.worker), 0);
        }
        gate_worker_free(&w.worker);
        world_spawn(&w);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

/* The same with another folder in its place: by name all is well. */
START_TEST(folder_replaced_under_a_worker) {
        char folder[PATH_MAX];
        struct proto_result r;
        struct world w;
        _cleanup_blob_ struct blob clean = {};

        world_start(&w);
        folder_of(&w, folder);
        ck_assert_int_eq(rmdir(folder), 0);
        ck_assert_int_eq(mkdir(folder, 0700), 0);
        give(folder);
        mail_plain(&clean, 5000, 1);
        r = scan(&w, &clean);
        assert_result(&r, VERDICT_UNKNOWN, REASON_ENGINE, NULL);
        ck_assert_int_eq(gate_wait_end(&w.worker), 0);
        world_stop(&w);
}
END_TEST

START_TEST(out_of_inodes) {
        char path[PATH_MAX];
        struct world w;
        unsigned n;

        mount_place("size=64m,nr_inodes=60");
        world_start(&w);
        assert_works(&w);
        for (n = 0; n < 100; n++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "fill%u", n);
                in_place(path, name);
                if (mkdir(path, 0700) < 0)
                        break;
        }
        ck_assert_uint_lt(n, 100);
        assert_distrusts(&w, NULL);
        while (n-- > 0) {
                char name[32];

                (void)snprintf(name, sizeof(name), "fill%u", n);
                in_place(path, name);
                ck_assert_int_eq(rmdir(path), 0);
        }
        world_spawn(&w);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

START_TEST(out_of_space) {
        char path[PATH_MAX];
        struct world w;
        int fd;

        mount_place("size=8m");
        world_start(&w);
        assert_works(&w);
        in_place(path, "fill");
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        while (write(fd, place, sizeof(place)) > 0)
                ;
        ck_assert_int_eq(errno, ENOSPC);
        close_fd(fd);
        assert_distrusts(&w, NULL);
        ck_assert_int_eq(unlink(path), 0);
        world_spawn(&w);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

/* Space enough before and after, but not for what is unpacked. */
START_TEST(out_of_space_in_between) {
        _cleanup_blob_ struct blob zip = {}, mail = {};
        struct proto_result r;
        struct world w;

        mount_place("size=2m");
        world_start(&w);
        zip_bomb(&zip, 6000000);
        mail_with(&mail, "bomb.zip", zip.data, zip.size, BASE64);
        r = scan(&w, &mail);
        assert_result(&r, VERDICT_UNKNOWN, REASON_ENGINE, NULL);
        assert_works(&w); /* the ground is sound again, so the worker stays */
        world_stop(&w);
}
END_TEST

/* ---- Confinement ---- */

static void status_value(pid_t pid, const char *key, char ret[static 128]) {
        char path[64], line[256];
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        f = fopen(path, "re");
        ck_assert_ptr_nonnull(f);
        ret[0] = '\0';
        while (fgets(line, sizeof(line), f)) {
                const char *value = startswith(line, key);

                if (value && *value == ':') {
                        (void)snprintf(ret, 128, "%s", value + 1 + strspn(value + 1, " \t"));
                        ret[strcspn(ret, "\n")] = '\0';
                }
        }
        (void)fclose(f);
}

START_TEST(a_worker_is_confined) {
        static const struct {
                const char *key, *value;
        } expected[] = {
                { "Seccomp", "2" },
                { "NoNewPrivs", "1" },
                { "CapInh", "0000000000000000" },
                { "CapPrm", "0000000000000000" },
                { "CapEff", "0000000000000000" },
                { "CapAmb", "0000000000000000" },
                { "Threads", "1" },
        };
        char value[128];
        struct world w;
        pid_t pids[2];

        world_start(&w);
        pids[0] = w.gate.loader;
        pids[1] = w.worker.pid;
        for (size_t p = 0; p < ELEMENTSOF(pids); p++) {
                unsigned real = 0;

                for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                        status_value(pids[p], expected[i].key, value);
                        ck_assert_str_eq(value, expected[i].value);
                }
                status_value(pids[p], "Uid", value);
                ck_assert_int_eq(sscanf(value, "%u", &real), 1);
                ck_assert_uint_eq(real, gate_user());
        }
        /* The loader's filter and its own. */
        status_value(w.worker.pid, "Seccomp_filters", value);
        ck_assert_str_eq(value, "2");
        world_stop(&w);
}
END_TEST

/* Only root may look at the fds of a process that can't be traced. */
START_TEST(a_worker_has_no_other_fds) {
        _cleanup_blob_ struct blob mail = {};
        char path[64], target[PATH_MAX], folder[PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        struct world w;

        world_start(&w);
        folder_of(&w, folder);
        mail_plain(&mail, 3000000, 1);
        fd = blob_fd(&mail);
        (void)scan_fd(&w, fd);
        for (int i = 0; i < 256; i++) {
                ssize_t n;

                (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)w.worker.pid, i);
                n = readlink(path, target, sizeof(target) - 1);
                if (n < 0) {
                        ck_assert_int_eq(errno, ENOENT);
                        ck_assert_int_ge(i, 5);
                        continue;
                }
                target[n] = '\0';
                if (i < 2)
                        ck_assert_str_eq(target, "/dev/null");
                else if (i == 2)
                        ck_assert_ptr_nonnull(startswith(target, "/memfd:errors"));
                else if (i == 3)
                        ck_assert_ptr_nonnull(startswith(target, "socket:"));
                else if (i == 4)
                        ck_assert_str_eq(target, folder);
                else
                        ck_abort_msg("fd %d is %s", i, target);
        }
        world_stop(&w);
}
END_TEST

static void scan_small_mails(struct world *w) {
        for (unsigned i = 0; i < 300; i++) {
                _cleanup_blob_ struct blob data = {}, mail = {};
                struct proto_result r;

                blob_put_text(&data, 15000, i);
                mail_with(&mail, "notes.txt", data.data, data.size, BASE64);
                r = scan(w, &mail);
                assert_result(&r, VERDICT_CLEAN, REASON_NONE, NULL);
        }
}

START_TEST(private_memory_is_small) {
        _cleanup_blob_ struct blob text = {}, large = {};
        _cleanup_close_ int fd = -EBADF;
        struct proto_result r;
        struct world w;

        world_start(&w);
        scan_small_mails(&w);
        assert_private_memory(&w);
        /* Nor does one large item stay in memory. */
        blob_put_text(&text, 15 << 20, 1);
        mail_with(&large, "notes.txt", text.data, text.size, BASE64);
        fd = blob_fd(&large);
        r = scan_fd(&w, fd);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, NULL);
        r = scan(&w, &(struct blob){ .data = (uint8_t *)(uintptr_t) "x", .size = 1 });
        assert_private_memory(&w);
        world_stop(&w);
}
END_TEST

START_TEST(a_kernel_without_landlock) {
        _cleanup_free_ char *errors = NULL;
        struct world w = {};

        make_folder(w.tmpdir, "scan");
        ck_assert_int_eq(gate_start(&w.gate, &(struct gate_start){ .program = program,
                                                                   .no_landlock = true }),
                         0);
        gate_load_init(&w.load, signatures, w.tmpdir);
        world_load(&w);
        world_spawn(&w);
        assert_works(&w);
        errors = gate_errors(&w.gate);
        ck_assert_ptr_nonnull(strstr(errors, "landlock"));
        ck_assert_ptr_null(strstr(strstr(errors, "landlock") + 1, "the kernel has no landlock"));
        world_stop(&w);
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = { folder_removed_under_a_worker,
                                       folder_replaced_under_a_worker, a_worker_is_confined,
                                       a_kernel_without_landlock };
        const TTest *const root_tests[] = { out_of_inodes, out_of_space, out_of_space_in_between,
                                            a_worker_has_no_other_fds, private_memory_is_small };

        return world_main(argc, argv, tests, ELEMENTSOF(tests), root_tests, ELEMENTSOF(root_tests));
}
