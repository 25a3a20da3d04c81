/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/hot.c relies on: an inode ignore mark silences readers, a read lease beside it stops
 * the writer whom the mark silences too, and when the mark is gone the lease says whether one has
 * passed. Must not own: leases by themselves (kernel-lease.c).
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "tests/system/kernel.h"

#define MASK FAN_OPEN_PERM

static int mark(int group, int fd, unsigned flags, uint64_t mask) {
        return value_of(fanotify_mark(group, flags | FAN_MARK_IGNORED_MASK, mask, fd, NULL));
}

static int lease(int fd, int type) {
        return value_of(fcntl(fd, F_SETLEASE, type));
}

/* A file with a lease and a mark, by the event fd alone. */
static int hot_file(int group, const char *path) {
        int fd = kept_event_fd(group, path);

        expect_equal(lease(fd, F_RDLCK), 0);
        expect_equal(mark(group, fd, FAN_MARK_ADD, MASK), 0);
        expect_equal(lease(fd, F_RDLCK), 0);
        return fd;
}

/* ---- Readers ---- */

static int map_and_read(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        volatile char *p;
        char c;

        expect_ok(fd);
        p = mmap(NULL, 10, PROT_READ, MAP_SHARED, fd, 0);
        expect(p != MAP_FAILED);
        (void)p[0];
        expect_ok(read(fd, &c, 1));
        return 0;
}

static void readers_are_silent(void) {
        int group, fd;

        make_file("file", 10);
        expect_ok(link("file", "link"));
        group = group_on_fs();
        fd = hot_file(group, "file");
        expect_equal(events_of(group, read_one, "file"), 0);
        expect_equal(events_of(group, read_one, "link"), 0);
        expect_equal(events_of(group, map_and_read, "file"), 0);
        expect_equal(mark(group, fd, FAN_MARK_REMOVE, MASK), 0);
        expect_equal(events_of(group, read_one, "file"), 1);
}

static void also_below_a_folder_mark(void) {
        int group = group_open();

        make_file("file", 10);
        add_mark(group, FAN_MARK_ONLYDIR, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, ".");
        (void)hot_file(group, "file");
        expect_equal(events_of(group, read_one, "file"), 0);
}

/* events_of(), for events that bring a range with them. */
static unsigned range_events(int group, const char *path) {
        struct client client = client_start(read_one, path);
        struct pollfd fds[] = {
                { .fd = group, .events = POLLIN },
                { .fd = client.sock, .events = POLLIN },
        };
        struct fanotify_event_metadata events[32];
        unsigned n = 0;

        for (;;) {
                expect(poll(fds, ELEMENTSOF(fds), PATIENCE_MSEC) > 0);
                if (fds[1].revents)
                        break;
                expect_ok(read(group, events, sizeof(events)));
                allow(group, events[0].fd); /* the client goes on, so there is but one */
                n++;
        }
        expect(client_result(&client) >= 0);
        return n;
}

/* For files whose reads are events. */
static void reads_can_be_silent(void) {
        uint64_t mask = FAN_OPEN_PERM | FAN_PRE_ACCESS;
        int group = group_open(), fd;

        make_file("file", 10);
        fd = (int)expect_ok(open("file", O_RDONLY | O_CLOEXEC));
        if (fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, ".") < 0)
                skip("no FAN_PRE_ACCESS here: %s", strerror(errno));
        expect(range_events(group, "file") > 1);
        expect_equal(mark(group, fd, FAN_MARK_ADD, mask), 0);
        expect_equal(range_events(group, "file"), 0);
        expect_equal(mark(group, fd, FAN_MARK_REMOVE, mask), 0);
        expect(range_events(group, "file") > 1);
}

/* ---- Writers ---- */

static void writer_is_silent_but_waits(void) {
        struct client writer, reader;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = hot_file(group, "file");
        writer = client_open("file", O_RDWR);
        expect_soon(fcntl(fd, F_GETLEASE) != F_RDLCK);
        expect(no_event(group));
        expect(client_waits(&writer));
        /* The mark is gone: readers are asked about, and the lease tells of the writer. */
        expect_equal(mark(group, fd, FAN_MARK_REMOVE, MASK), 0);
        expect_equal(lease(fd, F_RDLCK), -EAGAIN);
        reader = client_open("file", O_RDONLY);
        allow(group, next_event(group).fd);
        expect(client_result(&reader) >= 0);
        expect(client_waits(&writer));
        expect_equal(lease(fd, F_UNLCK), 0);
        expect(client_result(&writer) >= 0);
}

/* The next writer is seen, where nobody had passed. */
static void no_writer_passed(void) {
        struct client writer;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = hot_file(group, "file");
        expect_equal(mark(group, fd, FAN_MARK_REMOVE, MASK), 0);
        expect_equal(lease(fd, F_RDLCK), 0);
        writer = client_open("file", O_RDWR);
        allow(group, next_event(group).fd);
        close_fd(fd);
        expect(client_result(&writer) >= 0);
}

static int hold_mapping(const char *path) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        char *p;

        expect_ok(fd);
        p = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        expect(p != MAP_FAILED);
        close_fd(fd);
        client_tell(0);
        p[0] = 'y';
        return 0;
}

static void no_mark_while_somebody_writes(void) {
        struct client client;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        client = client_start(hold_mapping, "file");
        expect_equal(serve(group, &client, NULL), 0);
        expect_equal(lease(fd, F_RDLCK), -EAGAIN);
        expect_equal(mark(group, fd, FAN_MARK_ADD, MASK), 0); /* so it says */
        expect_equal(events_of(group, read_one, "file"), 1);
}

/* Why the mark does not do without the lease. */
static void stores_keep_the_mark(void) {
        struct client client;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = kept_event_fd(group, "file");
        expect_equal(mark(group, fd, FAN_MARK_ADD, MASK), 0);
        client = client_start(hold_mapping, "file");
        expect_equal(client_result(&client), 0);
        client_go(&client);
        expect_equal(client_result(&client), 0);
        client_end(&client);
        expect_equal(events_of(group, read_one, "file"), 0);
}

/* ---- What takes the mark without breaking the lease ---- */

static int truncate_by_reading(const char *path) {
        int fd = open(path, O_RDONLY | O_TRUNC | O_CLOEXEC);

        return fd < 0 ? -errno : 0;
}

static int change_mtime(const char *path) {
        const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };

        return value_of(utimensat(AT_FDCWD, path, times, 0));
}

static void mark_goes_lease_stays(void) {
        static int (*const changes[])(const char *path) = { truncate_by_reading, change_mtime };

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                struct stat before, after;
                char path[] = "file0";
                int group, fd;

                path[4] = (char)('0' + i);
                make_file(path, 10);
                group = group_on_fs();
                fd = hot_file(group, path);
                expect_ok(fstat(fd, &before));
                pause_msec(20);
                expect_equal(events_of(group, changes[i], path), 0);
                expect_equal(fcntl(fd, F_GETLEASE), F_RDLCK);
                expect_equal(events_of(group, read_one, path), 1);
                expect_ok(fstat(fd, &after));
                expect(memcmp(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim)) != 0);
                close_fd(group);
        }
}

/* ---- Signals ---- */

static int signals(void) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGIO);
        (void)sigaddset(&set, SIGRTMIN);
        expect_ok(sigprocmask(SIG_BLOCK, &set, NULL));
        return (int)expect_ok(signalfd(-1, &set, SFD_CLOEXEC));
}

static struct signalfd_siginfo signal_of_break(int sfd) {
        struct signalfd_siginfo info;
        struct client writer;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        fd = hot_file(group, "file");
        expect_ok(fcntl(fd, F_SETSIG, SIGRTMIN));
        writer = client_open("file", O_RDWR);
        expect_equal(read(sfd, &info, sizeof(info)), sizeof(info));
        if (info.ssi_signo == (uint32_t)SIGRTMIN)
                expect_equal(info.ssi_fd, fd);
        close_fd(fd);
        expect(client_result(&writer) >= 0);
        return info;
}

static void signal_names_the_fd(void) {
        expect_equal(signal_of_break(signals()).ssi_signo, SIGRTMIN);
}

static void full_queue_means_sigio(void) {
        const struct rlimit none = {};

        expect_ok(setrlimit(RLIMIT_SIGPENDING, &none));
        expect_equal(signal_of_break(signals()).ssi_signo, SIGIO);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "readers of a marked inode raise no event", readers_are_silent },
                { "nor below a folder that is marked", also_below_a_folder_mark },
                { "nor do their reads, with FAN_PRE_ACCESS", reads_can_be_silent },
                { "writer raises no event either, but waits for the lease",
                  writer_is_silent_but_waits },
                { "lease granted behind the mark: no writer has passed", no_writer_passed },
                { "mark added while somebody can write: returns 0, is not there",
                  no_mark_while_somebody_writes },
                { "stores through a mapping keep the mark", stores_keep_the_mark },
                { "O_RDONLY|O_TRUNC and utimensat take the mark, change the ctime, keep the lease",
                  mark_goes_lease_stays },
                { "F_SETSIG: the signal names the fd", signal_names_the_fd },
                { "no room for signals: SIGIO instead", full_queue_means_sigio },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
