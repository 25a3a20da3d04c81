/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/stamper.c relies on: a stamp can be written through an event fd, by nobody else but
 * root, and without waiting for a file system that stands still. Must not own: who may write
 * meanwhile (kernel-lease.c), change times (kernel-ctime.c).
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "store/stamp.h"
#include "tests/system/kernel.h"

#define TEXT "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3g"

static int write_stamp(int fd) {
        return value_of(fsetxattr(fd, STAMP_XATTR, TEXT, strlen(TEXT), 0));
}

static void through_the_event_fd(void) {
        char text[STAMP_SIZE_MAX + 1];
        struct client client;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        client = client_open("file", O_RDONLY);
        fd = next_event(group).fd;
        expect_equal(write_stamp(fd), 0);
        expect_equal(answer(group, fd, FAN_ALLOW), 0);
        expect(client_result(&client) >= 0);
        client_end(&client);
        expect_equal(write_stamp(fd), 0);
        expect_equal(value_of(fgetxattr(fd, STAMP_XATTR, text, sizeof(text))), strlen(TEXT));
        expect(no_event(group));
}

static void through_a_read_only_mount(void) {
        struct client client;
        int group, fd;

        make_file("file", 10);
        expect_ok(mkdir("mount", 0755));
        expect_ok(mount(".", "mount", NULL, MS_BIND, NULL));
        expect_ok(mount(NULL, "mount", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
        group = group_on_fs();
        client = client_open("mount/file", O_RDONLY);
        fd = next_event(group).fd;
        expect_equal(write_stamp(fd), -EROFS);
        expect_equal(value_of(fcntl(fd, F_SETLEASE, F_RDLCK)), 0);
        allow(group, fd);
        expect(client_result(&client) >= 0);
}

static int forge(const char *path) {
        int r;

        expect_ok(setresuid(65534, 65534, 65534));
        r = value_of(setxattr(path, STAMP_XATTR, TEXT, strlen(TEXT), 0));
        if (r != -EPERM || unshare(CLONE_NEWUSER) < 0)
                return r;
        /* Root of its own user namespace. */
        return value_of(setxattr(path, STAMP_XATTR, TEXT, strlen(TEXT), 0));
}

static void owners_cannot_forge(void) {
        struct client client;

        make_file("file", 10);
        expect_ok(chown("file", 65534, 65534));
        expect_ok(chmod(".", 0755));
        client = client_start(forge, "file");
        expect_equal(client_result(&client), -EPERM);
}

/* A process that thaws the file system when this one is gone, however it ends. */
static int start_thawer(int folder) {
        int ends[2];
        pid_t pid;
        char c;

        expect_ok(pipe2(ends, O_CLOEXEC));
        pid = fork();
        expect_ok(pid);
        if (pid == 0) {
                (void)setpgid(0, 0);
                close_fd(ends[1]);
                (void)!read(ends[0], &c, 1);
                (void)ioctl(folder, FITHAW, 0);
                _exit(0);
        }
        close_fd(ends[0]);
        return ends[1];
}

static void frozen_file_system_does_not_stop_the_ring(void) {
        struct client client;
        struct io_uring ring;
        int folder, group, fd;
        char text[8];

        make_file("file", 10);
        folder = (int)expect_ok(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        ring_open(&ring);
        (void)start_thawer(folder);
        if (ioctl(folder, FIFREEZE, 0) < 0)
                skip("this file system can't be frozen: %s", strerror(errno));
        io_uring_prep_fsetxattr(io_uring_get_sqe(&ring), fd, STAMP_XATTR, TEXT, 0, strlen(TEXT));
        expect_equal(ring_result(&ring, QUIET_MSEC), -ETIME);

        /* All that the gate does before it answers goes on. */
        client = client_open("file", O_RDONLY);
        fd = next_event(group).fd;
        expect_equal(value_of(fgetxattr(fd, STAMP_XATTR, text, sizeof(text))), -ENODATA);
        expect_ok(fcntl(fd, F_SETLEASE, F_RDLCK));
        allow(group, fd);
        expect(client_result(&client) >= 0);
        expect_equal(ring_result(&ring, QUIET_MSEC), -ETIME);
        expect_ok(ioctl(folder, FITHAW, 0));
        expect_equal(ring_result(&ring, PATIENCE_MSEC), 0);
}

static int stamp_in_flight(const char *path) {
        static struct io_uring ring;
        int fd;

        add_mark(group_open(), FAN_MARK_FILESYSTEM, FAN_OPEN_PERM, "mount");
        fd = (int)expect_ok(open(path, O_RDONLY | O_CLOEXEC));
        ring_open(&ring);
        io_uring_prep_fsetxattr(io_uring_get_sqe(&ring), fd, STAMP_XATTR, TEXT, 0, strlen(TEXT));
        expect_equal(ring_result(&ring, QUIET_MSEC), -ETIME);
        return 0;
}

/* What io_uring's threads do in a frozen file system can't be interrupted, and a killed process
 * keeps its fds until they are through: nobody opens anything in any store until the thaw. */
static void killed_listener_and_a_frozen_file_system(void) {
        struct client listener, client;
        int folder;

        make_file("file", 10);
        expect_ok(mkdir("mount", 0755));
        expect_ok(mount("none", "mount", "tmpfs", 0, NULL));
        make_file("mount/file", 10);
        folder = (int)expect_ok(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        (void)start_thawer(folder);
        if (ioctl(folder, FIFREEZE, 0) < 0)
                skip("this file system can't be frozen: %s", strerror(errno));
        listener = client_start(stamp_in_flight, "file");
        expect_equal(client_result(&listener), 0);
        client = client_open("mount/file", O_RDONLY);
        expect(client_waits(&client));
        expect_ok(kill(listener.pid, SIGKILL));
        note("listener killed with a stamp in a frozen file system: clients elsewhere %s",
             client_waits(&client) ? "wait for the thaw" : "go on");
        expect_ok(ioctl(folder, FITHAW, 0));
        expect(client_result(&client) >= 0);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "stamp through the event fd, before and after the answer", through_the_event_fd },
                { "stamp through a read-only mount is refused, a lease is not",
                  through_a_read_only_mount },
                { "stamp can't be forged by the file's owner", owners_cannot_forge },
                { "frozen file system stops neither ring nor answers",
                  frozen_file_system_does_not_stop_the_ring },
                { "killed listener lets clients go, a frozen file system's thaw provided",
                  killed_listener_and_a_frozen_file_system },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
