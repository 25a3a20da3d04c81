/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The client of mailboxes that are one file: reads one from an offset to its end, or delivers a
 * message to it, in pieces of a given size, as often as is asked for. One line goes to standard output:
 *
 *     bytes N calls N wall_nsec N cpu_usec N p50_nsec N p99_nsec N
 *
 * bytes, calls and wall_nsec are of one time on average, from before open(2) to after close(2); p50 and
 * p99 are of one read(2) or write(2). Reading with --writable is what Dovecot does: it opens mailboxes
 * for writing always. A delivery is Postfix's and Dovecot's, but for fsync(2): open for reading and
 * writing, a lock on the whole file (fcntl(2)), writes behind the end.
 */

#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <sys/stat.h>

#include "tests/bench/bench.h"

#define PIECE_MAX (1U << 20)
#define CALLS_MAX (1U << 20) /* that latencies are kept of */
#define TIMES_MAX 100000

static char piece[PIECE_MAX];
static uint64_t latency_nsec[CALLS_MAX];
static uint64_t n_calls, n_bytes;

static void fail(const char *what, const char *path) {
        fprintf(stderr, "Failed to %s %s: %s.\n", what, path, strerror(errno));
        exit(EXIT_FAILURE);
}

static void note(uint64_t begin, ssize_t n) {
        latency_nsec[n_calls++ % CALLS_MAX] = now_nsec() - begin;
        n_bytes += (uint64_t)n;
}

static void read_mailbox(const char *path, int flags, off_t from, size_t size) {
        int fd = open(path, flags | O_CLOEXEC);

        if (fd < 0 || lseek(fd, from, SEEK_SET) < 0)
                fail("open", path);
        for (;;) {
                uint64_t begin = now_nsec();
                ssize_t n = read(fd, piece, size);

                if (n < 0)
                        fail("read", path);
                note(begin, n);
                if (n == 0)
                        break;
        }
        (void)close(fd);
}

static void deliver(const char *path, const char *message, size_t message_size, size_t size) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd < 0 || fcntl(fd, F_SETLKW, &lock) < 0 || lseek(fd, 0, SEEK_END) < 0)
                fail("open", path);
        for (size_t at = 0; at < message_size;) {
                uint64_t begin = now_nsec();
                ssize_t n = write(fd, message + at, MIN(size, message_size - at));

                if (n < 0)
                        fail("write to", path);
                note(begin, n);
                at += (size_t)n;
        }
        (void)close(fd);
}

static char *load(const char *path, size_t *ret_size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        size_t at = 0;
        struct stat st;
        char *text;

        if (fd < 0 || fstat(fd, &st) < 0)
                fail("open", path);
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                fail("load", path);
        while (at < (size_t)st.st_size) {
                ssize_t n = read(fd, text + at, (size_t)st.st_size - at);

                if (n <= 0)
                        fail("read", path);
                at += (size_t)n;
        }
        (void)close(fd);
        *ret_size = at;
        return text;
}

static void pin(unsigned cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                fail("run on", "the CPU asked for");
}

static void report(uint64_t wall, uint64_t cpu, unsigned times) {
        size_t n = (size_t)MIN(n_calls, (uint64_t)CALLS_MAX);

        qsort(latency_nsec, n, sizeof(latency_nsec[0]), compare_uint64);
        printf("bytes %llu calls %llu wall_nsec %llu cpu_usec %llu p50_nsec %llu p99_nsec %llu\n",
               (unsigned long long)(n_bytes / times), (unsigned long long)(n_calls / times),
               (unsigned long long)(wall / times), (unsigned long long)cpu,
               (unsigned long long)latency_nsec[n / 2],
               (unsigned long long)latency_nsec[n * 99 / 100]);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "cpu", required_argument, NULL, 'p' },
                { "from", required_argument, NULL, 'f' },
                { "piece", required_argument, NULL, 's' },
                { "times", required_argument, NULL, 't' },
                { "writable", no_argument, NULL, 'w' },
                { "deliver", required_argument, NULL, 'd' },
                {},
        };
        unsigned size = 4096, times = 1, from = 0;
        const char *message_path = NULL;
        char *message = NULL;
        size_t message_size = 0;
        uint64_t wall, cpu;
        int flags = O_RDONLY, c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'p': pin(parse_number("--cpu", optarg, 0, CPU_SETSIZE - 1)); break;
                case 'f': from = parse_number("--from", optarg, 0, UINT32_MAX); break;
                case 's': size = parse_number("--piece", optarg, 1, PIECE_MAX); break;
                case 't': times = parse_number("--times", optarg, 1, TIMES_MAX); break;
                case 'w': flags = O_RDWR; break;
                case 'd': message_path = optarg; break;
                default: return EXIT_FAILURE;
                }
        if (optind + 1 != argc) {
                fprintf(stderr, "Usage: mboxer [--cpu N] [--piece BYTES] [--times N] "
                                "[--from OFFSET] [--writable] [--deliver MESSAGE] MBOX\n");
                return EXIT_FAILURE;
        }
        if (message_path)
                message = load(message_path, &message_size);
        memset(latency_nsec, 0, sizeof(latency_nsec)); /* no page faults later */
        cpu = cpu_usec(RUSAGE_SELF);
        wall = now_nsec();
        for (unsigned i = 0; i < times; i++)
                if (message)
                        deliver(argv[optind], message, message_size, size);
                else
                        read_mailbox(argv[optind], flags, from, size);
        wall = now_nsec() - wall;
        cpu = cpu_usec(RUSAGE_SELF) - cpu;
        free(message);
        report(wall, cpu, times);
        return EXIT_SUCCESS;
}
