/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the processes of tests and clients, their time limits, the working directories. Must not
 * own: any statement about what the kernel does.
 *
 * A client that waits in open(2) can be killed, and a listener's death lets everybody pass, so a
 * test that goes wrong leaves nothing behind.
 */

#include "tests/system/kernel.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define TEST_MSEC 60000
#define CLIENT_FD 3

enum { STATUS_HELD = 0, STATUS_FAILED = 1, STATUS_SKIPPED = 77 };

/* Why a test ended; shared between it and the parent. */
static char *reason;
#define REASON_SIZE 512

static char dir[PATH_MAX];

/* ---- Tests ---- */

static void set_reason(const char *format, va_list args) {
        (void)vsnprintf(reason, REASON_SIZE, format, args);
}

void skip(const char *format, ...) {
        va_list args;

        va_start(args, format);
        set_reason(format, args);
        va_end(args);
        _exit(STATUS_SKIPPED);
}

void note(const char *format, ...) {
        va_list args;

        va_start(args, format);
        printf("# ");
        vprintf(format, args);
        printf("\n");
        fflush(stdout);
        va_end(args);
}

void kernel_fail(const char *file, int line, const char *format, ...) {
        const char *slash = strrchr(file, '/');
        char text[REASON_SIZE - 64];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        /* A client's failure makes the test's: the first is the one to tell. */
        if (reason[0] == '\0')
                snprintf(reason, REASON_SIZE, "%.40s:%d: %s", slash ? slash + 1 : file, line, text);
        _exit(STATUS_FAILED);
}

void pause_msec(unsigned msec) {
        (void)poll(NULL, 0, (int)msec);
}

const char *test_dir(void) {
        return dir;
}

uint64_t test_fs(void) {
        struct statfs sfs;

        expect_ok(statfs(".", &sfs));
        return (uint64_t)sfs.f_type;
}

void make_file(const char *path, size_t size) {
        _cleanup_free_ char *content = malloc(size + 1);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        expect_ok(fd);
        expect(content);
        memset(content, 'x', size);
        expect_equal(write(fd, content, size), size);
        expect_ok(fsync(fd));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)remove(path);
        return 0;
}

static _Noreturn void run_test(const struct kernel_test *test) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* As in the gate: a lease that breaks raises SIGIO, whose default is the end. */
        (void)signal(SIGIO, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);
        expect_ok(unshare(CLONE_NEWNS));
        expect_ok(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
        expect_ok(chdir(dir));
        test->run();
        _exit(STATUS_HELD);
}

/* Its exit status, or -1 for any other end. */
static int wait_for_test(pid_t pid) {
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
        int status;

        if (poll(&poll_fd, 1, TEST_MSEC) == 0)
                snprintf(reason, REASON_SIZE, "hangs");
        (void)kill(-pid, SIGKILL);
        (void)kill(pid, SIGKILL);
        if (waitpid(pid, &status, 0) < 0)
                return -1;
        if (WIFSIGNALED(status) && reason[0] == '\0')
                snprintf(reason, REASON_SIZE, "killed by signal %d", WTERMSIG(status));
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Whether the test held or was skipped. */
static bool try_test(const struct kernel_test *test, size_t number, const char *parent) {
        pid_t pid;
        int status;

        reason[0] = '\0';
        snprintf(dir, sizeof(dir), "%s/kernel.XXXXXX", parent);
        if (!mkdtemp(dir)) {
                printf("not ok %zu - %s\n# mkdtemp: %s\n", number, test->name, strerror(errno));
                return false;
        }
        fflush(stdout);
        pid = fork();
        if (pid == 0)
                run_test(test);
        status = pid > 0 ? wait_for_test(pid) : -1;
        (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

        if (status == STATUS_SKIPPED)
                printf("ok %zu - %s # SKIP %s\n", number, test->name, reason);
        else if (status == STATUS_HELD)
                printf("ok %zu - %s\n", number, test->name);
        else
                printf("not ok %zu - %s\n# %s\n", number, test->name, reason);
        return status == STATUS_HELD || status == STATUS_SKIPPED;
}

int kernel_main(int argc, char *argv[], const struct kernel_test *tests, size_t n_tests) {
        char parent[PATH_MAX - 32];
        _cleanup_free_ char *real = NULL;
        struct stat st, root;
        struct utsname u;
        bool held = true;

        if (argc < 2 || !(real = realpath(argv[1], NULL)) || strlen(real) >= sizeof(parent) ||
            stat(real, &st) < 0 || stat("/", &root) < 0) {
                fprintf(stderr, "usage: %s FOLDER [TEST]\n", argv[0]);
                return 2;
        }
        if (st.st_dev == root.st_dev) {
                fprintf(stderr,
                        "%s: is on the root file system, which these tests would bring to a "
                        "halt; name a folder on another one.\n",
                        real);
                return 2;
        }
        strcpy(parent, real);
        reason = mmap(NULL, REASON_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (reason == MAP_FAILED || uname(&u) < 0)
                return 2;

        printf("# %s, Linux %s\n1..%zu\n", real, u.release, n_tests);
        for (size_t i = 0; i < n_tests; i++)
                if (argc < 3 || streq(argv[2], tests[i].name))
                        held &= try_test(&tests[i], i + 1, parent);
        return held ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Clients ---- */

void client_tell(int result) {
        char go;

        if (send(CLIENT_FD, &result, sizeof(result), MSG_NOSIGNAL) != sizeof(result) ||
            recv(CLIENT_FD, &go, 1, 0) != 1)
                _exit(0);
}

static _Noreturn void client_run(int sock, int (*fn)(const char *path), const char *path) {
        int result;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sock != CLIENT_FD && dup2(sock, CLIENT_FD) < 0)
                _exit(1);
        (void)close_range(CLIENT_FD + 1, ~0U, 0);
        result = fn(path);
        client_tell(result);
        _exit(0);
}

struct client client_start(int (*fn)(const char *path), const char *path) {
        struct client client = {};
        int pair[2];

        expect_ok(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
        client.pid = fork();
        expect_ok(client.pid);
        if (client.pid == 0)
                client_run(pair[1], fn, path);
        close_fd(pair[1]);
        client.sock = pair[0];
        return client;
}

static int client_flags;

static int open_one(const char *path) {
        return value_of(open(path, client_flags, 0644));
}

struct client client_open(const char *path, int flags) {
        client_flags = flags;
        return client_start(open_one, path);
}

int client_result(struct client *client) {
        struct pollfd poll_fd = { .fd = client->sock, .events = POLLIN };
        int result;

        expect_equal(poll(&poll_fd, 1, PATIENCE_MSEC), 1);
        expect_equal(recv(client->sock, &result, sizeof(result), 0), sizeof(result));
        return result;
}

bool client_waits(struct client *client) {
        struct pollfd poll_fd = { .fd = client->sock, .events = POLLIN };

        return poll(&poll_fd, 1, QUIET_MSEC) == 0;
}

void client_go(struct client *client) {
        expect_equal(send(client->sock, "", 1, MSG_NOSIGNAL), 1);
}

void client_end(struct client *client) {
        (void)kill(client->pid, SIGKILL);
        expect_equal(waitpid(client->pid, NULL, 0), client->pid);
        client->sock = close_fd(client->sock);
}

/* ---- Listening ---- */

int group_open(void) {
        static const unsigned classes[] = { FAN_CLASS_PRE_CONTENT | FAN_REPORT_FD_ERROR,
                                            FAN_CLASS_PRE_CONTENT };
        int group = -EBADF;

        for (size_t i = 0; i < ELEMENTSOF(classes) && group < 0; i++)
                group = fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE |
                                              FAN_UNLIMITED_MARKS | classes[i],
                                      O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NOATIME | O_NONBLOCK);
        expect_ok(group);
        return group;
}

void add_mark(int group, unsigned flags, uint64_t mask, const char *path) {
        expect_ok(fanotify_mark(group, FAN_MARK_ADD | flags, mask, AT_FDCWD, path));
}

int group_on_fs(void) {
        int group = group_open();

        add_mark(group, FAN_MARK_FILESYSTEM, FAN_OPEN_PERM, ".");
        return group;
}

struct fanotify_event_metadata next_event(int group) {
        struct pollfd poll_fd = { .fd = group, .events = POLLIN };
        struct fanotify_event_metadata event;

        expect_equal(poll(&poll_fd, 1, PATIENCE_MSEC), 1);
        expect_equal(value_of(read(group, &event, sizeof(event))), sizeof(event));
        expect_equal(event.vers, FANOTIFY_METADATA_VERSION);
        return event;
}

bool no_event(int group) {
        struct pollfd poll_fd = { .fd = group, .events = POLLIN };

        return poll(&poll_fd, 1, QUIET_MSEC) == 0;
}

static int queued(int group) {
        int size = 0;

        expect_ok(ioctl(group, FIONREAD, &size));
        return size;
}

void expect_queued(int group, size_t size) {
        expect_soon((size_t)queued(group) == size);
}

int answer(int group, int fd, uint32_t response) {
        const struct fanotify_response r = { .fd = fd, .response = response };
        int n = value_of(write(group, &r, sizeof(r)));

        return n == sizeof(r) ? 0 : n;
}

void allow(int group, int fd) {
        expect_equal(answer(group, fd, FAN_ALLOW), 0);
        close_fd(fd);
}

int serve(int group, struct client *client, unsigned *ret_events) {
        unsigned n = 0;

        for (;;) {
                struct pollfd fds[] = {
                        { .fd = group, .events = POLLIN },
                        { .fd = client->sock, .events = POLLIN },
                };

                expect(poll(fds, 2, PATIENCE_MSEC) > 0);
                if (fds[0].revents) {
                        allow(group, next_event(group).fd);
                        n++;
                } else if (fds[1].revents) {
                        if (ret_events)
                                *ret_events = n;
                        return client_result(client);
                }
        }
}

int read_one(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char c;

        return fd < 0 ? -errno : value_of(read(fd, &c, 1));
}

/* How many events a client's fn(path), which must go well, raises. */
unsigned events_of(int group, int (*fn)(const char *path), const char *path) {
        struct client client = client_start(fn, path);
        unsigned n;
        int r = serve(group, &client, &n);

        if (r < 0)
                kernel_fail(__FILE__, __LINE__, "%s: %s", path, strerror(-r));
        client_end(&client);
        return n;
}

int kept_event_fd(int group, const char *path) {
        struct client client = client_open(path, O_RDONLY);
        int fd = next_event(group).fd;

        expect_equal(answer(group, fd, FAN_ALLOW), 0);
        expect(client_result(&client) >= 0);
        client_end(&client);
        return fd;
}

/* ---- io_uring ---- */

void ring_open(struct io_uring *ring) {
        static const unsigned flags[] = { IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                          IORING_SETUP_COOP_TASKRUN };
        static const uint8_t ops[] = { IORING_OP_READ, IORING_OP_FSETXATTR };
        struct io_uring_restriction restrictions[ELEMENTSOF(ops)] = {};
        int r = -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(flags) && r == -EINVAL; i++)
                r = io_uring_queue_init(8, ring, flags[i] | IORING_SETUP_R_DISABLED);
        if (r == -EPERM || r == -ENOSYS)
                skip("io_uring is refused here");
        expect_equal(r, 0);
        for (size_t i = 0; i < ELEMENTSOF(ops); i++) {
                restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
                restrictions[i].sqe_op = ops[i];
        }
        expect_ok(syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS,
                          restrictions, ELEMENTSOF(ops)));
        expect_ok(syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
                          0));
}

int ring_result(struct io_uring *ring, unsigned msec) {
        struct __kernel_timespec ts = { .tv_sec = msec / 1000, .tv_nsec = msec % 1000 * 1000000 };
        struct io_uring_cqe *cqe = NULL;
        int r = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &ts, NULL);

        /* With something submitted, its number is the value, whatever the wait came to. */
        expect(r >= 0 || r == -ETIME);
        if (io_uring_peek_cqe(ring, &cqe) < 0)
                return -ETIME;
        r = cqe->res;
        io_uring_cqe_seen(ring, cqe);
        return r;
}
