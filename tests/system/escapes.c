/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Part of fragile-worker: what a worker that was taken over would try. "FRAGILE: open PATH" in mail has it
 * open that file in the middle of a scan; the others are in verbs below. What comes of it goes to standard
 * error, which is storescand's log, as a line "escapes: VERB: escaped", or "refused" with the error. Of what
 * ends the process there is none.
 */

#include "tests/system/escapes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/child.h"
#include "store/util.h"

#define FDS_LOOKED_AT 1024

static int try_open(const char *path) {
        return open(path, O_RDONLY | O_CLOEXEC);
}
static int try_write(const char *path) {
        return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}
static int try_socket(const char *unused) {
        return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
static int try_unix(const char *unused) {
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
static int try_ptrace(const char *unused) {
        return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int try_uring(const char *unused) {
        char params[256] = {};

        return (int)syscall(SYS_io_uring_setup, 1, params);
}
static int try_kill(const char *unused) {
        return kill(getppid(), 0);
}
static int try_limits(const char *unused) {
        struct rlimit limit;

        return getrlimit(RLIMIT_NOFILE, &limit);
}
static int try_exec(const char *unused) {
        char sh[] = "/bin/sh", c[] = "-c", words[] = "echo 'escapes: exec: escaped' >&2";

        return execve(sh, (char *[]){ sh, c, words, NULL }, (char *[]){ NULL });
}
static int try_fork(const char *unused) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(EXIT_SUCCESS);
        return pid;
}
static int try_memory(const char *unused) {
        return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                               MAP_FAILED
                       ? -1
                       : 0;
}

/* A worker has standard streams, its socket, its folder, and what it is to scan, to read. */
static bool is_its_own(int fd, const struct stat *folder, unsigned *n_files) {
        int flags = fcntl(fd, F_GETFL);
        struct stat st;

        if (flags < 0 || fstat(fd, &st) < 0 || fd <= STDERR_FILENO)
                return true;
        if (S_ISSOCK(st.st_mode))
                return fd == CHILD_FD;
        if (S_ISDIR(st.st_mode))
                return st.st_dev == folder->st_dev && st.st_ino == folder->st_ino;
        return S_ISREG(st.st_mode) && (flags & O_ACCMODE) == O_RDONLY && (*n_files)++ == 0;
}

static int try_fds(const char *unused) {
        unsigned n_files = 0;
        struct stat folder;

        if (stat(".", &folder) < 0)
                return -1;
        for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
                if (!is_its_own(fd, &folder, &n_files))
                        return fd;
        errno = EBADF;
        return -1;
}

/* That try_fds() sees what is one too many. */
static int try_more_fds(const char *unused) {
        return fcntl(CHILD_FD, F_DUPFD_CLOEXEC, 100) < 0 ? -1 : try_fds(unused);
}

static const struct {
        const char *verb;
        int (*attempt)(const char *argument);
} verbs[] = {
        { "open", try_open },         { "write", try_write },   { "socket", try_socket },
        { "unix", try_unix },         { "ptrace", try_ptrace }, { "uring", try_uring },
        { "kill", try_kill },         { "limits", try_limits }, { "exec", try_exec },
        { "fork", try_fork },         { "memory", try_memory }, { "fds", try_fds },
        { "more-fds", try_more_fds },
};

static void tell(const char *verb, const char *argument, int r) {
        char line[600];
        int n = snprintf(line, sizeof(line), "escapes: %s%s%.400s: %s%s\n", verb,
                         *argument ? " " : "", argument, r < 0 ? "refused, " : "escaped",
                         r < 0 ? strerrorname_np(errno) : "");

        (void)!write(STDERR_FILENO, line, (size_t)n);
}

void escapes_try(const char *words, size_t size) {
        char line[512] = "", *argument;
        const char *end = memchr(words, '\n', size);

        if (end)
                size = (size_t)(end - words);
        memcpy(line, words, MIN(size, sizeof(line) - 1));
        argument = line + strcspn(line, " ");
        if (*argument)
                *argument++ = '\0';
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(line, verbs[i].verb))
                        tell(line, argument, verbs[i].attempt(argument));
}
