/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Makes an infected file of a clean one that is hot, by every way that a user of mail has, and
 * prints for how many microseconds the first call that a lease can delay took. For TEST-42-hot.sh.
 * Must not own: what storescand ought to make of it.
 *
 *     hot-change WAY VICTIM SOURCE   SOURCE holds the content that VICTIM is to have
 *
 * WAY is a word of the table below.
 */

#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "store/util.h"

#define CONTENT_MAX (1U << 20)
#define PAGE        4096

static char content[CONTENT_MAX];
static size_t size;
static uint64_t waited_usec;

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

/* An fd or whatever the call returned; ends the program where it failed. */
static int must(int r, const char *what) {
        if (r < 0) {
                perror(what);
                exit(1);
        }
        return r;
}

static int timed_open(const char *path, int flags) {
        uint64_t begin = now_usec();
        int fd = must(open(path, flags | O_CLOEXEC, 0644), "open");

        waited_usec = now_usec() - begin;
        return fd;
}

static void put(int fd) {
        if (pwrite(fd, content, size, 0) != (ssize_t)size)
                must(-1, "pwrite");
        close_fd(fd);
}

static void way_write(const char *victim, const char *source) {
        (void)source;
        put(timed_open(victim, O_WRONLY));
}

static void way_map(const char *victim, const char *source) {
        int fd = timed_open(victim, O_RDWR);
        volatile char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        (void)source;
        if (p == MAP_FAILED)
                must(-1, "mmap");
        close_fd(fd);
        /* Pages that were read may take stores without telling anybody. */
        for (size_t i = 0; i < size; i += PAGE)
                (void)p[i];
        for (size_t i = 0; i < size; i++)
                p[i] = content[i];
}

/* In the same tick as whatever came before, and with the time of before. */
static void way_same_tick(const char *victim, const char *source) {
        int fd = timed_open(victim, O_WRONLY);
        struct stat st;

        (void)source;
        must(fstat(fd, &st), "fstat");
        if (pwrite(fd, content, size, 0) != (ssize_t)size)
                must(-1, "pwrite");
        must(futimens(fd, (struct timespec[]){ st.st_atim, st.st_mtim }), "futimens");
        close_fd(fd);
}

/* Nothing but truncate(2): the beginning of VICTIM is a virus. */
static void way_truncate(const char *victim, const char *source) {
        uint64_t begin = now_usec();

        (void)source;
        must(truncate(victim, (off_t)size), "truncate");
        waited_usec = now_usec() - begin;
}

static void way_o_trunc(const char *victim, const char *source) {
        (void)source;
        put(timed_open(victim, O_WRONLY | O_TRUNC));
}

/* No writer to the lease, yet the content goes. */
static void way_rdonly_trunc(const char *victim, const char *source) {
        (void)source;
        close_fd(timed_open(victim, O_RDONLY | O_TRUNC));
        put(must(open(victim, O_WRONLY | O_CLOEXEC), "open"));
}

static void way_rename_over(const char *victim, const char *source) {
        must(rename(source, victim), "rename");
}

static void way_hard_link(const char *victim, const char *source) {
        char other[4096];

        (void)snprintf(other, sizeof(other), "%s.link", source);
        must(link(victim, other), "link");
        put(timed_open(other, O_WRONLY));
        must(unlink(other), "unlink");
}

static int ring_result(struct io_uring *ring) {
        struct io_uring_cqe *cqe;
        int r;

        must(io_uring_submit(ring), "io_uring_submit");
        must(io_uring_wait_cqe(ring, &cqe), "io_uring_wait_cqe");
        r = cqe->res;
        io_uring_cqe_seen(ring, cqe);
        errno = -r;
        return must(r, "io_uring");
}

static void way_ring(const char *victim, const char *source) {
        uint64_t begin = now_usec();
        struct io_uring ring;
        int fd;

        (void)source;
        must(io_uring_queue_init(4, &ring, 0), "io_uring_queue_init");
        io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, victim, O_WRONLY | O_CLOEXEC, 0);
        fd = ring_result(&ring);
        waited_usec = now_usec() - begin;
        io_uring_prep_write(io_uring_get_sqe(&ring), fd, content, (unsigned)size, 0);
        if (ring_result(&ring) != (int)size)
                must(-1, "io_uring write");
        io_uring_queue_exit(&ring);
        close_fd(fd);
}

/* SOURCE is VICTIM with nothing in its second page. */
static void way_punch(const char *victim, const char *source) {
        int fd = timed_open(victim, O_WRONLY);

        (void)source;
        must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE), "fallocate");
        close_fd(fd);
}

static void way_copy_range(const char *victim, const char *source) {
        int from = must(open(source, O_RDONLY | O_CLOEXEC), "open");
        int to = timed_open(victim, O_WRONLY);

        if (copy_file_range(from, NULL, to, NULL, size, 0) != (ssize_t)size)
                must(-1, "copy_file_range");
        close_fd(from);
        close_fd(to);
}

/* Is told to come again while the lease is being broken, once. */
static void way_nonblock(const char *victim, const char *source) {
        uint64_t begin = now_usec();
        int fd = open(victim, O_WRONLY | O_NONBLOCK | O_CLOEXEC), tries = 1;

        (void)source;
        if (fd >= 0 || errno != EWOULDBLOCK) {
                fprintf(stderr, "a non-blocking writer was not told to come again\n");
                exit(1);
        }
        while (fd < 0 && errno == EWOULDBLOCK && now_usec() - begin < 10 * USEC_PER_SEC) {
                tries++;
                fd = open(victim, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        }
        must(fd, "open");
        waited_usec = now_usec() - begin;
        put(fd);
}

static const struct {
        const char *word;
        void (*change)(const char *victim, const char *source);
} ways[] = {
        { "write", way_write },
        { "map", way_map },
        { "same-tick", way_same_tick },
        { "truncate", way_truncate },
        { "o-trunc", way_o_trunc },
        { "rdonly-trunc", way_rdonly_trunc },
        { "rename-over", way_rename_over },
        { "hard-link", way_hard_link },
        { "io-uring", way_ring },
        { "punch", way_punch },
        { "copy-range", way_copy_range },
        { "nonblock", way_nonblock },
};

int main(int argc, char *argv[]) {
        ssize_t n;
        int fd;

        if (argc != 4)
                return 2;
        /* Not from the store: reading a virus there is denied. */
        fd = must(open(argv[3], O_RDONLY | O_CLOEXEC), argv[3]);
        n = must((int)read(fd, content, sizeof(content)), argv[3]);
        close_fd(fd);
        size = (size_t)n;
        for (size_t i = 0; i < ELEMENTSOF(ways); i++)
                if (streq(ways[i].word, argv[1])) {
                        ways[i].change(argv[2], argv[3]);
                        printf("%llu\n", (unsigned long long)waited_usec);
                        return 0;
                }
        return 2;
}
