/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How long new folders go unguarded where each is marked by itself: makes mailboxes, puts a link to an
 * infected file into one and opens it until that is refused. The folder was marked then, at the latest
 * when the open that was refused began: how long that waited for a scan does not count.
 *
 *     new-folders [--at-once] [--first N] --mailboxes N INFECTED-FILE FOLDER
 *
 * One after the other, or, with --at-once, all of them, of which the last one is asked. One line goes to
 * standard output:
 *
 *     mailboxes N wall_nsec N p50_nsec N p99_nsec N most_nsec N
 *
 * all from before the first folder of a mailbox (of the first mailbox, with --at-once) is made.
 */

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sys/stat.h>

#include "tests/bench/bench.h"

#define PATIENCE_NSEC (60 * NSEC_PER_SEC)

static _Noreturn void die(const char *what) {
        fprintf(stderr, "%s: %s.\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void make_mailbox(const char *folder, unsigned i) {
        static const char *const parts[] = { "", "/cur", "/new", "/tmp" };
        char path[PATH_MAX];

        for (size_t k = 0; k < ELEMENTSOF(parts); k++) {
                (void)snprintf(path, sizeof(path), "%s/new%06u%s", folder, i, parts[k]);
                if (mkdir(path, 0755) < 0)
                        die(path);
        }
}

/* When the mailbox was guarded. */
static uint64_t probe(const char *infected, const char *folder, unsigned i) {
        const struct timespec pause = { .tv_nsec = 20000 };
        uint64_t begin = now_nsec(), now;
        char path[PATH_MAX];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/new%06u/cur/1700000000.M%06uP1.bench:2,S", folder, i,
                       i);
        if (link(infected, path) < 0)
                die(path);
        for (;;) {
                now = now_nsec();
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0 && errno == EPERM)
                        return now;
                if (fd < 0)
                        die(path);
                (void)close(fd);
                if (now - begin > PATIENCE_NSEC) {
                        errno = ETIMEDOUT;
                        die(path);
                }
                (void)nanosleep(&pause, NULL);
        }
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "at-once", no_argument, NULL, 'a' },
                { "first", required_argument, NULL, 'f' },
                { "mailboxes", required_argument, NULL, 'm' },
                {},
        };
        unsigned n = 20, first = 0, n_took = 0;
        _cleanup_free_ uint64_t *took = NULL;
        bool at_once = false;
        uint64_t start;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'a': at_once = true; break;
                case 'f': first = parse_number("--first", optarg, 0, 999999); break;
                case 'm': n = parse_number("--mailboxes", optarg, 1, 100000); break;
                default: return EXIT_FAILURE;
                }
        if (optind + 2 != argc) {
                fprintf(stderr, "Usage: new-folders [--at-once] [--first N] --mailboxes N "
                                "INFECTED-FILE FOLDER\n");
                return EXIT_FAILURE;
        }
        took = calloc(n, sizeof(*took));
        if (!took)
                return EXIT_FAILURE;
        start = now_nsec();
        for (unsigned i = first; i < first + n; i++) {
                uint64_t begin = at_once ? start : now_nsec();

                make_mailbox(argv[optind + 1], i);
                if (!at_once || i == first + n - 1)
                        took[n_took++] = probe(argv[optind], argv[optind + 1], i) - begin;
        }
        start = now_nsec() - start;
        qsort(took, n_took, sizeof(*took), compare_uint64);
        printf("mailboxes %u wall_nsec %llu p50_nsec %llu p99_nsec %llu most_nsec %llu\n", n,
               (unsigned long long)start, (unsigned long long)took[n_took / 2],
               (unsigned long long)took[(size_t)n_took * 99 / 100],
               (unsigned long long)took[n_took - 1]);
        return EXIT_SUCCESS;
}
