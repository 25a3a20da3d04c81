/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What store/stamp.h relies on: writing an attribute moves the change time to the kernel's clock,
 * and so does every later change; and where that is not so. Must not own: who may write meanwhile
 * (kernel-lease.c).
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "store/stamp.h"
#include "tests/system/kernel.h"

#ifndef XFS_SUPER_MAGIC
#        define XFS_SUPER_MAGIC 0x58465342
#endif

#define TEXT "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3g"

static int64_t usec_of(const struct timespec *ts) {
        return (int64_t)ts->tv_sec * 1000000 + ts->tv_nsec / 1000;
}

static int64_t clock_now(clockid_t clock) {
        struct timespec ts;

        expect_ok(clock_gettime(clock, &ts));
        return usec_of(&ts);
}

static int64_t ctime_of(int fd) {
        struct stat st;

        expect_ok(fstat(fd, &st));
        return usec_of(&st.st_ctim);
}

/* Another text each time, as the stamp's time makes it: ext4 writes nothing, and moves no change
 * time, when an attribute has that value already. */
static void write_stamp(int fd) {
        static unsigned n;
        char text[STAMP_SIZE_MAX];

        snprintf(text, sizeof(text), "%.*s%08x", (int)strlen(TEXT) - 8, TEXT, n++);
        expect_ok(fsetxattr(fd, STAMP_XATTR, text, strlen(text), 0));
}

/* ext4 with inodes of 128 bytes, for one: a change within the second of the stamp goes unseen. The
 * nanoseconds are nought there, which they are nowhere else twice. */
static void need_fine_times(int fd) {
        write_stamp(fd);
        if (ctime_of(fd) % 1000000 != 0)
                return;
        pause_msec(3);
        write_stamp(fd);
        if (ctime_of(fd) % 1000000 == 0)
                skip("change times are whole seconds here: no stamp can hold");
}

/* One stamp through the ring; whether its change time is within the window. */
static bool stamp_through(struct io_uring *ring, int fd) {
        static unsigned n;
        int64_t before, changed;
        char text[STAMP_SIZE_MAX];
        int length = snprintf(text, sizeof(text), "%u " TEXT, n++);

        before = clock_now(CLOCK_REALTIME);
        io_uring_prep_fsetxattr(io_uring_get_sqe(ring), fd, STAMP_XATTR, text, 0, (unsigned)length);
        expect_equal(ring_result(ring, PATIENCE_MSEC), 0);
        changed = ctime_of(fd);
        expect(changed <= clock_now(CLOCK_REALTIME) + STAMP_AFTER_MSEC * 1000);
        return changed >= before - STAMP_BEFORE_MSEC * 1000 &&
               changed <= before + STAMP_AFTER_MSEC * 1000;
}

static void through_the_ring(void) {
        struct io_uring ring;
        unsigned within = 0;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        need_fine_times(fd);
        expect_ok(fcntl(fd, F_SETLEASE, F_RDLCK));
        ring_open(&ring);
        for (unsigned i = 0; i < 20; i++)
                within += stamp_through(&ring, fd);
        note("change time of a stamp through the ring: %u of 20 within the window", within);
        expect_equal(fcntl(fd, F_GETLEASE), F_RDLCK);
        expect(no_event(group));
}

/* A stamp whose change time lags more is one that has to be confirmed by the digest: that costs
 * time, and happens where the timer's tick comes late (a virtual machine that is not let run). One
 * that is ahead of the clock would let a later change pass: that must never be. */
static void ctime_is_within_the_window(void) {
        int64_t lowest = INT64_MAX, highest = INT64_MIN;
        unsigned late = 0;
        int fd;

        make_file("file", 10);
        fd = (int)expect_ok(open("file", O_RDONLY | O_CLOEXEC));
        need_fine_times(fd);
        for (unsigned i = 0; i < 100; i++) {
                int64_t before = clock_now(CLOCK_REALTIME), changed, after;

                write_stamp(fd);
                after = clock_now(CLOCK_REALTIME);
                changed = ctime_of(fd); /* asked for: the next one is a fine-grained one (6.13) */
                lowest = MIN(lowest, changed - before);
                highest = MAX(highest, changed - after);
                late += changed - before < -STAMP_BEFORE_MSEC * 1000;
                pause_msec(3);
        }
        note("change time of a stamp: clock %+.1f ms to %+.1f ms, %u of 100 too late",
             (double)lowest / 1000, (double)highest / 1000, late);
        expect(highest <= STAMP_AFTER_MSEC * 1000);
        expect(late <= 50);
}

static void store_again(const char *path, bool read_first) {
        int fd = (int)expect_ok(open(path, O_RDWR | O_CLOEXEC));
        volatile char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        expect(p != MAP_FAILED);
        if (read_first)
                expect(p[100] != 'y');
        p[100] = 'y';
        expect_ok(munmap((void *)(uintptr_t)p, 8192));
        close_fd(fd);
}

static void change(const char *path, unsigned how) {
        const struct timespec times[] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
        _cleanup_close_ int fd = -EBADF;

        switch (how) {
        case 0:
        case 1:
                fd = (int)expect_ok(open(path, O_WRONLY | O_CLOEXEC));
                expect_equal(pwrite(fd, how == 0 ? "z" : "x", 1, 0), 1);
                break;
        case 2: expect_ok(truncate(path, 4096)); break;
        case 3: store_again(path, false); break;
        case 4: expect_ok(utimensat(AT_FDCWD, path, times, 0)); break;
        case 5: expect_ok(chmod(path, 0600)); break;
        case 6: expect_ok(link(path, "link")); break;
        case 7: expect_ok(setxattr(path, "trusted.other", "x", 1, 0)); break;
        default:
                fd = (int)expect_ok(open(path, O_WRONLY | O_CLOEXEC));
                expect_ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
        }
}

/* After the wait of stamper.c no change has a change time that passes for the stamp's own. */
static void later_changes_are_outside(void) {
        for (unsigned how = 0; how < 9; how++) {
                _cleanup_close_ int fd = -EBADF;
                int64_t time_msec, changed;

                (void)unlink("link");
                make_file("file", 8192);
                fd = (int)expect_ok(open("file", O_RDONLY | O_CLOEXEC));
                need_fine_times(fd);
                time_msec = clock_now(CLOCK_REALTIME) / 1000;
                write_stamp(fd);
                expect_soon(clock_now(CLOCK_REALTIME_COARSE) / 1000 > time_msec + STAMP_AFTER_MSEC);
                change("file", how);
                changed = ctime_of(fd) / 1000;
                if (changed <= time_msec + STAMP_AFTER_MSEC)
                        kernel_fail(__FILE__, __LINE__, "change %u moves no change time", how);
        }
}

/* Whether a store through a new mapping moves the change time although the page is dirty already. */
static bool store_moves_ctime(bool read_first) {
        _cleanup_close_ int fd = -EBADF;
        int64_t before;

        make_file("file", 8192);
        fd = (int)expect_ok(open("file", O_RDWR | O_CLOEXEC));
        need_fine_times(fd);
        expect_equal(pwrite(fd, "z", 1, 100), 1);
        before = ctime_of(fd);
        expect_soon(clock_now(CLOCK_REALTIME_COARSE) > before + 10000);
        store_again("file", read_first);
        return ctime_of(fd) > before;
}

static void first_store_moves_ctime(void) {
        expect(store_moves_ctime(false));
}

static void first_store_after_a_read_moves_ctime(void) {
        if (store_moves_ctime(true))
                return;
        if (test_fs() == TMPFS_MAGIC)
                skip("not on tmpfs: a file that was open for writing can't be vouched for there");
        expect(!"moves the change time");
}

/* Stores through a mapping that stays: only the first to a page since it was written out moves the change
 * time. many-proof.c lives by that. */
static void store_after_write_out_moves_ctime(void) {
        int fd, other;
        volatile char *p;
        int64_t before;

        if (test_fs() == TMPFS_MAGIC)
                skip("nothing is ever written out on tmpfs");
        make_file("file", 8192);
        other = (int)expect_ok(open("file", O_RDONLY | O_CLOEXEC));
        need_fine_times(other);
        fd = (int)expect_ok(open("file", O_RDWR | O_CLOEXEC));
        p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        expect(p != MAP_FAILED);
        for (int c = 'a'; c < 'f'; c++) {
                p[100] = (char)c;
                expect_ok(sync_file_range(other, 0, 0,
                                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                                  SYNC_FILE_RANGE_WAIT_AFTER));
                before = ctime_of(other);
                expect_soon(clock_now(CLOCK_REALTIME_COARSE) > before + 20000);
                p[100] = (char)(c - 'a' + 'A');
                expect(ctime_of(other) > before);
        }
        expect_ok(munmap((void *)(uintptr_t)p, 8192));
}

/* ---- Content that moves without a change time ---- */

struct move_extent {
        uint32_t reserved, donor_fd;
        uint64_t orig_start, donor_start, len, moved_len;
};

struct swap_extent {
        int64_t version, fd_target, fd_tmp, offset, length;
        char pad[16];
        struct {
                char ignored[40];
                struct {
                        int64_t sec;
                        int32_t nsec;
                } atime, mtime, ctime;
                char rest[48];
        } stat;
};

/* The defragmenters' calls: what fd holds becomes what other holds (or is lost). */
static int exchange(int fd, int other, const struct stat *st) {
        struct move_extent move = { .donor_fd = (uint32_t)fd,
                                    .len = (uint64_t)(st->st_size / st->st_blksize) };
        struct swap_extent swap = { .fd_target = fd, .fd_tmp = other, .length = st->st_size };

        switch (test_fs()) {
        case EXT4_SUPER_MAGIC:
                return value_of(ioctl(other, _IOWR('f', 15, struct move_extent), &move));
        case XFS_SUPER_MAGIC:
                swap.stat.mtime.sec = st->st_mtim.tv_sec;
                swap.stat.mtime.nsec = (int32_t)st->st_mtim.tv_nsec;
                swap.stat.ctime.sec = st->st_ctim.tv_sec;
                swap.stat.ctime.nsec = (int32_t)st->st_ctim.tv_nsec;
                return value_of(ioctl(fd, _IOWR('X', 109, struct swap_extent), &swap));
        default: skip("this file system exchanges no extents");
        }
}

static void exchanged_content_needs_a_writer(void) {
        int fd, other, writer;
        struct stat st, now;
        char c = 'x';

        make_file("file", 65536);
        other = (int)expect_ok(open("other", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        for (unsigned i = 0; i < 65536 / 4096; i++)
                expect_equal(write(other, (char[4096]){ 'i' }, 4096), 4096);
        expect_ok(fsync(other));
        fd = (int)expect_ok(open("file", O_RDONLY | O_CLOEXEC));
        write_stamp(fd);
        expect_ok(fstat(fd, &st));
        expect_equal(exchange(fd, other, &st), -EBADF);

        expect_soon(clock_now(CLOCK_REALTIME_COARSE) > usec_of(&st.st_ctim) + 20000);
        writer = (int)expect_ok(open("file", O_RDWR | O_CLOEXEC));
        expect_equal(exchange(writer, other, &st), 0);
        expect_ok(fsync(writer));
        expect_ok(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
        expect_equal(pread(fd, &c, 1, 0), 1);
        expect_ok(fstat(fd, &now));
        expect_equal(now.st_size, st.st_size);
        note("extents exchanged by a writer: content %s, change time %s",
             c == 'x'   ? "as before"
             : c == 'i' ? "the other file's"
                        : "lost",
             usec_of(&now.st_ctim) == usec_of(&st.st_ctim) ? "as before" : "moved");
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "stamp through the ring keeps the lease and raises nothing", through_the_ring },
                { "change time of a stamp is within its window", ctime_is_within_the_window },
                { "change times of later changes are outside", later_changes_are_outside },
                { "first store through a new mapping moves the change time",
                  first_store_moves_ctime },
                { "and so it does after a read through it", first_store_after_a_read_moves_ctime },
                { "and one to a page that was written out, through a mapping that stays",
                  store_after_write_out_moves_ctime },
                { "content is exchanged only through an fd open for writing",
                  exchanged_content_needs_a_writer },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
