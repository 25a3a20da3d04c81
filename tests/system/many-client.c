/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A session of a mail program with one file: opens it, then does what the lines of standard input
 * say, and answers each with one line: "ok N clean", "ok N virus" (what it got holds the word
 * INFECTED or the test virus), "ok N" or the name of the error. For TEST-43-many.sh. Must not own:
 * what storescand ought to make of it.
 *
 *     many-client FILE rdonly|rdwr|wronly|append|direct
 *
 * The words are in the tables below, each with two numbers or a number and a file; "end 0 0" ends it.
 */

#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "store/util.h"

#define SIZE_MAX_ ((size_t)16 << 20)
#define PIECE     ((size_t)8192)
#define ALIGN     4096

static const char *path;
static int file;
static char *buffer; /* what was got, or shall be put */
static bool got;     /* the buffer holds what was read */
static uint64_t waited_usec;
static void *map;

/* Calls give what the system call gave; -1 with errno. */
typedef ssize_t (*read_fn)(off_t offset, size_t size);
typedef ssize_t (*change_fn)(off_t offset, size_t size);
typedef ssize_t (*put_fn)(off_t offset, const char *source);

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

/* ---- Reading ---- */

static ssize_t do_pread(off_t offset, size_t size) {
        return pread(file, buffer, size, offset);
}

static ssize_t do_read(off_t offset, size_t size) {
        return lseek(file, offset, SEEK_SET) < 0 ? -1 : read(file, buffer, size);
}

static ssize_t do_readv(off_t offset, size_t size) {
        struct iovec iov[] = { { buffer, size / 2 }, { buffer + size / 2, size - size / 2 } };

        return lseek(file, offset, SEEK_SET) < 0 ? -1 : readv(file, iov, ELEMENTSOF(iov));
}

static ssize_t do_mmap(off_t offset, size_t size) {
        off_t start = offset / ALIGN * ALIGN;
        size_t skip = (size_t)(offset - start);
        struct stat st;
        char *p = mmap(NULL, size + skip, PROT_READ, MAP_PRIVATE, file, start);

        if (p == MAP_FAILED || fstat(file, &st) < 0)
                return -1;
        size = MIN(size, (size_t)MAX(st.st_size - offset, 0));
        memcpy(buffer, p + skip, size);
        (void)munmap(p, size + skip);
        return (ssize_t)size;
}

/* What came into a pipe or a file by other ways is read from there. */
static ssize_t read_back(int fd, ssize_t n, bool is_pipe) {
        ssize_t r = n;

        if (n >= 0)
                r = is_pipe ? read(fd, buffer, (size_t)n) : pread(fd, buffer, (size_t)n, 0);
        return r;
}

static ssize_t do_sendfile(off_t offset, size_t size) {
        _cleanup_close_ int to = memfd_create("copy", MFD_CLOEXEC);

        return read_back(to, sendfile(to, file, &offset, size), false);
}

static ssize_t do_splice(off_t offset, size_t size) {
        ssize_t n, r;
        int p[2];

        if (pipe2(p, O_CLOEXEC) < 0)
                return -1;
        (void)fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
        n = splice(file, &offset, p[1], NULL, size, 0);
        r = read_back(p[0], n, true);
        close_fd(p[0]);
        close_fd(p[1]);
        return r;
}

/* Where nobody minds what is in it: .imap belongs to the server. */
static int other_file(void) {
        const char *slash = strrchr(path, '/');
        char name[4096];
        int fd;

        (void)snprintf(name, sizeof(name), "%.*s/.imap/copy", slash ? (int)(slash - path) : 1,
                       slash ? path : ".");
        fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        (void)unlink(name);
        return fd;
}

static ssize_t do_copy_file_range(off_t offset, size_t size) {
        _cleanup_close_ int to = other_file();

        return read_back(to, copy_file_range(file, &offset, to, NULL, size, 0), false);
}

/* All of it, whatever was asked for. */
static ssize_t do_clone(off_t offset, size_t size) {
        _cleanup_close_ int to = other_file();
        struct stat st;

        (void)offset;
        (void)size;
        if (ioctl(to, FICLONE, file) < 0 || fstat(to, &st) < 0)
                return -1;
        return read_back(to, st.st_size, false);
}

static ssize_t do_io_uring(off_t offset, size_t size) {
        struct io_uring_cqe *cqe;
        struct io_uring ring;
        int r;

        r = io_uring_queue_init(2, &ring, 0);
        if (r >= 0) {
                io_uring_prep_read(io_uring_get_sqe(&ring), file, buffer, (unsigned)size,
                                   (uint64_t)offset);
                (void)io_uring_submit(&ring);
                r = io_uring_wait_cqe(&ring, &cqe);
                if (r >= 0)
                        r = cqe->res;
                io_uring_queue_exit(&ring);
        }
        if (r < 0)
                errno = -r;
        return r < 0 ? -1 : r;
}

/* ---- Changing ---- */

/* Pieces, as mail programs write. */
static ssize_t put_pieces(off_t offset, const char *source, size_t piece) {
        _cleanup_close_ int fd = open(source, O_RDONLY | O_CLOEXEC);
        ssize_t n, total = 0;

        if (fd < 0 || (n = read(fd, buffer, SIZE_MAX_)) < 0)
                return -1;
        while (total < n) {
                size_t size = MIN(piece, (size_t)(n - total));
                uint64_t begin = now_usec();
                ssize_t w = pwrite(file, buffer + total, size, offset + total);

                waited_usec = MAX(waited_usec, now_usec() - begin);
                if (w != (ssize_t)size)
                        return -1;
                total += w;
        }
        return total;
}

static ssize_t do_put(off_t offset, const char *source) {
        return put_pieces(offset, source, SIZE_MAX_);
}

static ssize_t end_of_file(void) {
        struct stat st;

        return fstat(file, &st) < 0 ? -1 : st.st_size;
}

static ssize_t do_append(off_t piece, const char *source) {
        return put_pieces(end_of_file(), source, piece > 0 ? (size_t)piece : SIZE_MAX_);
}

/* In the same tick as whatever came before, and with the time of before. */
static ssize_t do_put_back_time(off_t offset, const char *source) {
        struct stat st;
        ssize_t n;

        if (fstat(file, &st) < 0)
                return -1;
        n = do_put(offset, source);
        return n < 0 || futimens(file, (struct timespec[]){ st.st_atim, st.st_mtim }) < 0 ? -1 : n;
}

static ssize_t do_path_truncate(off_t size, size_t unused) {
        (void)unused;
        return truncate(path, size);
}

static ssize_t do_truncate(off_t size, size_t unused) {
        (void)unused;
        return ftruncate(file, size);
}

/* The end of what was at size and behind is moved down to offset, as an mbox is expunged. */
static ssize_t do_expunge(off_t offset, size_t size) {
        off_t from = offset + (off_t)size;
        ssize_t n;

        while ((n = pread(file, buffer, PIECE, from)) > 0) {
                if (pwrite(file, buffer, (size_t)n, offset) != n)
                        return -1;
                offset += n;
                from += n;
        }
        return n < 0 ? -1 : ftruncate(file, offset);
}

static ssize_t do_collapse(off_t offset, size_t size) {
        return fallocate(file, FALLOC_FL_COLLAPSE_RANGE, offset, (off_t)size);
}

static ssize_t do_insert(off_t offset, size_t size) {
        return fallocate(file, FALLOC_FL_INSERT_RANGE, offset, (off_t)size);
}

static ssize_t do_punch(off_t offset, size_t size) {
        return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)size);
}

static ssize_t do_map(off_t offset, size_t size) {
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
        return map == MAP_FAILED ? -1 : 0;
}

static ssize_t do_store(off_t offset, const char *source) {
        _cleanup_close_ int fd = open(source, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buffer, SIZE_MAX_);

        if (n >= 0)
                memcpy((char *)map + offset, buffer, (size_t)n);
        return n;
}

static ssize_t do_sync(off_t offset, size_t size) {
        (void)offset;
        (void)size;
        return fsync(file);
}

static ssize_t do_lock(off_t type, size_t unused) {
        struct flock lock = { .l_type = (short)type, .l_whence = SEEK_SET };

        (void)unused;
        return fcntl(file, F_SETLK, &lock);
}

static ssize_t do_write_lock(off_t offset, size_t size) {
        (void)offset;
        return do_lock(F_WRLCK, size);
}

static ssize_t do_unlock(off_t offset, size_t size) {
        (void)offset;
        return do_lock(F_UNLCK, size);
}

/* The longest that a write of an append or a put took so far. */
static ssize_t do_waited(off_t offset, size_t size) {
        (void)offset;
        (void)size;
        return (ssize_t)waited_usec;
}

/* ---- Words ---- */

static const struct {
        const char *word;
        read_fn fn;
} reads[] = {
        { "pread", do_pread },
        { "read", do_read },
        { "readv", do_readv },
        { "mmap", do_mmap },
        { "sendfile", do_sendfile },
        { "splice", do_splice },
        { "copy_file_range", do_copy_file_range },
        { "io_uring", do_io_uring },
        { "clone", do_clone },
};

static const struct {
        const char *word;
        change_fn fn;
} changes[] = {
        { "path-truncate", do_path_truncate },
        { "truncate", do_truncate },
        { "expunge", do_expunge },
        { "collapse", do_collapse },
        { "insert", do_insert },
        { "punch", do_punch },
        { "map", do_map },
        { "sync", do_sync },
        { "lock", do_write_lock },
        { "unlock", do_unlock },
        { "waited", do_waited },
};

static const struct {
        const char *word;
        put_fn fn;
} puts_[] = {
        { "put", do_put },
        { "put-back-time", do_put_back_time },
        { "append", do_append },
        { "store", do_store },
};

static ssize_t do_line(const char *word, long long offset, const char *other) {
        got = false;
        for (size_t i = 0; i < ELEMENTSOF(reads); i++)
                if (streq(word, reads[i].word)) {
                        got = true;
                        return reads[i].fn(offset, MIN(strtoull(other, NULL, 10), SIZE_MAX_));
                }
        for (size_t i = 0; i < ELEMENTSOF(changes); i++)
                if (streq(word, changes[i].word))
                        return changes[i].fn(offset, strtoull(other, NULL, 10));
        for (size_t i = 0; i < ELEMENTSOF(puts_); i++)
                if (streq(word, puts_[i].word))
                        return puts_[i].fn(offset, other);
        fprintf(stderr, "many-client: no word '%s'\n", word);
        exit(2);
}

static bool holds_virus(size_t size) {
        return memmem(buffer, size, "INFECTED", 8) || memmem(buffer, size, "EICAR-STANDARD-", 15);
}

static void answer(ssize_t n) {
        if (n < 0)
                printf("%s\n", strerrorname_np(errno));
        else if (got)
                printf("ok %zd %s\n", n, holds_virus((size_t)n) ? "virus" : "clean");
        else
                printf("ok %zd\n", n);
        (void)fflush(stdout);
}

static int flags_of(const char *word) {
        static const struct {
                const char *word;
                int flags;
        } modes[] = {
                { "rdonly", O_RDONLY },
                { "rdwr", O_RDWR },
                { "wronly", O_WRONLY },
                { "append", O_WRONLY | O_APPEND },
                { "direct", O_RDONLY | O_DIRECT },
        };

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (streq(word, modes[i].word))
                        return modes[i].flags;
        fprintf(stderr, "many-client: no mode '%s'\n", word);
        exit(2);
}

int main(int argc, char **argv) {
        char word[32], other[4096];
        long long offset;

        if (argc != 3) {
                fprintf(stderr, "many-client: usage: many-client FILE MODE\n");
                return 2;
        }
        path = argv[1];
        buffer = aligned_alloc(ALIGN, SIZE_MAX_);
        file = open(path, flags_of(argv[2]) | O_CLOEXEC);
        if (!buffer || file < 0) {
                printf("open %s\n", strerrorname_np(errno));
                return 1;
        }
        printf("open\n");
        (void)fflush(stdout);
        while (scanf("%31s %lld %4095s", word, &offset, other) == 3 && !streq(word, "end"))
                answer(do_line(word, offset, other));
        return 0;
}
