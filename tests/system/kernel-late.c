/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What storescand has to live with (storescan-security(7)): a direct read into a shared mapping goes on when
 * the mapping and every fd of its file are gone, and what it brings then changes the file unseen. When
 * that is is said by who serves the file that is read, with FUSE anybody. Must not own: ways that
 * storescand is told of (kernel-ctime.c, kernel-lease.c).
 */

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/system/kernel.h"

#define SIZE ((size_t)8192)

static struct {
        int fuse;
        int arrived, release; /* eventfds: the read has come; it may be answered */
} server = { -EBADF, -EBADF, -EBADF };

static void reply(uint64_t unique, int error, const void *data, size_t size) {
        char message[sizeof(struct fuse_out_header) + SIZE];
        const struct fuse_out_header head = {
                .len = (uint32_t)(sizeof(head) + size),
                .error = error,
                .unique = unique,
        };

        memcpy(message, &head, sizeof(head));
        if (size > 0)
                memcpy(message + sizeof(head), data, size);
        (void)!write(server.fuse, message, head.len);
}

static struct fuse_attr attributes(uint64_t ino) {
        return (struct fuse_attr){
                .ino = ino,
                .mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
                .nlink = 1,
                .size = ino == FUSE_ROOT_ID ? 0 : SIZE,
        };
}

static void answer_fuse(const struct fuse_in_header *head) {
        const struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
                                            .minor = 31,
                                            .max_write = 65536 };
        const struct fuse_entry_out entry = { .nodeid = 2, .attr = attributes(2) };
        const struct fuse_attr_out attr = { .attr = attributes(head->nodeid) };
        const struct fuse_open_out open = { .open_flags = FOPEN_DIRECT_IO };
        char content[SIZE];
        eventfd_t n;

        switch (head->opcode) {
        case FUSE_INIT: reply(head->unique, 0, &init, sizeof(init)); break;
        case FUSE_LOOKUP: reply(head->unique, 0, &entry, sizeof(entry)); break;
        case FUSE_GETATTR: reply(head->unique, 0, &attr, sizeof(attr)); break;
        case FUSE_OPEN: reply(head->unique, 0, &open, sizeof(open)); break;
        case FUSE_READ:
                memset(content, 'y', sizeof(content));
                (void)eventfd_write(server.arrived, 1);
                (void)eventfd_read(server.release, &n);
                reply(head->unique, 0, content, sizeof(content));
                break;
        default: reply(head->unique, -ENOSYS, NULL, 0);
        }
}

/* A process of its own, which ends behind the test: its end has whatever waits for it go on. */
static _Noreturn void serve_fuse(void) {
        static char buf[1 << 20];

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (read(server.fuse, buf, sizeof(buf)) > 0)
                answer_fuse((const void *)buf);
        _exit(0);
}

struct reading {
        int source;
        char *map;
        ssize_t n;
};

static void *read_into_map(void *userdata) {
        struct reading *reading = userdata;

        reading->n = read(reading->source, reading->map, SIZE);
        return NULL;
}

static void late_read_changes_unseen(void) {
        pthread_t other;
        struct reading reading;
        pid_t served_by;
        struct stat before, now;
        int file, fd, group;
        char options[64];
        char c = 'x';
        eventfd_t n;

        server.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (server.fuse < 0)
                skip("no FUSE");
        make_file("file", SIZE);
        expect_ok(mkdir("served", 0755));
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0",
                 server.fuse);
        expect_ok(mount("served", "served", "fuse", MS_NOSUID | MS_NODEV, options));
        server.arrived = (int)expect_ok(eventfd(0, EFD_CLOEXEC));
        server.release = (int)expect_ok(eventfd(0, EFD_CLOEXEC));
        served_by = (pid_t)expect_ok(fork());
        if (served_by == 0)
                serve_fuse();
        server.fuse = close_fd(server.fuse);

        fd = (int)expect_ok(open("file", O_RDWR | O_CLOEXEC));
        reading.map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        expect(reading.map != MAP_FAILED);
        reading.source = (int)expect_ok(open("served/file", O_RDONLY | O_CLOEXEC));
        expect_equal(pthread_create(&other, NULL, read_into_map, &reading), 0);
        expect_ok(eventfd_read(server.arrived, &n));
        expect_ok(munmap(reading.map, SIZE));
        close_fd(fd);

        file = (int)expect_ok(open("file", O_RDONLY | O_CLOEXEC));
        expect_ok(fcntl(file, F_SETLEASE, F_RDLCK));
        expect_ok(fsync(file));
        expect_ok(fstat(file, &before));
        group = group_on_fs();
        expect_ok(eventfd_write(server.release, 1));
        expect_equal(pthread_join(other, NULL), 0);
        expect_equal(reading.n, SIZE);

        expect_ok(fstat(file, &now));
        expect_equal(fcntl(file, F_GETLEASE), F_RDLCK);
        expect(no_event(group));
        expect_equal(now.st_ctim.tv_sec, before.st_ctim.tv_sec);
        expect_equal(now.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
        expect_equal(pread(file, &c, 1, 100), 1);
        expect(c == 'y');
        close_fd(reading.source);
        expect_ok(umount2("served", MNT_DETACH));
        expect_ok(kill(served_by, SIGKILL));
        expect_equal(waitpid(served_by, NULL, 0), served_by);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "a direct read into a mapping that is gone changes the file unseen",
                  late_read_changes_unseen },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
