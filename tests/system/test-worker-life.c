/* SPDX-License-Identifier: Apache-2.0 */

/* How loader and workers end, together and alone, and that they take no nonsense. */

#include <stdatomic.h>

#include "tests/system/worker-world.h"

/* ---- Ends ---- */

static bool is_gone(void *userdata) {
        return kill(*(pid_t *)userdata, 0) < 0 && errno == ESRCH;
}

static bool is_missing(void *userdata) {
        struct stat st;

        return lstat(userdata, &st) < 0 && errno == ENOENT;
}

START_TEST(a_killed_worker_is_buried) {
        char folder[PATH_MAX], inside[PATH_MAX + 8];
        _cleanup_free_ char *errors = NULL;
        struct world w;

        world_start(&w);
        folder_of(&w, folder);
        (void)snprintf(inside, sizeof(inside), "%s/a", folder);
        ck_assert_int_eq(mkdir(inside, 0700), 0);
        give(inside);
        write_text(inside, "left", "over");
        ck_assert_int_eq(kill(w.worker.pid, SIGKILL), 0);
        ck_assert_int_eq(gate_wait_end(&w.worker), 0);
        ck_assert_int_eq(gate_until(is_missing, folder), 0);
        gate_worker_free(&w.worker);
        errors = gate_errors(&w.gate);
        ck_assert_ptr_nonnull(strstr(errors, "SIGKILL"));
        world_spawn(&w);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

START_TEST(leftovers_are_removed_after_a_scan) {
        char folder[PATH_MAX], inside[PATH_MAX + 16];
        struct world w;

        world_start(&w);
        folder_of(&w, folder);
        (void)snprintf(inside, sizeof(inside), "%s/20261124-scan", folder);
        ck_assert_int_eq(mkdir(inside, 0700), 0);
        give(inside);
        write_text(inside, "part", "of a mail");
        assert_works(&w);
        ck_assert(is_missing(inside));
        world_stop(&w);
}
END_TEST

START_TEST(all_end_with_the_gate) {
        struct gate_worker workers[3];
        struct world w;

        world_prepare(&w);
        world_load(&w);
        for (unsigned i = 0; i < ELEMENTSOF(workers); i++)
                ck_assert_int_eq(gate_spawn(&w.gate, i, &workers[i]), 0);
        ck_assert_int_eq(gate_stop(&w.gate), 0);
        for (unsigned i = 0; i < ELEMENTSOF(workers); i++) {
                ck_assert(is_gone(&workers[i].pid));
                gate_worker_free(&workers[i]);
        }
        assert_empty(w.tmpdir);
}
END_TEST

START_TEST(workers_end_with_the_loader) {
        struct world w;
        char folder[PATH_MAX];

        world_start(&w);
        folder_of(&w, folder);
        ck_assert_int_eq(kill(w.gate.loader, SIGKILL), 0);
        ck_assert_int_eq(gate_wait_exit(&w.gate), 128 + SIGKILL);
        ck_assert_int_eq(gate_wait_end(&w.worker), 0);
        ck_assert_int_eq(gate_until(is_gone, &w.worker.pid), 0);
        gate_worker_free(&w.worker);
        /* Nobody could remove that folder: the next loader does. */
        ck_assert(!is_missing(folder));
        ck_assert_int_eq(gate_start(&w.gate, &(struct gate_start){ .program = program }), 0);
        world_load(&w);
        ck_assert(is_missing(folder));
        world_stop(&w);
}
END_TEST

START_TEST(the_loader_ends_with_its_parent) {
        struct {
                pid_t loader, worker;
        } pids = {};
        int pair[2], status;
        pid_t gate;

        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        gate = fork();
        ck_assert_int_ge(gate, 0);
        if (gate == 0) {
                struct world w;

                world_start(&w);
                pids.loader = w.gate.loader;
                pids.worker = w.worker.pid;
                (void)!write(pair[1], &pids, sizeof(pids));
                (void)pause();
                _exit(0);
        }
        ck_assert_int_eq(read(pair[0], &pids, sizeof(pids)), sizeof(pids));
        ck_assert_int_eq(kill(gate, SIGKILL), 0);
        ck_assert_int_eq(waitpid(gate, &status, 0), gate);
        ck_assert_int_eq(gate_until(is_gone, &pids.loader), 0);
        ck_assert_int_eq(gate_until(is_gone, &pids.worker), 0);
        close_fd(pair[0]);
        close_fd(pair[1]);
}
END_TEST

START_TEST(signals_that_end_services_do_not) {
        struct world w;

        world_start(&w);
        ck_assert_int_eq(kill(w.gate.loader, SIGTERM), 0);
        ck_assert_int_eq(kill(w.worker.pid, SIGTERM), 0);
        ck_assert_int_eq(kill(w.gate.loader, SIGINT), 0);
        ck_assert_int_eq(kill(w.worker.pid, SIGINT), 0);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

/* The gate closes the channel while a job runs. */
START_TEST(a_channel_closed_during_a_job) {
        _cleanup_blob_ struct blob mail = {};
        char folder[PATH_MAX];
        struct world w;

        world_start(&w);
        folder_of(&w, folder);
        mail_plain(&mail, 900000, 1);
        ck_assert_int_eq(
                gate_submit(&w.worker, &(struct gate_job){ .data = mail.data, .size = mail.size }),
                0);
        gate_worker_free(&w.worker);
        ck_assert_int_eq(gate_until(is_missing, folder), 0);
        world_spawn(&w);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

/* It is somebody else's by then: scanning it all the same would make an overload worse. */
START_TEST(a_job_that_was_taken_back_is_not_begun) {
        const struct gate_job job = { .data = eicar(), .size = EICAR_SIZE };
        struct proto_taken *taken;
        struct proto_result result;
        struct world w;

        world_start(&w);
        taken = (void *)(w.worker.slot + PROTO_TAKEN_AT);
        atomic_store(&taken->ids[0], w.worker.last_id + 1);
        ck_assert_int_eq(gate_scan(&w.worker, &job, &result), 0);
        ck_assert_int_eq(result.verdict, VERDICT_UNKNOWN);
        ck_assert_int_eq(result.reason, REASON_SHUTDOWN);
        ck_assert_int_eq(gate_scan(&w.worker, &job, &result), 0);
        ck_assert_int_eq(result.verdict, VERDICT_INFECTED);
        world_stop(&w);
}
END_TEST

/* ---- Nonsense ---- */

static void send_raw(int sock, const void *data, size_t size) {
        ck_assert_int_eq(send(sock, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

START_TEST(nonsense_for_a_worker) {
        struct world w;

        world_prepare(&w);
        world_load(&w);
        for (unsigned i = 0; i < 8; i++) {
                _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
                union proto_message m;

                ck_assert_int_eq(gate_spawn(&w.gate, i, &w.worker), 0);
                proto_init(&m, PROTO_JOB);
                m.job.id = 1;
                m.job.size = 10;
                switch (i) {
                case 0: send_raw(w.worker.channel, "x", 1); break;
                case 1:
                        m.header.magic ^= 1;
                        send_raw(w.worker.channel, &m, sizeof(m.job));
                        break;
                case 2: send_raw(w.worker.channel, &m, sizeof(m.job) - 1); break;
                case 3:
                        m.job.size = PROTO_BAY_SIZE + 1;
                        send_raw(w.worker.channel, &m, sizeof(m.job));
                        break;
                case 4: /* a file is spoken of, none comes */
                        m.job.has_fd = 1;
                        send_raw(w.worker.channel, &m, sizeof(m.job));
                        break;
                case 5: /* and the other way round */
                        ck_assert_int_eq(proto_send(w.worker.channel, &m, &null, 1), 0);
                        break;
                case 6:
                        proto_init(&m, PROTO_HELLO);
                        send_raw(w.worker.channel, &m, m.header.size);
                        break;
                default: m.job.reserved[0] = 1; send_raw(w.worker.channel, &m, sizeof(m.job));
                }
                ck_assert_int_eq(gate_wait_end(&w.worker), 0);
                gate_worker_free(&w.worker);
        }
        world_spawn(&w);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

START_TEST(a_slot_that_is_too_small) {
        union proto_message m;
        struct world w;
        int pair[2], slot;
        char c;

        world_start(&w);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        slot = memfd_create("small", MFD_CLOEXEC);
        ck_assert_int_eq(ftruncate(slot, PROTO_SLOT_SIZE - 1), 0);
        proto_init(&m, PROTO_SPAWN);
        m.spawn.worker = 7;
        ck_assert_int_eq(proto_send(w.gate.control, &m, (int[]){ pair[1], slot }, 2), 0);
        close_fd(pair[1]);
        close_fd(slot);
        ck_assert_int_eq(recv(pair[0], &c, 1, 0), 0);
        close_fd(pair[0]);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

START_TEST(nonsense_for_the_loader) {
        for (unsigned i = 0; i < 5; i++) {
                _cleanup_free_ char *errors = NULL;
                union proto_message m;
                struct world w;
                bool loaded = i >= 2;

                world_prepare(&w);
                if (loaded) {
                        world_load(&w);
                        world_spawn(&w);
                }
                proto_init(&m, PROTO_SPAWN);
                switch (i) {
                case 0: send_raw(w.gate.control, "x", 1); break;
                case 1: /* before LOAD */
                case 2: /* without fds */ send_raw(w.gate.control, &m, m.header.size); break;
                case 3: send_raw(w.gate.control, &w.load, sizeof(w.load.load)); break;
                default: send_raw(w.gate.control, &w.load, 17);
                }
                ck_assert_int_eq(gate_wait_exit(&w.gate), 1);
                errors = gate_errors(&w.gate);
                ck_assert_ptr_nonnull(strstr(errors, "storescand"));
                if (loaded) {
                        ck_assert_int_eq(gate_wait_end(&w.worker), 0);
                        gate_worker_free(&w.worker);
                }
                close_fd(w.gate.control);
                assert_empty(w.tmpdir);
                ck_assert_int_eq(rmdir(w.tmpdir), 0);
        }
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = {
                a_killed_worker_is_buried,       leftovers_are_removed_after_a_scan,
                all_end_with_the_gate,           workers_end_with_the_loader,
                the_loader_ends_with_its_parent, signals_that_end_services_do_not,
                a_channel_closed_during_a_job,   a_job_that_was_taken_back_is_not_begun,
                nonsense_for_a_worker,           a_slot_that_is_too_small,
                nonsense_for_the_loader
        };

        return world_main(argc, argv, tests, ELEMENTSOF(tests), NULL, 0);
}
