/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Jobs per second of the workers against libclamav alone: the same messages, the same signatures,
 * as many processes. Prints one line a measurement; judges nothing.
 *
 *     worker-bench PROGRAM SIGNATURES TMPDIR WORKERS [MAILS [PASSES]]
 *
 * MAILS is a number of generated messages of about 20 KB, or a folder of clean ones.
 */

#include <clamav.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/config.h"
#include "store/util.h"
#include "tests/system/worker-gate.h"
#include "tests/system/worker-mail.h"

static struct blob *mails;
static unsigned n_mails, n_workers, n_passes;

static double now(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Processor time of children that were waited for. */
static double children_time(void) {
        struct rusage usage;

        (void)getrusage(RUSAGE_CHILDREN, &usage);
        return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double workers_time(const struct gate_worker *workers) {
        double sum = 0;

        for (unsigned i = 0; i < n_workers; i++) {
                clockid_t clock;
                struct timespec ts;

                if (clock_getcpuclockid(workers[i].pid, &clock) == 0 &&
                    clock_gettime(clock, &ts) == 0)
                        sum += (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
        }
        return sum;
}

static _Noreturn void fail(const char *what, int r) {
        fprintf(stderr, "worker-bench: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

/* ---- libclamav alone, as it is used from C: forked after the engine is made ---- */

static struct cl_engine *bare_engine(const char *signatures) {
        struct cl_engine *engine;
        unsigned n = 0;

        if (cl_init(CL_INIT_DEFAULT) != CL_SUCCESS || !(engine = cl_engine_new()) ||
            cl_engine_set_num(engine, CL_ENGINE_DISABLE_CACHE, 1) != CL_SUCCESS ||
            cl_load(signatures, engine, &n, CL_DB_BYTECODE) != CL_SUCCESS ||
            cl_engine_compile(engine) != CL_SUCCESS)
                fail("libclamav", -EINVAL);
        return engine;
}

static double bare_pass(struct cl_engine *engine, const char *tmpdir, unsigned *next) {
        double started = now();

        __atomic_store_n(next, 0, __ATOMIC_SEQ_CST);
        for (unsigned i = 0; i < n_workers; i++) {
                char folder[PATH_MAX];
                unsigned at;

                if (fork() != 0)
                        continue;
                (void)snprintf(folder, sizeof(folder), "%s/bare%u", tmpdir, i);
                (void)mkdir(folder, 0700);
                (void)cl_engine_set_str(engine, CL_ENGINE_TMPDIR, folder);
                while ((at = __atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST)) < n_mails) {
                        struct cl_scan_options options = {
                                .general = CL_SCAN_GENERAL_HEURISTICS,
                                .parse = ~0U,
                                .heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX |
                                             CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE |
                                             CL_SCAN_HEURISTIC_ENCRYPTED_DOC,
                        };
                        unsigned long scanned;
                        const char *name;
                        cl_fmap_t *map = cl_fmap_open_memory(mails[at].data, mails[at].size);

                        if (cl_scanmap_callback(map, NULL, &name, &scanned, engine, &options,
                                                NULL) != CL_CLEAN)
                                _exit(EXIT_FAILURE);
                        cl_fmap_close(map);
                }
                (void)rmdir(folder);
                _exit(EXIT_SUCCESS);
        }
        for (unsigned i = 0; i < n_workers; i++) {
                int status;

                if (wait(&status) < 0 || status != 0)
                        fail("a mail was not clean", -EINVAL);
        }
        return now() - started;
}

/* ---- The same by workers ---- */

static void check_clean(const union proto_message *message) {
        if (message->result.verdict != VERDICT_CLEAN)
                fail(message->result.signature, -EINVAL);
}

static double pool_pass(struct gate_worker *workers) {
        struct pollfd fds[WORKERS_MAX];
        double started = now();
        unsigned next = 0, done = 0;

        for (unsigned i = 0; i < n_workers; i++) {
                fds[i] = (struct pollfd){ .fd = workers[i].channel, .events = POLLIN };
                if (next < n_mails &&
                    gate_submit(&workers[i], &(struct gate_job){ .data = mails[next].data,
                                                                 .size = mails[next].size,
                                                                 .form = JOB_MESSAGE }) < 0)
                        fail("submit", -EIO);
                next++;
        }
        while (done < n_mails) {
                if (poll(fds, n_workers, GATE_WAIT_MSEC) <= 0)
                        fail("poll", -ETIMEDOUT);
                for (unsigned i = 0; i < n_workers; i++) {
                        union proto_message message;
                        int r;

                        if (!fds[i].revents)
                                continue;
                        r = gate_wait(&workers[i], &message);
                        if (r < 0)
                                fail("result", r);
                        check_clean(&message);
                        done++;
                        if (next >= n_mails)
                                continue;
                        r = gate_submit(&workers[i], &(struct gate_job){ .data = mails[next].data,
                                                                         .size = mails[next].size,
                                                                         .form = JOB_MESSAGE });
                        if (r < 0)
                                fail("submit", r);
                        next++;
                }
        }
        return now() - started;
}

static void print_memory(const struct gate_worker *workers) {
        for (unsigned i = 0; i < n_workers; i++) {
                char path[64], line[256];
                unsigned long dirty = 0, kib;
                FILE *f;

                (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)workers[i].pid);
                f = fopen(path, "re");
                if (!f)
                        return;
                while (fgets(line, sizeof(line), f))
                        if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1)
                                dirty += kib;
                (void)fclose(f);
                printf("worker %u: private memory %lu KiB\n", i, dirty);
        }
}

static int add_mail(const char *path, const struct stat *st, int type, struct FTW *at) {
        _cleanup_close_ int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
        struct blob *mail;
        char buffer[4096];
        ssize_t n;

        if (fd < 0 || st->st_size > (off_t)PROTO_BAY_SIZE)
                return 0;
        mails = reallocarray(mails, n_mails + 1, sizeof(*mails));
        if (!mails)
                return -ENOMEM;
        mail = &mails[n_mails++];
        *mail = (struct blob){};
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                blob_put(mail, buffer, (size_t)n);
        return 0;
}

static void make_mail(struct blob *mail, unsigned i) {
        _cleanup_blob_ struct blob data = {};

        blob_put_text(&data, (size_t)7500 * (1 + i % 3), i);
        if (i % 4 == 0)
                mail_with(mail, "notes.txt", data.data, data.size, BASE64);
        else
                mail_plain(mail, data.size * 4 / 3, i);
}

static void get_mails(const char *what) {
        if (what[0] == '/' || what[0] == '.') {
                if (nftw(what, add_mail, 16, FTW_PHYS) != 0 || n_mails == 0)
                        fail(what, -ENOENT);
                return;
        }
        n_mails = (unsigned)atoi(what);
        mails = calloc(n_mails, sizeof(*mails));
        for (unsigned i = 0; i < n_mails && mails; i++)
                make_mail(&mails[i], i);
}

int main(int argc, char **argv) {
        struct gate_worker workers[WORKERS_MAX] = {};
        struct gate gate;
        union proto_message load, reply;
        struct cl_engine *engine;
        char tmpdir[PATH_MAX];
        unsigned *next;
        int r;

        if (argc < 5) {
                fprintf(stderr,
                        "worker-bench PROGRAM SIGNATURES TMPDIR WORKERS [MAILS [PASSES]]\n");
                return 2;
        }
        n_workers = MIN((unsigned)atoi(argv[4]), (unsigned)WORKERS_MAX);
        get_mails(argc > 5 ? argv[5] : "1000");
        n_passes = argc > 6 ? (unsigned)atoi(argv[6]) : 5;

        (void)snprintf(tmpdir, sizeof(tmpdir), "%s/worker-bench", argv[3]);
        (void)mkdir(tmpdir, 0700);
        (void)!chown(tmpdir, gate_user(), (gid_t)-1);
        r = gate_start(&gate, &(struct gate_start){ .program = argv[1] });
        if (r < 0)
                fail(argv[1], r);
        gate_load_init(&load, argv[2], tmpdir);
        r = gate_load(&gate, &load, &reply);
        if (r != PROTO_LOADED)
                fail(r == PROTO_REFUSED ? reply.refused.text : "load", r < 0 ? r : -EINVAL);
        printf("%s, %u signatures, loaded in %llu ms\n", reply.loaded.engine,
               reply.loaded.signatures, (unsigned long long)reply.loaded.load_usec / 1000);
        for (unsigned i = 0; i < n_workers; i++) {
                r = gate_spawn(&gate, i, &workers[i]);
                if (r < 0)
                        fail("spawn", r);
        }

        next = mmap(NULL, sizeof(*next), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        engine = bare_engine(argv[2]);
        for (unsigned pass = 0; pass < n_passes; pass++) {
                double before = children_time(), bare, pool, bare_cpu, pool_cpu;

                bare = bare_pass(engine, argv[3], next);
                bare_cpu = children_time() - before;
                before = workers_time(workers);
                pool = pool_pass(workers);
                pool_cpu = workers_time(workers) - before;

                printf("pass %u: %u processes: libclamav alone %.0f/s, workers %.0f/s, ratio %.3f; "
                       "processor time %.0f and %.0f us a mail, ratio %.3f\n",
                       pass, n_workers, n_mails / bare, n_mails / pool, bare / pool,
                       bare_cpu / n_mails * 1e6, pool_cpu / n_mails * 1e6, bare_cpu / pool_cpu);
        }
        print_memory(workers);
        for (unsigned i = 0; i < n_workers; i++)
                gate_worker_free(&workers[i]);
        (void)cl_engine_free(engine);
        (void)gate_stop(&gate);
        (void)rmdir(tmpdir);
        return EXIT_SUCCESS;
}
