/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the lists of what is allowed. */

#include "daemon/sweep/confine.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/landlock.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "daemon/confinement.h"
#include "store/util.h"

/* Not SCHED_IDLE, which never pushes anything aside: it would stand in the queue behind a scan, longest of
 * all, and from Linux 6.6 on who wakes up pushes something aside only if nobody else comes before it. A
 * reader, or the gate, would wait for the next tick then. */
void confine_priority(void) {
        (void)setpriority(PRIO_PROCESS, 0, 19);
        (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/* The rights of landlock's first version: later ones are about more than reading. */
#define ACCESS_FS_ABI1 ((UINT64_C(1) << 13) - 1)

int confine_files(int root, char problem[static CONFINE_PROBLEM_MAX]) {
        struct landlock_ruleset_attr attr = { .handled_access_fs = ACCESS_FS_ABI1 };
        struct landlock_path_beneath_attr below = {
                .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
                .parent_fd = root,
        };
        _cleanup_close_ int ruleset = -EBADF;

        if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) <= 0)
                return 0;
        ruleset =
                (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
        if (ruleset < 0 ||
            syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0) < 0 ||
            syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                return confinement_failed(problem, CONFINE_PROBLEM_MAX, -errno,
                                          "landlock can't be enforced: %m");
        return 0;
}

static const char *const calls[] = {
        "brk",
        "clock_gettime",
        "clock_nanosleep",
        "close",
        "exit",
        "exit_group",
        "fdatasync",
        "fstat",
        "futex",
        "getdents64",
        "getpid",
        "getrandom",
        "gettid",
        "gettimeofday",
        "lseek",
        "madvise",
        "mremap",
        "munmap",
        "nanosleep",
        "newfstatat",
        "poll",
        "ppoll",
        "pread64",
        "read",
        "recvfrom",
        "restart_syscall",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sched_getaffinity", /* malloc(3), of threads */
        "sched_yield",
        "sendto",
        "set_robust_list",
        "sigaltstack",
        "statx",
        "sysinfo", /* qsort_r(3), of more than a kilobyte */
        "write",
};

int confine_calls(char problem[static CONFINE_PROBLEM_MAX]) {
        static const unsigned commands[] = { F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL };
        /* Refused, not killed for: a C library that asks for one thing more goes on without. */
        scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r = confinement_begin(ctx, calls, ELEMENTSOF(calls));

        if (r == 0)
                r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
        if (r == 0)
                r = confinement_allow_fcntl(ctx, commands, ELEMENTSOF(commands));
        /* Opens for reading, and nothing that makes or empties a file. */
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                     SCMP_A2(SCMP_CMP_MASKED_EQ,
                                             O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND, O_RDONLY));
        /* The state is all that is open for writing, beside the socket and the eventfd. */
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(pwrite64), 0);
        return confinement_load(ctx, r, problem, CONFINE_PROBLEM_MAX);
}
