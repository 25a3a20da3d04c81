/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many openers at once: N threads, in as many processes as their descriptors need, wait until all are
 * there; then each opens one of the files of a folder, reads its beginning and closes it. A file whose
 * name has "virus" in it is infected. Must not own: what storescand ought to make of it.
 *
 *     crowd FOLDER N [keys]
 *
 * Prints "opening" when all have gone into their open, and at the end what they saw, in one line of
 * name=value; or, with keys, only a line of what benchmarks want to know. Exit status 1: not all of them
 * could be made, or some saw an error other than EPERM.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "store/util.h"

#define THREADS_MAX 5000 /* of one process; each needs a descriptor */
#define FILES_MAX   100000
#define STACK_SIZE  ((size_t)PTHREAD_STACK_MIN)

enum seen { SEEN_READ, SEEN_REFUSED, SEEN_ERROR, _SEEN_MAX };

struct crowd {
        _Atomic(unsigned) opening, failed;
        _Atomic(unsigned) seen[2][_SEEN_MAX]; /* of clean files and of infected ones */
        _Atomic(uint64_t) begin_nsec;         /* when the first one opened */
        uint64_t took_nsec[];                 /* of each opener */
};

static struct crowd *crowd; /* shared by all processes */
static char *files[FILES_MAX];
static unsigned n_files;
static int start[2], made[2]; /* pipes: closed when all shall start; a byte from each process */

static uint64_t now_nsec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * NSEC_PER_USEC * USEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int fail(const char *what) {
        perror(what);
        return 1;
}

static enum seen look(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char data[64];

        if (fd < 0)
                return errno == EPERM ? SEEN_REFUSED : SEEN_ERROR;
        return read(fd, data, sizeof(data)) > 0 ? SEEN_READ : SEEN_ERROR;
}

static void *opener(void *userdata) {
        size_t number = (size_t)(uintptr_t)userdata;
        const char *path = files[number % n_files];
        uint64_t begin, none = 0;
        enum seen seen;
        char byte;

        (void)!read(start[0], &byte, 1);
        begin = now_nsec();
        (void)atomic_compare_exchange_strong(&crowd->begin_nsec, &none, begin);
        atomic_fetch_add(&crowd->opening, 1);
        seen = look(path);
        crowd->took_nsec[number] = now_nsec() - begin;
        atomic_fetch_add(&crowd->seen[strstr(path, "virus") != NULL][seen], 1);
        return NULL;
}

/* One process of the crowd: openers number first to first + n - 1. */
static _Noreturn void take_part(unsigned first, unsigned n) {
        static pthread_t threads[THREADS_MAX];
        pthread_attr_t attr;
        unsigned started = 0;

        close_fd(start[1]);
        (void)pthread_attr_init(&attr);
        (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
        for (; started < n; started++)
                if (pthread_create(&threads[started], &attr, opener,
                                   (void *)(uintptr_t)(first + started)) != 0)
                        break;
        atomic_fetch_add(&crowd->failed, n - started);
        (void)!write(made[1], "", 1);
        for (unsigned i = 0; i < started; i++)
                (void)pthread_join(threads[i], NULL);
        _exit(0);
}

/* Of this process and those that it makes. */
static void make_room(void) {
        struct rlimit limit = { THREADS_MAX + 100, THREADS_MAX + 100 }, is;

        if (getrlimit(RLIMIT_NOFILE, &is) >= 0 && is.rlim_cur < limit.rlim_cur)
                (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int list_files(const char *folder) {
        DIR *dir = opendir(folder);
        const struct dirent *entry;

        if (!dir)
                return fail(folder);
        while ((entry = readdir(dir)) && n_files < FILES_MAX)
                if (entry->d_name[0] != '.' &&
                    asprintf(&files[n_files], "%s/%s", folder, entry->d_name) > 0)
                        n_files++;
        (void)closedir(dir);
        return n_files == 0;
}

static unsigned count(bool infected, enum seen seen) {
        return atomic_load(&crowd->seen[infected][seen]);
}

static int compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

/* keys: what was said on the command line, or NULL. */
static int report(unsigned wanted, const char *keys, uint64_t end_nsec) {
        unsigned missing = atomic_load(&crowd->failed), errors;
        uint64_t *took = crowd->took_nsec;
        struct rusage usage;

        (void)getrusage(RUSAGE_CHILDREN, &usage);
        errors = count(false, SEEN_ERROR) + count(true, SEEN_ERROR);
        qsort(took, wanted, sizeof(*took), compare);
        if (keys)
                (void)printf("openers %u read %u refused %u errors %u wall_nsec %llu p50_nsec %llu "
                             "p99_nsec %llu most_nsec %llu\n",
                             wanted - missing, count(false, SEEN_READ) + count(true, SEEN_READ),
                             count(false, SEEN_REFUSED) + count(true, SEEN_REFUSED), errors,
                             (unsigned long long)(end_nsec - atomic_load(&crowd->begin_nsec)),
                             (unsigned long long)took[wanted / 2],
                             (unsigned long long)took[(size_t)wanted * 99 / 100],
                             (unsigned long long)took[wanted - 1]);
        else
                (void)printf("openers=%u clean_read=%u clean_refused=%u infected_read=%u "
                             "infected_refused=%u errors=%u slowest_ms=%u sleeps=%ld\n",
                             wanted - missing, count(false, SEEN_READ), count(false, SEEN_REFUSED),
                             count(true, SEEN_READ), count(true, SEEN_REFUSED), errors,
                             (unsigned)(took[wanted - 1] / NSEC_PER_USEC / USEC_PER_MSEC),
                             usage.ru_nvcsw);
        if (missing > 0)
                (void)fprintf(stderr, "%u openers could not be made\n", missing);
        return missing > 0 || errors > 0;
}

int main(int argc, char **argv) {
        unsigned wanted, processes = 0;
        const char *keys;
        uint64_t end;
        char byte;

        if (argc != 3 && (argc != 4 || !streq(argv[3], "keys")))
                return 2;
        keys = argv[3];
        wanted = (unsigned)strtoul(argv[2], NULL, 10);
        if (wanted == 0)
                return 2;
        make_room();
        if (list_files(argv[1]) != 0 || pipe2(start, O_CLOEXEC) < 0 || pipe2(made, O_CLOEXEC) < 0)
                return fail(argv[1]);
        crowd = mmap(NULL, sizeof(*crowd) + wanted * sizeof(crowd->took_nsec[0]),
                     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (crowd == MAP_FAILED)
                return fail("mmap");
        for (unsigned first = 0; first < wanted; first += THREADS_MAX, processes++) {
                pid_t pid = fork();

                if (pid < 0)
                        return fail("fork");
                if (pid == 0)
                        take_part(first, MIN((unsigned)THREADS_MAX, wanted - first));
        }
        for (unsigned i = 0; i < processes; i++)
                (void)!read(made[0], &byte, 1);
        start[1] = close_fd(start[1]);
        while (!keys && atomic_load(&crowd->opening) < wanted - atomic_load(&crowd->failed))
                (void)usleep(10000);
        if (!keys) {
                (void)printf("opening\n");
                (void)fflush(stdout);
        }
        while (wait(NULL) > 0)
                ;
        end = now_nsec();
        return report(wanted, keys, end);
}
