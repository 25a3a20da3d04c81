/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the lists of what is allowed. Landlock says which files, seccomp which system calls; a
 * worker is under the loader's filters as well as its own, so that its list must be part of the
 * loader's. Lists were made from traces of scans of every file type, intact and mutated;
 * tests/filters makes such traces.
 */

#include "daemon/worker/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "daemon/confinement.h"
#include "store/util.h"

#define failed(problem, ...) confinement_failed(problem, SANDBOX_PROBLEM_MAX, __VA_ARGS__)

/* ---- The process ---- */

/* /proc/self/statm, opened while that could be. */
static int statm = -EBADF;

int sandbox_process(char problem[static SANDBOX_PROBLEM_MAX]) {
        _cleanup_close_ int fd = -EBADF;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
            setrlimit(RLIMIT_CORE, &(struct rlimit){}) < 0)
                return failed(problem, -errno, "the process can't be tied to its parent: %m");
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return failed(problem, -errno, "no_new_privs can't be set: %m");

        /* While the process is its own: later /proc is out of reach. It may only be raised. */
        fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
                (void)!write(fd, "500", 3);
        statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return failed(problem, -errno, "tracing can't be forbidden: %m");

        /* A service manager and a terminal signal the whole group, but whoever talks to the stores
         * must be answered until the gate itself closes the sockets. */
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);
        /* A file beyond RLIMIT_FSIZE is a failed write. */
        (void)signal(SIGXFSZ, SIG_IGN);
        return 0;
}

int sandbox_child(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        return getppid() == parent ? 0 : -ECHILD;
}

int sandbox_unprivileged(char problem[static SANDBOX_PROBLEM_MAX]) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};
        uid_t real, effective, saved;

        if (getresuid(&real, &effective, &saved) < 0 || syscall(SYS_capget, &header, data) < 0)
                return failed(problem, -errno, "its privileges can't be looked at: %m");
        if (real == 0 || effective == 0 || saved == 0)
                return failed(problem, -EPERM, "it was started as root");
        for (size_t i = 0; i < ELEMENTSOF(data); i++)
                if (data[i].effective || data[i].permitted || data[i].inheritable)
                        return failed(problem, -EPERM, "it was started with capabilities");
        return 0;
}

uint64_t sandbox_address_space(void) {
        char text[128];
        ssize_t n = statm < 0 ? -1 : pread(statm, text, sizeof(text) - 1, 0);

        if (n <= 0)
                return 0;
        text[n] = '\0';
        return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

int sandbox_limits(const struct sandbox_limits *limits, char problem[static SANDBOX_PROBLEM_MAX]) {
        /* A temporary file a layer, some for the layer that is being unpacked. */
        rlim_t files = 64 + 4 * (rlim_t)limits->max_recursion;
        rlim_t written = MAX(limits->max_file_size, limits->max_scan_size) + ((rlim_t)16 << 20);
        /* A scan maps and copies what it looks at, more than once. */
        rlim_t memory = limits->address_space + ((rlim_t)1 << 30) +
                        8 * (rlim_t)MIN(limits->max_file_size, UINT64_C(1) << 31);

        if (limits->address_space == 0)
                memory = RLIM_INFINITY;
        if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){ files, files }) < 0 ||
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){ written, written }) < 0 ||
            setrlimit(RLIMIT_AS, &(struct rlimit){ memory, memory }) < 0 ||
            setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){}) < 0 ||
            setrlimit(RLIMIT_MSGQUEUE, &(struct rlimit){}) < 0)
                return failed(problem, -errno, "its resources can't be limited: %m");
        return 0;
}

/* ---- Landlock ---- */

/* As the kernel has it since ABI 6; older ones take the beginning. */
struct ruleset_attr {
        uint64_t handled_access_fs;
        uint64_t handled_access_net; /* ABI 4: no TCP at all */
        uint64_t scoped;             /* ABI 6: no abstract sockets, no signals to others */
};

#define ACCESS_FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_FS_SCRATCH                                                                 \
        (ACCESS_FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
         LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                   \
         LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define ACCESS_FS_ABI1           ((UINT64_C(1) << 13) - 1)
#define ACCESS_FS_ABI2_REFER     (UINT64_C(1) << 13)
#define ACCESS_FS_ABI3_TRUNCATE  (UINT64_C(1) << 14)
#define ACCESS_FS_ABI5_IOCTL_DEV (UINT64_C(1) << 15)
#define ACCESS_NET_ABI4          UINT64_C(3)
#define SCOPED_ABI6              UINT64_C(3)

int sandbox_landlock_abi(void) {
        return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static int allow_below(int ruleset, int fd, uint64_t access) {
        struct landlock_path_beneath_attr attr = { .allowed_access = access, .parent_fd = fd };

        return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
}

int sandbox_files(int database, const char *folder, char problem[static SANDBOX_PROBLEM_MAX]) {
        _cleanup_close_ int ruleset = -EBADF, fd = -EBADF;
        struct ruleset_attr attr = { .handled_access_fs = ACCESS_FS_ABI1 };
        int abi = sandbox_landlock_abi();
        size_t size = sizeof(attr);

        if (abi <= 0)
                return 0;
        if (abi >= 2)
                attr.handled_access_fs |= ACCESS_FS_ABI2_REFER;
        if (abi >= 3)
                attr.handled_access_fs |= ACCESS_FS_ABI3_TRUNCATE;
        if (abi >= 5)
                attr.handled_access_fs |= ACCESS_FS_ABI5_IOCTL_DEV;
        if (abi >= 4)
                attr.handled_access_net = ACCESS_NET_ABI4;
        if (abi >= 6)
                attr.scoped = SCOPED_ABI6;
        if (abi < 6)
                size = offsetof(struct ruleset_attr, scoped);
        if (abi < 4)
                size = offsetof(struct ruleset_attr, handled_access_net);

        ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
        if (ruleset < 0)
                return failed(problem, -errno, "landlock refused a set of rules: %m");
        fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return failed(problem, -errno, "%s can't be opened: %m", folder);
        if (allow_below(ruleset, fd,
                        attr.handled_access_fs & (ACCESS_FS_SCRATCH | ACCESS_FS_ABI2_REFER |
                                                  ACCESS_FS_ABI3_TRUNCATE)) < 0)
                return failed(problem, -errno, "landlock refused a rule for %s: %m", folder);
        /* A file has no folders to read below it, and landlock is strict about that. */
        if (database >= 0 && allow_below(ruleset, database, ACCESS_FS_READ) < 0 &&
            (errno != EINVAL || allow_below(ruleset, database, LANDLOCK_ACCESS_FS_READ_FILE) < 0))
                return failed(problem, -errno, "landlock refused a rule for the signatures: %m");
        if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                return failed(problem, -errno, "landlock can't be enforced: %m");
        return 0;
}

/* ---- Seccomp ---- */

/* Files, memory, time: what a scan takes. By name, since some exist on some architectures only. */
static const char *const worker_calls[] = {
        "access",
        "brk",
        "chmod",
        "clock_getres",
        "clock_gettime",
        "clock_nanosleep",
        "close",
        "dup",
        "exit",
        "exit_group",
        "faccessat",
        "faccessat2",
        "fadvise64",
        "fallocate",
        "fchmod",
        "fchmodat",
        "fdatasync",
        "fstat",
        "fstatfs",
        "fsync",
        "ftruncate",
        "futex",
        "getcwd",
        "getdents64",
        "getegid",
        "geteuid",
        "getgid",
        "getpid",
        "getppid",
        "getrandom",
        "getrusage",
        "gettid",
        "gettimeofday",
        "getuid",
        "lseek",
        "lstat",
        "madvise",
        "mkdir",
        "mkdirat",
        "mremap",
        "munmap",
        "nanosleep",
        "newfstatat",
        "open",
        "openat",
        "pread64",
        "pwrite64",
        "read",
        "readlink",
        "readlinkat",
        "readv",
        "rename",
        "renameat",
        "renameat2",
        "restart_syscall",
        "rmdir",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sched_getaffinity",
        "sched_yield",
        "sigaltstack",
        "stat",
        "statfs",
        "statx",
        "sysinfo",
        "time",
        "times",
        "umask",
        "uname",
        "unlink",
        "unlinkat",
        "write",
        "writev",
};

/* What the loader does beyond that: waiting, forking, and making workers' sandboxes. */
static const char *const loader_calls[] = {
        "capget",
        "chdir",
        "close_range",
        "dup2",
        "dup3",
        "getresuid",
        "kill",
        "landlock_add_rule",
        "landlock_create_ruleset",
        "landlock_restrict_self",
        "poll",
        "ppoll",
        "prctl",
        "prlimit64",
        "recvmsg",
        "rseq",
        "seccomp",
        "sendmsg",
        "set_robust_list",
        "setrlimit",
        "signalfd4",
        "symlink",
        "symlinkat",
        "wait4",
        "waitid",
};

/* Memory that is executable can't be had; asking for it fails, as libc is prepared for. */
static int allow_memory(scmp_filter_ctx ctx, uint32_t otherwise) {
        static const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
        int r = confinement_allow_data(ctx);

        /* libseccomp takes no rule that says what happens anyway. */
        for (size_t i = 0; i < ELEMENTSOF(calls) && r == 0 && otherwise != SCMP_ACT_ERRNO(EPERM);
             i++)
                r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[i], 1,
                                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
        return r;
}

/* stdio asks whether a file is a terminal. */
static int refuse_ioctl(scmp_filter_ctx ctx) {
        return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 0);
}

static int filter_begin(scmp_filter_ctx *ret, uint32_t otherwise) {
        static const unsigned commands[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
                                             F_SETFD, F_GETFL,         F_SETFL };
        scmp_filter_ctx ctx = seccomp_init(otherwise);
        int r;

        if (!ctx)
                return -ENOMEM;
        r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        /* A tree instead of a list; libseccomp before 2.5 can't. */
        if (r == 0)
                (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r == 0)
                r = confinement_allow(ctx, worker_calls, ELEMENTSOF(worker_calls));
        if (r == 0)
                r = allow_memory(ctx, otherwise);
        if (r == 0)
                r = confinement_allow_fcntl(ctx, commands, ELEMENTSOF(commands));
        if (r == 0)
                r = refuse_ioctl(ctx);
        if (r < 0) {
                seccomp_release(ctx);
                return r;
        }
        *ret = ctx;
        return 0;
}

/* Content for clamd is handed over as memory that can't be changed any more. */
static int allow_handing_over(scmp_filter_ctx ctx) {
        static const char *const memory[] = { "memfd_create" };
        static const unsigned seal[] = { F_ADD_SEALS };
        int r = confinement_allow(ctx, memory, ELEMENTSOF(memory));

        return r < 0 ? r : confinement_allow_fcntl(ctx, seal, ELEMENTSOF(seal));
}

static int allow_socket(scmp_filter_ctx ctx, int fd) {
        static const int calls[] = { SCMP_SYS(recvmsg), SCMP_SYS(sendmsg) };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(calls) && r == 0; i++)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 1,
                                     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd));
        return r;
}

int sandbox_calls_loader(bool pool, char problem[static SANDBOX_PROBLEM_MAX]) {
        static const char *const pool_calls[] = { "setsockopt", "socketpair" };
        const unsigned forbidden = CLONE_VM | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                   CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
        scmp_filter_ctx ctx = NULL;
        int r;

        r = filter_begin(&ctx, SCMP_ACT_ERRNO(EPERM));
        if (r == 0)
                r = confinement_allow(ctx, loader_calls, ELEMENTSOF(loader_calls));
        if (r == 0 && pool)
                r = confinement_allow(ctx, pool_calls, ELEMENTSOF(pool_calls));
        if (r == 0 && pool)
                r = allow_handing_over(ctx);
        /* fork() only. clone3 has its flags in memory, out of a filter's sight. */
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, forbidden, 0));
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
        /* Back from the background, before there are workers. */
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 3,
                                     SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS), SCMP_A1(SCMP_CMP_EQ, 0),
                                     SCMP_A2(SCMP_CMP_EQ, 0));
        /* abort() of a worker; its own filter says more. */
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 0);
        return confinement_load(ctx, r, problem, SANDBOX_PROBLEM_MAX);
}

int sandbox_calls_worker(int channel, int pool, char problem[static SANDBOX_PROBLEM_MAX]) {
        scmp_filter_ctx ctx = NULL;
        int r;

        r = filter_begin(&ctx, SCMP_ACT_KILL_PROCESS);
        if (r == 0)
                r = allow_socket(ctx, channel);
        if (r == 0 && pool >= 0)
                r = allow_socket(ctx, pool);
        if (r == 0 && pool >= 0)
                r = allow_handing_over(ctx);
        /* abort(), and nobody else. */
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
        return confinement_load(ctx, r, problem, SANDBOX_PROBLEM_MAX);
}
