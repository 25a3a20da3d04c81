/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Harness of the kernel tests (kernel-*.c): each test pins one behaviour of fanotify, leases, change
 * times or io_uring that storescand relies on or has to live with. A test is the listener; those
 * who open files are clients, processes of their own. Needs root and a file system of its own.
 */

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/types.h>

#include "store/util.h"

/* Newer than Debian 12's headers. */
#ifndef FAN_REPORT_FD_ERROR
#        define FAN_REPORT_FD_ERROR 0x00002000
#endif
#ifndef FAN_PRE_ACCESS
#        define FAN_PRE_ACCESS 0x00100000
#endif

/* ---- Tests ---- */

struct kernel_test {
        const char *name;
        void (*run)(void);
};

/* Runs the tests on the folder argv[1], each in a process, a mount namespace and an empty working
 * directory of its own, and prints TAP. What hangs for a minute is killed and has failed. Returns
 * main()'s status. */
int kernel_main(int argc, char *argv[], const struct kernel_test *tests, size_t n_tests);

/* The end of a test that this kernel or file system has no ground for. */
_printf_(1, 2) _Noreturn void skip(const char *format, ...);

/* Says what this kernel does where both ways are right. */
_printf_(1, 2) void note(const char *format, ...);

_printf_(3, 4) _Noreturn void kernel_fail(const char *file, int line, const char *format, ...);

#define expect(condition)                                                  \
        do {                                                               \
                if (!(condition))                                          \
                        kernel_fail(__FILE__, __LINE__, "%s", #condition); \
        } while (0)

/* A system call that must succeed; its value. */
#define expect_ok(call)                                                                    \
        ({                                                                                 \
                long _r = (long)(call);                                                    \
                if (_r < 0)                                                                \
                        kernel_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno)); \
                _r;                                                                        \
        })

/* A value or -errno, and what it must be. */
#define expect_equal(value, wanted)                                                            \
        do {                                                                                   \
                long _v = (long)(value), _w = (long)(wanted);                                  \
                if (_v != _w)                                                                  \
                        kernel_fail(__FILE__, __LINE__, "%s is %ld (%s), not %ld", #value, _v, \
                                    _v < 0 ? strerrorname_np((int)-_v) : "-", _w);             \
        } while (0)

/* A system call's value, or -errno. */
#define value_of(call)                     \
        ({                                 \
                long _r = (long)(call);    \
                _r < 0 ? -errno : (int)_r; \
        })

/* Waits until the condition holds; the test has failed if it does not within ten seconds. */
#define expect_soon(condition)                                                            \
        do {                                                                              \
                for (unsigned _i = 0; !(condition); _i++) {                               \
                        if (_i == 1000)                                                   \
                                kernel_fail(__FILE__, __LINE__, "%s: never", #condition); \
                        pause_msec(10);                                                   \
                }                                                                         \
        } while (0)

void pause_msec(unsigned msec);

/* The working directory's path; the type of its file system (statfs(2) f_type). */
const char *test_dir(void);
uint64_t test_fs(void);

/* Makes a file of size bytes, on disk. */
void make_file(const char *path, size_t size);

/* ---- Clients ---- */

struct client {
        pid_t pid;
        int sock;
};

/* A process that calls fn(path), after which its value (>= 0 or -errno) is the client's last
 * result. All fds of the test but the first three are closed in it. */
struct client client_start(int (*fn)(const char *path), const char *path);

/* In the client: tells a result and waits for client_go(). */
void client_tell(int result);

/* A client whose one result is that of open(2): the file stays open until client_go(). */
struct client client_open(const char *path, int flags);

/* Waits for the next result. */
int client_result(struct client *client);

/* Whether no result comes for a while. */
bool client_waits(struct client *client);

void client_go(struct client *client);

/* Kills it and waits for its end. */
void client_end(struct client *client);

/* ---- Listening ---- */

/* A permission group with the flags that daemon/gate.c uses, without marks. */
int group_open(void);

/* The same, with an OPEN_PERM mark on the file system of the working directory. */
int group_on_fs(void);

void add_mark(int group, unsigned flags, uint64_t mask, const char *path);

/* Waits for an event and reads it. */
struct fanotify_event_metadata next_event(int group);

/* Whether no event comes for a while. */
bool no_event(int group);

/* Waits until events of this many bytes are queued. */
void expect_queued(int group, size_t size);

/* Writes one answer: 0 or -errno. */
int answer(int group, int fd, uint32_t response);

/* Answers the event and closes its fd. */
void allow(int group, int fd);

/* Allows everything until the client's next result, which it returns, and counts the events. */
int serve(int group, struct client *client, unsigned *ret_events);

/* How many events a client's fn(path), which must go well, raises. */
unsigned events_of(int group, int (*fn)(const char *path), const char *path);

/* For it: opens path and reads a byte. */
int read_one(const char *path);

/* An event fd of path, as it is after a reader was answered and has gone. */
int kept_event_fd(int group, const char *path);

/* ---- io_uring ---- */

/* A ring as daemon/ring.c sets it up: restricted, completions on this thread. */
void ring_open(struct io_uring *ring);

/* The result of the next operation that ends; -ETIME when none does within msec. */
int ring_result(struct io_uring *ring, unsigned msec);

#define QUIET_MSEC    200   /* long enough that nothing comes any more */
#define PATIENCE_MSEC 10000 /* too long for anything that is to come */
