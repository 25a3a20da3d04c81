/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The ceiling that storescand is held against: libclamav alone, with nothing around it. One engine,
 * compiled once; forked processes that share it and one list of messages, which are in memory
 * before the clock starts; a folder for temporary files each; no sandbox, no digests, no callbacks.
 * Options are those of the worker (daemon/worker/engine.c) under the default configuration, so that
 * both do the same work for a message. One line goes to standard output:
 *
 *     files N wall_nsec N cpu_usec N signatures N
 */

#include <clamav.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/bench/bench.h"
#include "tests/bench/files.h"

#define PROCESSES_MAX 64
#define MIB           (1024LL * 1024)

struct message {
        void *data;
        size_t size;
};

/* Shared by all processes. */
struct shared {
        atomic_size_t next;
        atomic_uint not_clean;
};

static struct message *messages;
static size_t n_messages;
static struct shared *shared;
static struct cl_engine *engine;

static _Noreturn void fail(const char *what, const char *why) {
        fprintf(stderr, "forked-scan: %s: %s.\n", what, why);
        exit(EXIT_FAILURE);
}

static void read_messages(const char *folder, size_t most) {
        struct files files;
        int r = files_find(folder, most, &files);

        if (r < 0)
                fail(folder, strerror(-r));
        messages = calloc(files.n, sizeof(*messages));
        if (!messages)
                fail(folder, strerror(ENOMEM));
        for (size_t i = 0; i < files.n; i++) {
                _cleanup_close_ int fd = open(files.paths[i], O_RDONLY | O_CLOEXEC);
                struct stat st;

                if (fd < 0 || fstat(fd, &st) < 0)
                        fail(files.paths[i], strerror(errno));
                messages[i].size = (size_t)st.st_size;
                messages[i].data = malloc(messages[i].size + 1);
                if (!messages[i].data ||
                    read(fd, messages[i].data, messages[i].size) != (ssize_t)messages[i].size)
                        fail(files.paths[i], "can't be read whole");
        }
        n_messages = files.n;
}

static unsigned make_engine(const char *database) {
        static const struct {
                enum cl_engine_field field;
                long long value;
        } numbers[] = {
                { CL_ENGINE_MAX_FILESIZE, 100 * MIB },
                { CL_ENGINE_MAX_SCANSIZE, 400 * MIB },
                { CL_ENGINE_MAX_FILES, 10000 },
                { CL_ENGINE_MAX_RECURSION, 17 },
                { CL_ENGINE_MAX_SCANTIME, 54000 },
                { CL_ENGINE_DISABLE_CACHE, 1 },
                { CL_ENGINE_BYTECODE_MODE, CL_BYTECODE_MODE_INTERPRETER },
                { CL_ENGINE_MAX_EMBEDDEDPE, 100 * MIB },
                { CL_ENGINE_MAX_HTMLNORMALIZE, 100 * MIB },
                { CL_ENGINE_MAX_HTMLNOTAGS, 100 * MIB },
                { CL_ENGINE_MAX_SCRIPTNORMALIZE, 100 * MIB },
                { CL_ENGINE_PCRE_MAX_FILESIZE, 100 * MIB },
        };
        unsigned signatures = 0;
        cl_error_t e = cl_init(CL_INIT_DEFAULT);

        if (e != CL_SUCCESS)
                fail("libclamav", cl_strerror(e));
        engine = cl_engine_new();
        if (!engine)
                fail("libclamav", strerror(ENOMEM));
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (cl_engine_set_num(engine, numbers[i].field, numbers[i].value) != CL_SUCCESS)
                        fail("libclamav", "an option is refused");
        e = cl_load(database, engine, &signatures, CL_DB_BYTECODE);
        if (e == CL_SUCCESS)
                e = cl_engine_compile(engine);
        if (e != CL_SUCCESS)
                fail(database, cl_strerror(e));
        return signatures;
}

static void scan(const struct message *m) {
        struct cl_scan_options options = {
                .general = CL_SCAN_GENERAL_HEURISTICS | CL_SCAN_GENERAL_UNPRIVILEGED,
                .parse = ~0U,
                .heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX | CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE |
                             CL_SCAN_HEURISTIC_ENCRYPTED_DOC | CL_SCAN_HEURISTIC_BROKEN |
                             CL_SCAN_HEURISTIC_BROKEN_MEDIA,
        };
        const char *name = NULL;
        unsigned long scanned = 0;
        cl_fmap_t *map = cl_fmap_open_memory(m->data, m->size);

        if (!map ||
            cl_scanmap_callback(map, NULL, &name, &scanned, engine, &options, NULL) != CL_CLEAN)
                atomic_fetch_add(&shared->not_clean, 1);
        if (map)
                cl_fmap_close(map);
}

/* Copies of one engine make the same names for temporary files, and libclamav does not notice. */
static bool prepare(const char *tmpdir, unsigned number) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%u", tmpdir, number);
        if ((mkdir(path, 0700) < 0 && errno != EEXIST) ||
            cl_engine_set_str(engine, CL_ENGINE_TMPDIR, path) != CL_SUCCESS)
                return false;
        scan(&messages[0]); /* pages that every scan writes to are copied now */
        return true;
}

/* Says on ready when it can begin, and begins when go is closed. */
static _Noreturn void child(const char *tmpdir, unsigned number, int ready, int go) {
        char well = prepare(tmpdir, number) ? 'y' : 'n';
        size_t i;

        if (write(ready, &well, 1) != 1 || read(go, &well, 1) != 0)
                _exit(EXIT_FAILURE);
        while ((i = atomic_fetch_add(&shared->next, 1)) < n_messages)
                scan(&messages[i]);
        _exit(EXIT_SUCCESS);
}

static uint64_t run(const char *tmpdir, unsigned processes) {
        int ready[2], go[2], status;
        uint64_t start;
        char well;

        if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
                fail("pipe", strerror(errno));
        for (unsigned i = 0; i < processes; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        fail("fork", strerror(errno));
                if (pid == 0) {
                        (void)close(go[1]);
                        child(tmpdir, i, ready[1], go[0]);
                }
        }
        (void)close(ready[1]);
        for (unsigned i = 0; i < processes; i++)
                if (read(ready[0], &well, 1) != 1 || well != 'y')
                        fail(tmpdir, "a process can't have its folder there");
        start = now_nsec();
        (void)close(go[1]);
        for (unsigned i = 0; i < processes; i++)
                if (wait(&status) < 0 || status != 0)
                        fail("a process", "ended before its time");
        return now_nsec() - start;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "database", required_argument, NULL, 'd' },
                { "tmpdir", required_argument, NULL, 't' },
                { "processes", required_argument, NULL, 'p' },
                { "files", required_argument, NULL, 'f' },
                {},
        };
        size_t most = FILES_ALL;
        const char *database = NULL, *tmpdir = NULL;
        unsigned processes = 2, signatures;
        uint64_t wall;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'd': database = optarg; break;
                case 't': tmpdir = optarg; break;
                case 'p': processes = parse_number("--processes", optarg, 1, PROCESSES_MAX); break;
                case 'f': most = parse_number("--files", optarg, 1, UINT32_MAX); break;
                default: return EXIT_FAILURE;
                }
        if (optind + 1 != argc || !database || !tmpdir) {
                fprintf(stderr, "Usage: forked-scan --database FOLDER --tmpdir FOLDER "
                                "[--processes N] [--files N] FOLDER\n");
                return EXIT_FAILURE;
        }
        read_messages(argv[optind], most);
        signatures = make_engine(database);
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        if (shared == MAP_FAILED)
                fail("mmap", strerror(errno));
        wall = run(tmpdir, processes);
        if (atomic_load(&shared->not_clean) > 0)
                fail(argv[optind], "not every message is clean");
        printf("files %zu wall_nsec %llu cpu_usec %llu signatures %u\n", n_messages,
               (unsigned long long)wall, (unsigned long long)cpu_usec(RUSAGE_CHILDREN), signatures);
        return EXIT_SUCCESS;
}
