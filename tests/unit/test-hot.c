/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Hot files: who becomes one, who stays, in which order one goes. Files and leases are real; the gate,
 * the ring, the stamper and the pool are stand-ins that write down what is asked of them.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>

#include "daemon/hot.h"
#include "tests/unit/unit.h"

#define MAX_FILES 4
#define TIME      (80 * USEC_PER_SEC)

/* ---- Stand-ins ---- */

static char calls[4096]; /* one letter each */
static struct generation generation = { .id = "first!" };
static bool no_generation, paused, mark_fails;
static struct stamper_withdrawal *withdrawal;
static int withdrawn_fd;
static struct io_uring_sqe sqe;
static struct ring_op *ring_op;
static struct stats stats;

static void called(char letter) {
        size_t n = strlen(calls);

        ck_assert_uint_lt(n + 1, sizeof(calls));
        calls[n] = letter;
        calls[n + 1] = '\0';
}

static void expect_calls(const char *expected) {
        ck_assert_str_eq(calls, expected);
        calls[0] = '\0';
}

const struct generation *pool_generation(const struct pool *pool) {
        return no_generation ? NULL : &generation;
}

int gate_mark(const struct gate *gate, unsigned flags, uint64_t mask, int dirfd, const char *path) {
        ck_assert(flags & FAN_MARK_IGNORED_MASK && !(flags & FAN_MARK_IGNORED_SURV_MODIFY));
        ck_assert_uint_eq(mask, FAN_OPEN_PERM);
        ck_assert_ptr_null(path);
        called(flags & FAN_MARK_ADD ? 'M' : 'm');
        return mark_fails && flags & FAN_MARK_ADD ? -ENOMEM : 0;
}

void gate_close(struct gate *gate, int fd) {
        called('c');
        close_fd(fd);
}

void gate_disown(struct gate *gate) {
        called('d');
}

bool gate_paused(const struct gate *gate) {
        return paused;
}

void gate_flush(struct gate *gate) {
}

struct io_uring_sqe *ring_entry(struct ring *ring) {
        return &sqe;
}

void ring_bind(struct io_uring_sqe *entry, struct ring_op *op) {
        ck_assert_int_eq(entry->opcode, IORING_OP_CLOSE);
        ck_assert(entry->flags & IOSQE_ASYNC);
        called('r');
        ring_op = op;
}

void stamper_withdraw(struct stamper *stamper, int fd, struct stamper_withdrawal *w) {
        called('w');
        withdrawal = w;
        withdrawn_fd = fd;
}

int lease_take(int fd) {
        return fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? -errno : 0;
}

bool lease_holds(int fd) {
        return fcntl(fd, F_GETLEASE) == F_RDLCK;
}

void lease_drop(int fd) {
        ck_assert_int_eq(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
}

/* ---- Files ---- */

static struct hot *hot;
static char folder[] = "/tmp/storescan-hot.XXXXXX";
static uint64_t now = 1000 * USEC_PER_SEC;

static const char *path_of(unsigned n) {
        static char path[64];

        (void)snprintf(path, sizeof(path), "%s/%u", folder, n);
        return path;
}

static void begin(void) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGIO);
        (void)sigaddset(&set, HOT_SIGNAL);
        ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        for (unsigned n = 0; n < 3 * MAX_FILES; n++) {
                int fd = open(path_of(n), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

                ck_assert_int_ge(fd, 0);
                ck_assert_int_eq(write(fd, "content", 7), 7);
                close_fd(fd);
        }
        ck_assert_int_eq(hot_new(NULL, NULL, NULL, NULL, &stats, MAX_FILES, TIME, &hot), 0);
        ck_assert_uint_eq(hot_run(hot, now), USEC_INFINITY); /* learns the generation */
}

static void end(void) {
        for (unsigned n = 0; n < 3 * MAX_FILES; n++)
                (void)unlink(path_of(n));
        (void)rmdir(folder);
}

/* What stands for an event fd, with a lease. */
static int leased(unsigned n, struct stat *ret) {
        int fd = open(path_of(n), O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(lease_take(fd), 0);
        ck_assert_int_eq(fstat(fd, ret), 0);
        return fd;
}

/* Returns the fd, or -EBADF when it was not taken. */
static int keep(unsigned n) {
        struct stat st;
        int fd = leased(n, &st);

        if (hot_keep(hot, &(struct hot_file){
                                  .fd = fd,
                                  .st = &st,
                                  .generation = &generation,
                                  .mask = FAN_OPEN_PERM,
                                  .stamped = true,
                          }))
                return fd;
        return close_fd(fd);
}

/* Keeps and marks one. */
static int heat(unsigned n) {
        int fd = keep(n);

        ck_assert_int_ge(fd, 0);
        (void)hot_run(hot, now);
        expect_calls("Md");
        return fd;
}

static bool is_open(int fd) {
        return fcntl(fd, F_GETFD) >= 0;
}

/* A writer that does not wait: 0 or -errno. */
static int try_to_write(unsigned n) {
        int fd = open(path_of(n), O_WRONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        close_fd(fd);
        return 0;
}

/* In use: something of the file system is opened all the time. */
static void run_for(uint64_t usec) {
        struct stat st;

        ck_assert_int_eq(stat(folder, &st), 0);
        for (uint64_t end = now + usec; now < end; now += USEC_PER_SEC / 4) {
                hot_heed(hot, &st);
                (void)hot_run(hot, now);
        }
}

static void idle_for(uint64_t usec) {
        for (uint64_t end = now + usec; now < end; now += USEC_PER_SEC / 4)
                (void)hot_run(hot, now);
}

/* ---- Tests ---- */

START_TEST(worth_it_the_second_time) {
        struct stat st;

        ck_assert_int_eq(stat(path_of(0), &st), 0);
        ck_assert(!hot_seen(hot, &st));
        ck_assert(hot_seen(hot, &st));
        st.st_ctim.tv_nsec ^= 1;
        ck_assert(!hot_seen(hot, &st));
        st.st_ino++;
        ck_assert(!hot_seen(hot, &st));
}
END_TEST

START_TEST(none_when_switched_off) {
        struct hot *none;
        struct stat st;

        ck_assert_int_eq(hot_new(NULL, NULL, NULL, NULL, &stats, 0, TIME, &none), 0);
        ck_assert_int_eq(stat(path_of(0), &st), 0);
        ck_assert(!hot_seen(none, &st));
        ck_assert(!hot_seen(none, &st));
        ck_assert_uint_eq(hot_run(none, now), USEC_INFINITY);
        hot_signal(none, SIGIO, -1);
        hot_stop(none);
        hot_free(none);
}
END_TEST

START_TEST(a_writer_waits_for_the_stamp) {
        int fd;

        fd = heat(0);
        ck_assert_uint_eq(stats.hot, 1);
        ck_assert_int_eq(try_to_write(0), -EWOULDBLOCK);
        hot_signal(hot, (uint32_t)HOT_SIGNAL, fd);
        /* The mark is gone, the lease is not. */
        expect_calls("mw");
        ck_assert_int_eq(withdrawn_fd, fd);
        ck_assert_int_eq(try_to_write(0), -EWOULDBLOCK);
        ck_assert(hot_busy(hot));
        withdrawal->done(withdrawal, 0);
        ck_assert(!hot_busy(hot));
        ck_assert(!is_open(fd));
        ck_assert_int_eq(try_to_write(0), 0);
        ck_assert_uint_eq(stats.hot_breaks, 1);
        ck_assert_uint_eq(stats.hot_dropped, 0);
        hot_stop(hot);
        hot_free(hot);
}
END_TEST

START_TEST(a_lost_signal_is_made_up_for) {
        (void)heat(0);
        (void)hot_run(hot, now);
        ck_assert_int_eq(try_to_write(0), -EWOULDBLOCK);
        if (_i == 0)
                hot_signal(hot, SIGIO, 0);
        else
                now += 6 * USEC_PER_SEC; /* looked at anyway */
        run_for(_i == 0 ? USEC_PER_SEC / 4 : 6 * USEC_PER_SEC);
        expect_calls("mw");
}
END_TEST

START_TEST(a_signal_for_another_file) {
        struct stat st;
        int fd, other;

        fd = heat(0);
        other = leased(1, &st);
        hot_signal(hot, (uint32_t)HOT_SIGNAL, other);
        hot_signal(hot, (uint32_t)HOT_SIGNAL, 1000);
        hot_signal(hot, (uint32_t)HOT_SIGNAL, fd); /* the lease holds: stale */
        expect_calls("");
        close_fd(other);
}
END_TEST

/* Whoever is there at the drop may have passed the mark: no signal was read yet. */
START_TEST(a_drop_finds_the_writer) {
        (void)heat(0);
        ck_assert_int_eq(try_to_write(0), -EWOULDBLOCK);
        hot_drop_all(hot);
        expect_calls("mw");
        withdrawal->done(withdrawal, -EIO);
        ck_assert_uint_eq(stats.stamps_failed, 1);
        ck_assert(!hot_busy(hot));
}
END_TEST

START_TEST(a_writer_before_the_mark) {
        int fd;

        fd = keep(0);
        ck_assert_int_eq(try_to_write(0), -EWOULDBLOCK);
        (void)hot_run(hot, now);
        expect_calls("mdw");
        withdrawal->done(withdrawal, 0);
        ck_assert(!is_open(fd));
        ck_assert_uint_eq(stats.hot, 0);
        hot_stop(hot);
        hot_free(hot);
}
END_TEST

START_TEST(not_without_its_mark) {
        int fd;

        mark_fails = true;
        fd = keep(0);
        (void)hot_run(hot, now);
        expect_calls("Mmc");
        ck_assert(!is_open(fd));
        ck_assert_uint_eq(stats.hot, 0);
}
END_TEST

START_TEST(changed_before_the_mark) {
        int fd;

        fd = keep(0);
        ck_assert_int_eq(chmod(path_of(0), 0640), 0);
        (void)hot_run(hot, now);
        expect_calls("Mmc");
        ck_assert(!is_open(fd));
}
END_TEST

START_TEST(once_only) {
        int fd;

        (void)heat(0);
        fd = keep(0);
        (void)hot_run(hot, now);
        expect_calls("c");
        ck_assert(!is_open(fd));
}
END_TEST

START_TEST(no_more_than_there_is_room_for) {
        int fds[MAX_FILES];

        for (unsigned n = 0; n < MAX_FILES; n++)
                fds[n] = heat(n);
        /* The oldest is not old enough to make room. */
        ck_assert_int_ge(keep(MAX_FILES), 0);
        (void)hot_run(hot, now);
        expect_calls("c");
        now += TIME / 8;
        for (unsigned n = MAX_FILES; n < 2 * MAX_FILES; n++) {
                ck_assert_int_ge(keep(n), 0);
                (void)hot_run(hot, now);
                expect_calls("mMd");
                ck_assert_uint_eq(stats.hot - stats.hot_dropped, MAX_FILES);
        }
        ck_assert_int_ge(fds[0], 0);
}
END_TEST

START_TEST(not_for_ever) {
        int fd;

        fd = heat(0);
        run_for(TIME - USEC_PER_SEC);
        expect_calls("");
        run_for(2 * USEC_PER_SEC);
        expect_calls("m");
        ck_assert(!is_open(fd));
        ck_assert_uint_eq(hot_run(hot, now), USEC_INFINITY);
}
END_TEST

START_TEST(not_when_nobody_uses_the_file_system) {
        struct stat st;
        int fd;

        fd = heat(0);
        run_for(TIME / 4);
        idle_for(2 * USEC_PER_SEC);
        expect_calls("");
        ck_assert(is_open(fd));
        idle_for(2 * USEC_PER_SEC);
        expect_calls("m");
        ck_assert(!is_open(fd));
        /* It is worth it at its next open. */
        ck_assert_int_eq(stat(path_of(0), &st), 0);
        ck_assert(hot_seen(hot, &st));
}
END_TEST

START_TEST(not_with_new_signatures) {
        struct generation old = generation;
        int fd;

        fd = heat(0);
        (void)heat(1);
        if (_i == 0)
                memcpy(generation.id, "second", sizeof(generation.id));
        else
                no_generation = true;
        (void)hot_run(hot, now);
        expect_calls("mm");
        ck_assert(!is_open(fd));
        /* By the old ones, none; without any, none. */
        generation = _i == 0 ? old : generation;
        ck_assert_int_eq(keep(2), -EBADF);
}
END_TEST

START_TEST(not_when_fds_are_scarce) {
        int fd;

        fd = heat(0);
        paused = true;
        ck_assert_int_eq(keep(1), -EBADF);
        ck_assert(is_open(fd));
        stats.lost++;
        (void)hot_run(hot, now);
        expect_calls("m");
        ck_assert(!is_open(fd));
}
END_TEST

/* The last close of a deleted file waits for its file system: not here. */
START_TEST(deleted) {
        int fd;

        fd = heat(0);
        ck_assert_int_eq(unlink(path_of(0)), 0);
        run_for(6 * USEC_PER_SEC);
        expect_calls("mr");
        ck_assert(hot_busy(hot));
        ck_assert_int_eq(sqe.fd, fd);
        close_fd(fd);
        ring_op->done(ring_op, 0);
        ck_assert(!hot_busy(hot));
        hot_stop(hot);
        hot_free(hot);
}
END_TEST

START_TEST(changed) {
        (void)heat(0);
        ck_assert_int_eq(chmod(path_of(0), 0640), 0);
        run_for(6 * USEC_PER_SEC);
        expect_calls("m");
}
END_TEST

START_TEST(dropped_by_file_system) {
        struct stat st;

        (void)heat(0);
        (void)heat(1);
        ck_assert_int_ge(keep(2), 0);
        ck_assert_int_eq(stat(path_of(0), &st), 0);
        hot_drop_dev(hot, st.st_dev + 1);
        expect_calls("c");
        hot_drop_dev(hot, st.st_dev);
        expect_calls("mm");
        ck_assert_uint_eq(stats.hot_dropped, 2);
        (void)heat(0);
        hot_stop(hot);
        expect_calls("m");
        ck_assert_int_eq(keep(0), -EBADF);
        hot_free(hot);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("hot");
        TCase *tcase = tcase_create("hot");

        tcase_add_checked_fixture(tcase, begin, end);
        tcase_add_test(tcase, worth_it_the_second_time);
        tcase_add_test(tcase, none_when_switched_off);
        tcase_add_test(tcase, a_writer_waits_for_the_stamp);
        tcase_add_loop_test(tcase, a_lost_signal_is_made_up_for, 0, 2);
        tcase_add_test(tcase, a_signal_for_another_file);
        tcase_add_test(tcase, a_drop_finds_the_writer);
        tcase_add_test(tcase, a_writer_before_the_mark);
        tcase_add_test(tcase, not_without_its_mark);
        tcase_add_test(tcase, changed_before_the_mark);
        tcase_add_test(tcase, once_only);
        tcase_add_test(tcase, no_more_than_there_is_room_for);
        tcase_add_test(tcase, not_for_ever);
        tcase_add_test(tcase, not_when_nobody_uses_the_file_system);
        tcase_add_loop_test(tcase, not_with_new_signatures, 0, 2);
        tcase_add_test(tcase, not_when_fds_are_scarce);
        tcase_add_test(tcase, deleted);
        tcase_add_test(tcase, changed);
        tcase_add_test(tcase, dropped_by_file_system);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
