/* SPDX-License-Identifier: Apache-2.0 */

/* What a loader refuses, in words that name it and the fix; and what makes a generation. */

#include "tests/system/worker-world.h"

#include "daemon/child.h"

/* ---- Refusals ---- */

/* The loader says all of these in its refusal, and ends with 1. */
static void assert_refused(struct world *w, ...) {
        const char *part;
        va_list ap;
        int r;

        r = gate_load(&w->gate, &w->load, &w->reply);
        ck_assert_msg(r == PROTO_REFUSED, "it was not refused: %d", r);
        va_start(ap, w);
        while ((part = va_arg(ap, const char *)))
                ck_assert_msg(strstr(w->reply.refused.text, part), "'%s' is not in '%s'", part,
                              w->reply.refused.text);
        va_end(ap);
        ck_assert_msg(w->reply.refused.text[strlen(w->reply.refused.text) - 1] == '.',
                      "'%s' is not a sentence", w->reply.refused.text);
        ck_assert_int_eq(gate_wait_exit(&w->gate), 1);
        close_fd(w->gate.control);
}

static void use_database(struct world *w, const char *path) {
        memset(w->load.load.database, 0, sizeof(w->load.load.database));
        ck_assert_uint_lt(strlen(path), sizeof(w->load.load.database));
        strcpy(w->load.load.database, path);
}

START_TEST(refuses_a_database) {
        char folder[PATH_MAX], file[PATH_MAX + 16];
        struct world w;

        world_prepare(&w);
        make_folder(folder, "db");
        use_database(&w, folder);
        assert_refused(&w, folder, "no signature file", "freshclam", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        write_text(folder, "freshclam.dat", "state");
        write_text(folder, "README", "nothing");
        world_prepare(&w);
        use_database(&w, folder);
        assert_refused(&w, folder, "no signature file", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        write_text(folder, "own.ndb", "# nothing yet\n");
        world_prepare(&w);
        use_database(&w, folder);
        assert_refused(&w, folder, "not one signature", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        write_text(folder, "own.ndb", "Broken:signature\n");
        world_prepare(&w);
        use_database(&w, folder);
        assert_refused(&w, folder, "Malformed", "own.ndb", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        (void)snprintf(file, sizeof(file), "%s/README", folder);
        world_prepare(&w);
        use_database(&w, file);
        assert_refused(&w, file, "own.ndb", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        (void)snprintf(file, sizeof(file), "%s/own.ndb", folder);
        write_text(folder, "own.ndb", "Own.Test:0:*:deadbeefdeadbeefdeadbeef\n");
        ck_assert_int_eq(chmod(file, 0), 0);
        world_prepare(&w);
        use_database(&w, folder);
        assert_refused(&w, folder, "own.ndb", "Permission denied", "readable", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        ck_assert_int_eq(chmod(file, 0644), 0);
        ck_assert_int_eq(chmod(folder, 0), 0);
        world_prepare(&w);
        use_database(&w, folder);
        assert_refused(&w, folder, "Permission denied", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        /* And at last there is nothing wrong. */
        ck_assert_int_eq(chmod(folder, 0700), 0);
        world_prepare(&w);
        use_database(&w, folder);
        world_load(&w);
        world_spawn(&w);
        world_stop(&w);
}
END_TEST

/* A signature that takes every mail for infected. */
START_TEST(refuses_an_engine_that_finds_too_much) {
        char folder[PATH_MAX];
        struct world w;

        world_prepare(&w);
        make_folder(folder, "db");
        write_text(folder, "own.ndb", "Own.All:0:*:5375626a6563743a20696e6e6572\n");
        use_database(&w, folder);
        assert_refused(&w, "Own.All", "test", NULL);
}
END_TEST

START_TEST(refuses_limits) {
        struct world w;

        world_prepare(&w);
        w.load.load.max_recursion = 1;
        assert_refused(&w, "max_recursion", "raise", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        world_prepare(&w);
        w.load.load.max_files = 0;
        assert_refused(&w, "limit of 0", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        world_prepare(&w);
        w.load.load.max_recursion = 100000;
        assert_refused(&w, "max_recursion 100000", NULL);
}
END_TEST

START_TEST(refuses_a_tmpdir) {
        char folder[] = "/var/tmp/storescan-test-XXXXXX";
        struct world w;

        world_prepare(&w);
        in_place(w.load.load.tmpdir, "none");
        assert_refused(&w, "tmpdir", "/none", "No such file", NULL);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        world_prepare(&w);
        ck_assert_int_eq(chmod(w.tmpdir, 0500), 0);
        assert_refused(&w, "tmpdir", w.tmpdir, "Permission denied", NULL);
        ck_assert_int_eq(chmod(w.tmpdir, 0700), 0);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        ck_assert_ptr_nonnull(mkdtemp(folder));
        give(folder);
        world_prepare(&w);
        (void)snprintf(w.load.load.tmpdir, sizeof(w.load.load.tmpdir), "%s", folder);
        assert_refused(&w, "tmpdir", folder, "in memory", "tmpfs", NULL);
        ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(refuses_a_full_tmpdir) {
        char path[PATH_MAX];
        struct world w;
        int fd;

        mount_place("size=1m");
        world_prepare(&w);
        in_place(path, "fill");
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        while (write(fd, place, sizeof(place)) > 0)
                ;
        close_fd(fd);
        assert_refused(&w, "tmpdir", w.tmpdir, "No space left", NULL);
}
END_TEST

START_TEST(refuses_privileges) {
        struct world w = {};

        make_folder(w.tmpdir, "scan");
        gate_load_init(&w.load, signatures, w.tmpdir);
        ck_assert_int_eq(
                gate_start(&w.gate, &(struct gate_start){ .program = program, .keep_root = true }),
                0);
        assert_refused(&w, "root", "unprivileged", NULL);
        ck_assert_int_eq(gate_start(&w.gate, &(struct gate_start){ .program = program,
                                                                   .keep_capabilities = true }),
                         0);
        assert_refused(&w, "capabilities", "unprivileged", NULL);
}
END_TEST

START_TEST(refuses_to_be_started_by_hand) {
        _cleanup_close_ int errors = memfd_create("errors", MFD_CLOEXEC);
        char text[512];
        int status;
        ssize_t n;
        pid_t pid;

        ck_assert_int_ge(errors, 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void)dup2(errors, STDERR_FILENO);
                close_fd(CHILD_FD);
                (void)execl(program, program, NULL);
                _exit(127);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 2);
        n = pread(errors, text, sizeof(text) - 1, 0);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
        ck_assert_ptr_nonnull(strstr(text, "storescand"));
        ck_assert_ptr_eq(strchr(text, '\n'), text + n - 1); /* one line */
}
END_TEST

/* Signatures that are replaced all the time, each file whole and good; and enough of others that
 * loading takes longer than replacing. */
START_TEST(refuses_what_does_not_stand_still) {
        _cleanup_blob_ struct blob many = {};
        char folder[PATH_MAX], path[PATH_MAX];
        struct world w;
        pid_t updater;

        world_prepare(&w);
        make_folder(folder, "db");
        use_database(&w, folder);
        write_text(folder, "own.ndb", "Own.Test:0:*:deadbeefdeadbeefdeadbeef\n");
        for (unsigned i = 0; i < 100000; i++)
                blob_printf(&many, "%08x%024x:%u:Own.Hash.%u\n", i * 2654435761U, i, 1000 + i, i);
        in_place(path, "db/many.hdb");
        write_file(path, many.data, many.size);
        updater = fork();
        ck_assert_int_ge(updater, 0);
        if (updater == 0)
                for (;;) {
                        char from[PATH_MAX + 16], to[PATH_MAX + 16];

                        write_text(folder, "new", "Own.Test:0:*:deadbeefdeadbeefdeadbeef\n");
                        (void)snprintf(from, sizeof(from), "%s/new", folder);
                        (void)snprintf(to, sizeof(to), "%s/own.ndb", folder);
                        (void)rename(from, to);
                }
        assert_refused(&w, folder, "changes all the time", NULL);
        ck_assert_int_eq(kill(updater, SIGKILL), 0);
        ck_assert_int_eq(waitpid(updater, NULL, 0), updater);
}
END_TEST

/* ---- Generations ---- */

static void generation_of(const char *database, void (*change)(union proto_message *load),
                          struct generation *ret) {
        struct world w;

        world_prepare(&w);
        use_database(&w, database);
        if (change)
                change(&w.load);
        world_load(&w);
        *ret = w.reply.loaded.generation;
        world_stop(&w);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);
}

static void other_limit(union proto_message *load) {
        load->load.max_files++;
}

static void other_rule(union proto_message *load) {
        load->load.encrypted = CONTENT_IGNORE;
}

static void other_time(union proto_message *load) {
        load->load.max_scan_msec++;
}

START_TEST(generations) {
        struct generation first, g;
        char folder[PATH_MAX], file[PATH_MAX + 16];

        make_folder(folder, "db");
        write_text(folder, "own.ndb", "Own.Test:0:*:deadbeefdeadbeefdeadbeef\n");
        generation_of(folder, NULL, &first);
        generation_of(folder, NULL, &g);
        ck_assert_mem_eq(&first, &g, sizeof(g));
        /* What decides no verdict. */
        write_text(folder, "freshclam.dat", "state");
        write_text(folder, "own.ndb", "Own.Test:0:*:deadbeefdeadbeefdeadbeef\n");
        generation_of(folder, other_time, &g);
        ck_assert_mem_eq(&first, &g, sizeof(g));
        (void)snprintf(file, sizeof(file), "%s/own.ndb", folder);
        generation_of(file, NULL, &g);
        ck_assert_mem_eq(&first, &g, sizeof(g));
        /* What does. */
        generation_of(folder, other_limit, &g);
        ck_assert_mem_ne(&first, &g, sizeof(g));
        generation_of(folder, other_rule, &g);
        ck_assert_mem_ne(&first, &g, sizeof(g));
        write_text(folder, "own.ndb", "Own.Test:0:*:deadbeefdeadbeefdeadbeee\n");
        generation_of(folder, NULL, &g);
        ck_assert_mem_ne(&first, &g, sizeof(g));
        write_text(folder, "own.ndb", "Own.Test:0:*:deadbeefdeadbeefdeadbeef\n");
        write_text(folder, "own.ign2", "Own.Other\n");
        generation_of(folder, NULL, &g);
        ck_assert_mem_ne(&first, &g, sizeof(g));
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = { refuses_a_database,
                                       refuses_what_does_not_stand_still,
                                       refuses_an_engine_that_finds_too_much,
                                       refuses_limits,
                                       refuses_a_tmpdir,
                                       refuses_to_be_started_by_hand,
                                       generations };
        const TTest *const root_tests[] = { refuses_a_full_tmpdir, refuses_privileges };

        return world_main(argc, argv, tests, ELEMENTSOF(tests), root_tests, ELEMENTSOF(root_tests));
}
