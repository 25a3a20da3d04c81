/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/judge.c and stamper.c rely on: a read lease on an event fd says whether anybody can
 * write to the file, and keeps writers out until it is dropped. Must not own: stamps and times
 * (kernel-stamp.c).
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tests/system/kernel.h"

/* The three of daemon/stamper.c. */
static int lease_take(int fd) {
        return value_of(fcntl(fd, F_SETLEASE, F_RDLCK));
}

static bool lease_holds(int fd) {
        return fcntl(fd, F_GETLEASE) == F_RDLCK;
}

static void lease_drop(int fd) {
        expect_ok(fcntl(fd, F_SETLEASE, F_UNLCK));
}

/* ---- Taking ---- */

static void pending_opens(void) {
        static const struct {
                int flags, lease;
        } opens[] = {
                { O_RDONLY, 0 },
                { O_WRONLY, -EAGAIN },
                { O_RDWR, -EAGAIN },
                { O_WRONLY | O_APPEND, -EAGAIN },
                { O_WRONLY | O_TRUNC, -EAGAIN },
                { O_RDWR | O_NONBLOCK, -EAGAIN },
                { O_RDONLY | O_NONBLOCK, 0 },
        };
        int group;

        make_file("file", 10);
        group = group_on_fs();
        for (size_t i = 0; i < ELEMENTSOF(opens); i++) {
                struct client client = client_open("file", opens[i].flags);
                int fd = next_event(group).fd;

                expect_equal(lease_take(fd), opens[i].lease);
                expect(lease_holds(fd) == (opens[i].lease == 0));
                allow(group, fd);
                expect(client_result(&client) >= 0);
                client_end(&client);
        }
}

/* A reader may ask for truncation: it is no writer to the lease, and breaks none. What it leaves
 * behind has another size than what was judged. */
static void reader_that_truncates(void) {
        struct client client;
        struct stat st;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        client = client_open("file", O_RDONLY | O_TRUNC);
        fd = next_event(group).fd;
        expect_equal(lease_take(fd), 0);
        expect_equal(answer(group, fd, FAN_ALLOW), 0);
        expect(client_result(&client) >= 0);
        expect_ok(fstat(fd, &st));
        expect_equal(st.st_size, 0);
        note("after open(O_RDONLY|O_TRUNC) the lease %s", lease_holds(fd) ? "holds" : "is broken");
}

static int write_in_steps(const char *path) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        char *p;

        expect_ok(fd);
        client_tell(0); /* open */
        p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        expect(p != MAP_FAILED);
        close_fd(fd);
        client_tell(0); /* only a mapping is left */
        p[100] = 'y';
        client_tell(0); /* dirty */
        expect_ok(munmap(p, 8192));
        return 0;
}

static int map_privately(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *p;

        expect_ok(fd);
        p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        expect(p != MAP_FAILED);
        p[100] = 'y';
        return 0;
}

static void writers_elsewhere(void) {
        static const int leases[] = { -EAGAIN, -EAGAIN, -EAGAIN, 0 };
        struct client client;
        int group, fd;

        make_file("file", 8192);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        client = client_start(write_in_steps, "file");
        for (size_t i = 0; i < ELEMENTSOF(leases); i++) {
                expect_equal(serve(group, &client, NULL), 0);
                expect_equal(lease_take(fd), leases[i]);
                client_go(&client);
        }
        lease_drop(fd);
        client = client_start(map_privately, "file");
        expect_equal(serve(group, &client, NULL), 0);
        expect_equal(lease_take(fd), 0);
}

static void readers_share(void) {
        int group, first, second;

        make_file("file", 10);
        group = group_on_fs();
        first = kept_event_fd(group, "file");
        second = kept_event_fd(group, "file");
        expect_equal(lease_take(first), 0);
        expect_equal(lease_take(second), 0);
        expect_equal(lease_take(second), 0);
        lease_drop(second);
        expect(lease_holds(first) && !lease_holds(second));
}

static void only_regular_files(void) {
        int fd;

        expect_ok(mkfifo("fifo", 0644));
        fd = (int)expect_ok(open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        expect_equal(lease_take(fd), -EINVAL);
}

static void needs_the_capability(void) {
        int fd, status;
        pid_t pid;

        make_file("file", 10);
        fd = (int)expect_ok(open("file", O_RDONLY | O_CLOEXEC));
        pid = fork();
        expect_ok(pid);
        if (pid == 0) {
                expect_ok(setresuid(65534, 65534, 65534));
                expect_equal(lease_take(fd), -EACCES);
                _exit(0);
        }
        expect_equal(waitpid(pid, &status, 0), pid);
        expect_equal(status, 0);
}

/* ---- Breaking ---- */

static void writer_waits_for_the_lease(void) {
        struct client writer, reader;
        int group, fd, theirs, third;

        make_file("file", 10);
        group = group_on_fs();
        third = kept_event_fd(group, "file");
        fd = kept_event_fd(group, "file");
        expect_equal(lease_take(fd), 0);
        writer = client_open("file", O_RDWR);
        theirs = next_event(group).fd;
        /* First its answer, then the lease; who asks on the writer's own event fd gets none. */
        expect(lease_holds(fd));
        expect_equal(lease_take(theirs), -EAGAIN);
        allow(group, theirs);
        expect_soon(!lease_holds(fd));
        expect_equal(fcntl(fd, F_GETLEASE), F_UNLCK);
        expect(client_waits(&writer));
        expect_equal(lease_take(third), -EAGAIN);
        reader = client_open("file", O_RDONLY);
        expect(serve(group, &reader, NULL) >= 0);
        expect(client_waits(&writer));
        lease_drop(fd);
        expect(client_result(&writer) >= 0);
}

static int truncate_it(const char *path) {
        return value_of(truncate(path, 5));
}

static void truncation_waits_for_the_lease(void) {
        struct client client;
        struct stat st;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        expect_equal(lease_take(fd), 0);
        client = client_start(truncate_it, "file");
        expect_soon(!lease_holds(fd));
        expect(client_waits(&client));
        expect_ok(fstat(fd, &st));
        expect_equal(st.st_size, 10);
        lease_drop(fd);
        expect_equal(client_result(&client), 0);
        expect(no_event(group));
}

static void nonblocking_writer_is_refused(void) {
        struct client client;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        expect_equal(lease_take(fd), 0);
        client = client_open("file", O_RDWR | O_NONBLOCK);
        expect_equal(serve(group, &client, NULL), -EWOULDBLOCK);
        expect(!lease_holds(fd));
}

static int change_all_but_content(const char *path) {
        const struct timespec times[] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char c;

        expect_ok(fd);
        expect_ok(read(fd, &c, 1));
        expect_ok(chmod(path, 0640));
        expect_ok(chown(path, 1, 1));
        expect_ok(utimensat(AT_FDCWD, path, times, 0));
        expect_ok(link(path, "link"));
        expect_ok(rename("link", "renamed"));
        expect_ok(unlink("renamed"));
        expect_ok(setxattr(path, "trusted.test", "x", 1, 0));
        return 0;
}

static void only_writers_break_it(void) {
        struct client client;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        expect_equal(lease_take(fd), 0);
        client = client_start(change_all_but_content, "file");
        expect_equal(serve(group, &client, NULL), 0);
        expect(lease_holds(fd));
}

static void ends_with_the_last_close(void) {
        struct client writer;
        int group, fd, copy;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        copy = (int)expect_ok(fcntl(fd, F_DUPFD_CLOEXEC, 0));
        expect_equal(lease_take(fd), 0);
        close_fd(fd);
        expect(lease_holds(copy));
        writer = client_open("file", O_WRONLY);
        allow(group, next_event(group).fd);
        expect(client_waits(&writer));
        close_fd(copy);
        expect(client_result(&writer) >= 0);
}

static int die_of_sigio(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        expect_ok(fd);
        (void)signal(SIGIO, SIG_DFL);
        expect_equal(lease_take(fd), 0);
        return 0;
}

/* Why the daemon ignores SIGIO. */
static void break_raises_sigio(void) {
        struct client holder, writer;
        int status;

        make_file("file", 10);
        holder = client_start(die_of_sigio, "file");
        expect_equal(client_result(&holder), 0);
        writer = client_open("file", O_WRONLY);
        expect_equal(waitpid(holder.pid, &status, 0), holder.pid);
        expect(WIFSIGNALED(status));
        expect_equal(WTERMSIG(status), SIGIO);
        expect(client_result(&writer) >= 0);
}

/* ---- Where it says too much ---- */

/* On overlayfs the mapping's file is that of the layer below, so the lease does not see it: no
 * stamp can be trusted there, nor can a scan be shared. */
static void overlay_hides_mappings(void) {
        const char *options = "lowerdir=lower,upperdir=upper,workdir=work";
        struct client client;
        int fd, r;

        expect_ok(mkdir("lower", 0755));
        expect_ok(mkdir("upper", 0755));
        expect_ok(mkdir("work", 0755));
        expect_ok(mkdir("merged", 0755));
        if (mount("none", "merged", "overlay", 0, options) < 0)
                skip("no overlayfs on this file system: %s", strerror(errno));
        make_file("merged/file", 8192);
        client = client_start(write_in_steps, "merged/file");
        expect_equal(client_result(&client), 0);
        fd = (int)expect_ok(open("merged/file", O_RDONLY | O_CLOEXEC));
        expect_equal(lease_take(fd), -EAGAIN);
        client_go(&client);
        expect_equal(client_result(&client), 0);
        r = lease_take(fd);
        note("overlayfs, lease with a shared mapping of a closed file: %d", r);
        expect(r == 0 || r == -EAGAIN);
        if (r < 0)
                return;
        client_go(&client);
        expect_equal(client_result(&client), 0);
        expect(lease_holds(fd)); /* although it has written */
}

static void expect_no_device(const char *path) {
        struct stat st;

        expect_ok(stat(path, &st));
        expect_equal((int)major(st.st_dev), 0);
}

/* So a file of a block device's file system is not one that an overlayfs shows. */
static void overlay_is_of_no_device(void) {
        expect_ok(mkdir("lower", 0755));
        expect_ok(mkdir("other", 0755));
        expect_ok(mkdir("upper", 0755));
        expect_ok(mkdir("work", 0755));
        expect_ok(mkdir("merged", 0755));
        expect_ok(mount("none", "other", "tmpfs", 0, NULL));
        make_file("lower/file", 1);
        make_file("other/file", 1);
        for (unsigned i = 0; i < 2; i++) {
                if (mount("none", "merged", "overlay", 0,
                          i == 0 ? "lowerdir=lower,upperdir=upper,workdir=work"
                                 : "lowerdir=other:lower,upperdir=upper,workdir=work") < 0)
                        skip("no overlayfs on this file system: %s", strerror(errno));
                make_file("merged/new", 1);
                expect_no_device("merged/file");
                expect_no_device("merged/new");
                expect_ok(umount("merged"));
        }
        expect_ok(umount("other"));
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "pending open: lease only if it is for reading", pending_opens },
                { "pending O_RDONLY|O_TRUNC counts as a reader", reader_that_truncates },
                { "no lease while a writer or a shared writable mapping is there",
                  writers_elsewhere },
                { "event fds of one file hold leases side by side", readers_share },
                { "leases are for regular files", only_regular_files },
                { "leases on other users' files need CAP_LEASE", needs_the_capability },
                { "writer: answer first, then the lease, then its open",
                  writer_waits_for_the_lease },
                { "truncate(2) raises no event and waits for the lease",
                  truncation_waits_for_the_lease },
                { "non-blocking writer gets EWOULDBLOCK and breaks the lease",
                  nonblocking_writer_is_refused },
                { "reading, renaming, linking, chmod and xattrs break no lease",
                  only_writers_break_it },
                { "lease ends with the last close of the event fd", ends_with_the_last_close },
                { "lease break raises SIGIO", break_raises_sigio },
                { "overlayfs grants leases in spite of mappings", overlay_hides_mappings },
                { "files of an overlayfs are of no block device", overlay_is_of_no_device },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
