/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What our confined processes may not do, should somebody take one over: a system call each, whose result
 * is that of the call. None does harm where it is not refused, and none is refused by the kernel for want
 * of a privilege that root has: what fails then fails for another reason.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*attempt_fn)(void);

static int make_socket(void) {
        return socket(AF_INET, SOCK_STREAM, 0);
}
static int make_unix_socket(void) {
        return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int make_netlink_socket(void) {
        return socket(AF_NETLINK, SOCK_RAW, 0);
}
static int make_packet_socket(void) {
        return socket(AF_PACKET, SOCK_RAW, 0);
}
static int run_program(void) {
        char *argv[] = { NULL };

        return execve("/none/there", argv, argv);
}
static int run_open_program(void) {
        char *argv[] = { NULL };

        return (int)syscall(SYS_execveat, -1, "", argv, argv, AT_EMPTY_PATH);
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
static int name_parent(void) {
        return (int)syscall(SYS_pidfd_open, getppid(), 0);
}
static int take_descriptor(void) {
        return (int)syscall(SYS_pidfd_getfd, -1, 0, 0);
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
static int enter_namespace(void) {
        return (int)syscall(SYS_setns, -1, 0);
}
static int mount_something(void) {
        return (int)syscall(SYS_mount, 1L, 1L, 1L, 0, NULL);
}
static int listen_to_files(void) {
        return fanotify_init(FAN_CLASS_NOTIF, 0);
}
static int forge_stamp(void) {
        return (int)syscall(SYS_fsetxattr, -1, "trusted.avstamp", "x", 1, 0);
}
static int change_owner(void) {
        return (int)syscall(SYS_fchownat, -1, "file", 0, 0, 0);
}
static int make_link(void) {
        return linkat(-1, "file", -1, "link", 0);
}
static int make_device(void) {
        return (int)syscall(SYS_mknodat, -1, "device", S_IFCHR | 0600, 0x101);
}
static int open_by_handle(void) {
        return (int)syscall(SYS_open_by_handle_at, -1, NULL, 0);
}
static int change_user(void) {
        return (int)syscall(SYS_setresuid, -1, -1, -1);
}
static int load_bpf(void) {
        return (int)syscall(SYS_bpf, BPF_PROG_LOAD, NULL, 0);
}
static int count_events(void) {
        return (int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}
static int read_keys(void) {
        return (int)syscall(SYS_keyctl, 0, -3, 0, 0, 0);
}
static int handle_faults(void) {
        return (int)syscall(SYS_userfaultfd, 0);
}
static int load_module(void) {
        return (int)syscall(SYS_finit_module, -1, "", 0);
}
static int lift_limits(void) {
        return (int)syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL);
}
static int load_filter(void) {
        return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL);
}
static int become_traceable(void) {
        return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* Whose work such a call is part of. */
#define MAY_LOADER 1U
#define MAY_CLAMD  2U

static const struct attempt {
        const char *name;
        attempt_fn call;
        unsigned may;
} attempts[] = {
        { "a socket", make_socket, MAY_CLAMD },
        { "a local socket", make_unix_socket, MAY_CLAMD },
        { "a socket to the kernel", make_netlink_socket, 0 },
        { "a socket to the wire", make_packet_socket, 0 },
        { "a program", run_program, 0 },
        { "a program that is open", run_open_program, 0 },
        { "a process", make_process, MAY_LOADER },
        { "a signal", signal_parent, MAY_LOADER },
        { "a signal to a thread", signal_thread_of_parent, MAY_LOADER },
        { "a name of a process", name_parent, 0 },
        { "a descriptor of another", take_descriptor, 0 },
        { "tracing", trace, 0 },
        { "being traced", become_traceable, MAY_LOADER },
        { "io_uring", make_ring, 0 },
        { "memory of others", write_memory, 0 },
        { "a namespace", make_namespace, 0 },
        { "a namespace of others", enter_namespace, 0 },
        { "a mount", mount_something, 0 },
        { "fanotify", listen_to_files, 0 },
        { "a stamp", forge_stamp, 0 },
        { "an owner", change_owner, 0 },
        { "a link", make_link, 0 },
        { "a device", make_device, 0 },
        { "a file by its handle", open_by_handle, 0 },
        { "a user", change_user, 0 },
        { "bpf", load_bpf, 0 },
        { "events of the CPU", count_events, 0 },
        { "keys", read_keys, 0 },
        { "page faults", handle_faults, 0 },
        { "a module", load_module, 0 },
        { "limits", lift_limits, MAY_LOADER },
        { "another filter", load_filter, MAY_LOADER },
};

#define ATTEMPT_UNCONFINED 201 /* process() failed */

/* What comes of an attempt in a process of its own that process() confines: 0, the errno it failed with,
 * or the negative number of the signal that ended it. */
static inline int attempt_behind(int (*process)(void), attempt_fn attempt) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                int error = ATTEMPT_UNCONFINED;

                if (process() >= 0) {
                        errno = 0;
                        error = attempt() < 0 ? errno : 0;
                }
                /* Not _exit(), before which AddressSanitizer asks for what is refused. */
                (void)syscall(SYS_exit_group, error);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Each attempt that is no work of who it is comes to that end: EPERM, or -SIGSYS. */
static inline void assert_all_refused(int (*process)(void), unsigned who, int end) {
        for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
                int r = attempts[i].may & who ? end : attempt_behind(process, attempts[i].call);

                ck_assert_msg(r == end, "%s can be had: %d", attempts[i].name, r);
        }
}
