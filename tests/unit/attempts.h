/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What none of our confined processes may do, should somebody take it over: a system call each, whose
 * result is that of the call. */

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int (*attempt_fn)(void);

static int make_socket(void) {
        return socket(AF_INET, SOCK_STREAM, 0);
}
static int make_unix_socket(void) {
        return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int run_program(void) {
        char *argv[] = { NULL };

        return execve("/bin/true", argv, argv);
}
static int make_process(void) {
        return fork();
}
static int signal_parent(void) {
        return kill(getppid(), 0);
}
static int signal_thread_of_parent(void) {
        return (int)syscall(SYS_tgkill, getppid(), getppid(), 0);
}
static int trace(void) {
        return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int make_ring(void) {
        char params[256] = {};

        return (int)syscall(SYS_io_uring_setup, 1, params);
}
static int write_memory(void) {
        return (int)syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0);
}
static int make_namespace(void) {
        return (int)syscall(SYS_unshare, 0);
}
