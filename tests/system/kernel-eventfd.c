/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/gate.c, pool.c and judge.c rely on: what an event fd is, and that its use is seen by
 * nobody. Must not own: answers (kernel-answers.c), leases and stamps.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/system/kernel.h"

static void *open_in_thread(void *path) {
        close_fd(open(path, O_RDONLY | O_CLOEXEC));
        return NULL;
}

static void own_opens_raise_events(void) {
        struct fanotify_event_metadata event;
        char link[] = "/proc/self/fd/1234567890";
        pthread_t thread;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        for (unsigned i = 0; i < 2; i++) {
                expect_equal(pthread_create(&thread, NULL, open_in_thread,
                                            i == 0 ? (char[]){ "file" } : link),
                             0);
                event = next_event(group);
                expect_equal(event.pid, getpid());
                allow(group, event.fd);
                expect_equal(pthread_join(thread, NULL), 0);
        }
}

static void own_reads_raise_nothing(void) {
        struct io_uring ring;
        char buffer[100];
        volatile char *p;
        int group, fd;
        pid_t pid;

        make_file("file", 100000);
        group = group_open();
        add_mark(group, FAN_MARK_FILESYSTEM,
                 FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_ACCESS | FAN_CLOSE_NOWRITE, ".");
        fd = kept_event_fd(group, "file");
        while (!no_event(group)) /* the client's close */
                close_fd(next_event(group).fd);

        expect_equal(value_of(pread(fd, buffer, sizeof(buffer), 0)), sizeof(buffer));
        p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, fd, 0);
        expect(p != MAP_FAILED && p[40000] == 'x');
        ring_open(&ring);
        io_uring_prep_read(io_uring_get_sqe(&ring), fd, buffer, sizeof(buffer), 8192);
        expect_equal(ring_result(&ring, PATIENCE_MSEC), sizeof(buffer));
        /* As a worker does that got the fd. */
        pid = fork();
        expect_ok(pid);
        if (pid == 0)
                _exit(pread(fd, buffer, sizeof(buffer), 50000) == sizeof(buffer) ? 0 : 1);
        expect(no_event(group));
        expect_equal(waitpid(pid, NULL, 0), pid);
        (void)munmap((void *)(uintptr_t)p, 65536);
        close_fd(fd);
        expect(no_event(group));
}

static void fifo_never_blocks_the_reader(void) {
        struct client client;
        bool raised;
        int group;

        expect_ok(mkfifo("fifo", 0644));
        group = group_on_fs();
        client = client_open("fifo", O_RDWR);
        raised = !no_event(group);
        note("opening a FIFO %s", raised ? "raises an event" : "raises none");
        if (raised) {
                struct fanotify_event_metadata event = next_event(group);

                expect(fcntl(event.fd, F_GETFL) & O_NONBLOCK);
                allow(group, event.fd);
        }
        expect(client_result(&client) >= 0);
        client_end(&client);

        client = client_open("fifo", O_WRONLY | O_NONBLOCK);
        if (!raised) {
                expect_equal(client_result(&client), -ENXIO);
                return;
        }
        /* The event fd is a reader of the FIFO while it is open. */
        expect_equal(answer(group, next_event(group).fd, FAN_ALLOW), 0);
        note("a FIFO's writer without a reader, by the listener's side effect: %s",
             client_result(&client) >= 0 ? "opens it" : "ENXIO");
}

static void set_old_atime(const char *path) {
        const struct timespec times[] = { { .tv_sec = 1 }, { .tv_nsec = UTIME_NOW } };

        expect_ok(utimensat(AT_FDCWD, path, times, 0));
}

static void event_fd_keeps_atime(void) {
        _cleanup_close_ int ordinary = -EBADF;
        char buffer[10];
        struct stat st;
        int group, fd;

        make_file("file", 100);
        set_old_atime("file");
        ordinary = open("file", O_RDONLY | O_CLOEXEC);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        expect_equal(value_of(read(fd, buffer, sizeof(buffer))), sizeof(buffer));
        expect_ok(fstat(fd, &st));
        expect_equal(st.st_atim.tv_sec, 1);
        expect_equal(value_of(read(ordinary, buffer, sizeof(buffer))), sizeof(buffer));
        expect_ok(fstat(fd, &st));
        if (st.st_atim.tv_sec == 1)
                skip("mounted noatime");
}

static void flags_of_the_event_fd(void) {
        char buffer[4096];
        struct io_uring ring;
        int group, fd;

        make_file("file", 1 << 20);
        group = group_open();
        add_mark(group, FAN_MARK_FILESYSTEM, FAN_OPEN_PERM | FAN_ACCESS_PERM, ".");
        fd = kept_event_fd(group, "file");
        expect_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_NOATIME),
                     O_RDONLY | O_NONBLOCK | O_NOATIME);
        expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);

        ring_open(&ring);
        expect_ok(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
        io_uring_prep_read(io_uring_get_sqe(&ring), fd, buffer, sizeof(buffer), 700000);
        note("ring READ of an O_NONBLOCK event fd, not cached: %d",
             ring_result(&ring, PATIENCE_MSEC));

        expect_ok(fcntl(fd, F_SETFL, O_NOATIME | O_LARGEFILE));
        expect_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_NOATIME), O_NOATIME);
        expect_ok(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
        io_uring_prep_read(io_uring_get_sqe(&ring), fd, buffer, sizeof(buffer), 700000);
        expect_equal(ring_result(&ring, PATIENCE_MSEC), sizeof(buffer));
        expect_equal(value_of(pread(fd, buffer, sizeof(buffer), 0)), sizeof(buffer));
        expect(no_event(group));
}

/* How gate.c finds out whether there are range events. */
static void probe_of_range_events(void) {
        int group = group_open(), probe, real;

        probe = value_of(fanotify_mark(group, FAN_MARK_ADD, FAN_PRE_ACCESS, -1, NULL));
        real = value_of(fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_PRE_ACCESS,
                                      AT_FDCWD, "."));
        note("PRE_ACCESS: probe %d, mark %d", probe, real);
        expect(probe == -EBADF ? real == 0 || real == -EOPNOTSUPP
                               : probe == -EINVAL && real == -EINVAL);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "own opens raise events under the own pid", own_opens_raise_events },
                { "reads through the event fd raise nothing", own_reads_raise_nothing },
                { "FIFO never blocks the listener's read", fifo_never_blocks_the_reader },
                { "reading the event fd keeps atime", event_fd_keeps_atime },
                { "F_SETFL clears O_NONBLOCK, keeps O_NOATIME and silence", flags_of_the_event_fd },
                { "probe of range events tells the truth", probe_of_range_events },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
