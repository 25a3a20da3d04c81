/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the lists of what is allowed. It writes to stores, wherever they are, so no rule on paths helps;
 * what is left are a few system calls, no network, no other process.
 */

#include "daemon/remedy/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "daemon/confinement.h"
#include "store/util.h"

#define failed(problem, ...) confinement_failed(problem, CONFINE_PROBLEM_MAX, __VA_ARGS__)

/* DAC_OVERRIDE: mail belongs to its owners. FOWNER: their files' times. */
static int keep_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};
        const uint32_t kept = 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER;

        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
            syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0].permitted &= kept;
        data[0].effective = data[0].permitted;
        data[0].inheritable = 0;
        data[1] = (struct __user_cap_data_struct){};
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static const char *const calls[] = {
        "access",        "brk",
        "clock_gettime", "clock_nanosleep",
        "close",         "exit",
        "exit_group",    "faccessat",
        "faccessat2",    "fchmod",
        "fcntl",         "fdatasync",
        "flock",         "fstat",
        "fstatfs",       "fsync",
        "futex",         "getdents64",
        "geteuid",       "getpid",
        "getrandom",     "gettid",
        "gettimeofday",  "lseek",
        "lstat",         "madvise",
        "mkdir",         "mkdirat",
        "mremap",        "munmap",
        "nanosleep",     "newfstatat",
        "open",          "openat",
        "poll",          "ppoll",
        "pread64",       "pwrite64",
        "read",          "recvmsg",
        "rename",        "renameat",
        "renameat2",     "restart_syscall",
        "rt_sigaction",  "rt_sigprocmask",
        "rt_sigreturn",  "sendmsg",
        "stat",          "statfs",
        "statx",         "time",
        "uname",         "unlink",
        "unlinkat",      "utimensat",
        "write",         "writev",
};

/* To end itself: abort(), and the crash points of tests. */
static int allow_signals(scmp_filter_ctx ctx) {
        int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));

        return r < 0 ? r
                     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
                                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

/* Refused calls fail: a job that is killed has to be completed, one that fails is undone. */
static int filter_calls(char problem[static CONFINE_PROBLEM_MAX]) {
        scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r = confinement_begin(ctx, calls, ELEMENTSOF(calls));

        if (r == 0)
                r = allow_signals(ctx);
        return confinement_load(ctx, r, problem, CONFINE_PROBLEM_MAX);
}

int confine(char problem[static CONFINE_PROBLEM_MAX]) {
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
            setrlimit(RLIMIT_CORE, &(struct rlimit){}) < 0)
                return failed(problem, -errno, "it can't be kept from showing mail: %s",
                              error_text(errno));
        /* It ends when its socket is closed, and not in the middle of a job. */
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);
        r = keep_capabilities();
        if (r < 0)
                return failed(problem, r, "its capabilities can't be dropped: %s", error_text(-r));
        return filter_calls(problem);
}
