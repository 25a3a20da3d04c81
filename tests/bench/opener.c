/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The client: opens every regular file below a folder once, reads it to its end in pieces of 64
 * KiB, closes it. So do one or more threads that share one list. One line goes to standard output:
 *
 *     files N wall_nsec N cpu_usec N p50_nsec N p99_nsec N
 *
 * wall_nsec is from the moment when all threads stand ready to the end of the last; p50 and p99 are
 * of one file, from before open(2) to after close(2). A file that can't be read is an error: what
 * was refused was not measured. --files: no more than these, the first ones. --writable: opened for
 * reading and writing, as Dovecot opens an mbox even to read it.
 */

#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/bench/bench.h"
#include "tests/bench/files.h"

#define CLIENTS_MAX 64
#define READ_SIZE   (64 * 1024)

static struct files files;
static int flags = O_RDONLY | O_CLOEXEC;
static uint64_t *latency_nsec; /* of each file */
static atomic_size_t next_file;
static atomic_bool failed;
static pthread_barrier_t ready;

static int read_file(const char *path, char *buffer) {
        int fd = open(path, flags), r = 0;
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, buffer, READ_SIZE);
        while (n > 0);
        if (n < 0)
                r = -errno;
        (void)close(fd);
        return r;
}

static void *client(void *unused) {
        static _Thread_local char buffer[READ_SIZE];
        size_t i;

        (void)pthread_barrier_wait(&ready);
        while ((i = atomic_fetch_add(&next_file, 1)) < files.n) {
                uint64_t start = now_nsec();
                int r = read_file(files.paths[i], buffer);

                latency_nsec[i] = now_nsec() - start;
                if (r < 0) {
                        fprintf(stderr, "Failed to read %s: %s.\n", files.paths[i], strerror(-r));
                        atomic_store(&failed, true);
                        break;
                }
        }
        return NULL;
}

static void pin(unsigned cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0) {
                fprintf(stderr, "Failed to run on CPU %u: %s.\n", cpu, strerror(errno));
                exit(EXIT_FAILURE);
        }
}

static uint64_t run(unsigned clients) {
        pthread_t threads[CLIENTS_MAX];
        uint64_t start;

        if (pthread_barrier_init(&ready, NULL, clients + 1) != 0)
                abort();
        for (unsigned i = 0; i < clients; i++)
                if (pthread_create(&threads[i], NULL, client, NULL) != 0) {
                        fprintf(stderr, "Failed to start a thread.\n");
                        exit(EXIT_FAILURE);
                }
        start = now_nsec();
        (void)pthread_barrier_wait(&ready);
        for (unsigned i = 0; i < clients; i++)
                (void)pthread_join(threads[i], NULL);
        return now_nsec() - start;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "clients", required_argument, NULL, 'c' },
                { "cpu", required_argument, NULL, 'p' },
                { "files", required_argument, NULL, 'f' },
                { "writable", no_argument, NULL, 'w' },
                {},
        };
        size_t most = FILES_ALL;
        unsigned clients = 1;
        uint64_t wall, cpu;
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'c': clients = parse_number("--clients", optarg, 1, CLIENTS_MAX); break;
                case 'p': pin(parse_number("--cpu", optarg, 0, CPU_SETSIZE - 1)); break;
                case 'f': most = parse_number("--files", optarg, 1, UINT32_MAX); break;
                case 'w': flags = O_RDWR | O_CLOEXEC; break;
                default: return EXIT_FAILURE;
                }
        if (optind + 1 != argc) {
                fprintf(stderr, "Usage: opener [--clients N] [--cpu NUMBER] [--files N] "
                                "[--writable] FOLDER\n");
                return EXIT_FAILURE;
        }
        r = files_find(argv[optind], most, &files);
        if (r < 0) {
                fprintf(stderr, "Failed to find files in %s: %s.\n", argv[optind], strerror(-r));
                return EXIT_FAILURE;
        }
        latency_nsec = calloc(files.n, sizeof(*latency_nsec));
        if (!latency_nsec)
                return EXIT_FAILURE;

        cpu = cpu_usec(RUSAGE_SELF);
        wall = run(clients);
        cpu = cpu_usec(RUSAGE_SELF) - cpu;
        if (atomic_load(&failed))
                return EXIT_FAILURE;
        qsort(latency_nsec, files.n, sizeof(*latency_nsec), compare_uint64);
        printf("files %zu wall_nsec %llu cpu_usec %llu p50_nsec %llu p99_nsec %llu\n", files.n,
               (unsigned long long)wall, (unsigned long long)cpu,
               (unsigned long long)latency_nsec[files.n / 2],
               (unsigned long long)latency_nsec[files.n * 99 / 100]);
        return EXIT_SUCCESS;
}
