/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the list of system calls that talking takes, and the rules on ports. */

#include "daemon/clamd/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/confinement.h"

/* As the kernel has them since ABI 4. */
#define NET_BIND    UINT64_C(1)
#define NET_CONNECT UINT64_C(2)
#define RULE_PORT   2
struct ruleset_attr {
        uint64_t handled_access_fs, handled_access_net;
};
struct port_attr {
        uint64_t allowed_access, port;
};

#define failed(problem, ...) confinement_failed(problem, CONFINE_PROBLEM_MAX, __VA_ARGS__)

/* No file can be opened; sockets in the file system can be connected to, that is not governed. */
static int confine_files(const struct clamd_address *addresses, size_t n,
                         char problem[static CONFINE_PROBLEM_MAX]) {
        struct ruleset_attr attr = { .handled_access_fs = (UINT64_C(1) << 13) - 1 };
        int abi =
                (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        _cleanup_close_ int ruleset = -EBADF;
        size_t size = offsetof(struct ruleset_attr, handled_access_net);

        if (abi <= 0)
                return 0;
        if (abi >= 4) {
                attr.handled_access_net = NET_BIND | NET_CONNECT;
                size = sizeof(attr);
        }
        ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
        if (ruleset < 0)
                return failed(problem, -errno, "landlock refused a set of rules: %m");
        for (size_t i = 0; i < n && abi >= 4; i++) {
                const struct port_attr port = { NET_CONNECT,
                                                strtoull(addresses[i].port, NULL, 10) };

                if (!addresses[i].local &&
                    syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &port, 0) < 0)
                        return failed(problem, -errno, "landlock refused a rule: %m");
        }
        if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                return failed(problem, -errno, "landlock can't be enforced: %m");
        return 0;
}

static const char *const calls[] = {
        "brk",          "clock_gettime",  "close",        "connect",
        "epoll_ctl",    "epoll_pwait",    "epoll_wait",   "exit",
        "exit_group",   "fstat",          "futex",        "getpid",
        "getrandom",    "getsockopt",     "gettimeofday", "madvise",
        "mremap",       "munmap",         "newfstatat",   "poll",
        "ppoll",        "recvfrom",       "recvmsg",      "restart_syscall",
        "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sendfile",
        "sendmsg",      "sendto",         "setsockopt",   "write",
        "writev",
};

static int confine_calls(char problem[static CONFINE_PROBLEM_MAX]) {
        static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };
        static const unsigned commands[] = { F_DUPFD_CLOEXEC, F_GETFD, F_SETFD,
                                             F_GETFL,         F_SETFL, F_GET_SEALS };
        scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
        int r = confinement_begin(ctx, calls, ELEMENTSOF(calls));

        if (r == 0)
                r = confinement_allow_fcntl(ctx, commands, ELEMENTSOF(commands));
        for (size_t i = 0; i < ELEMENTSOF(families) && r == 0; i++)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
        return confinement_load(ctx, r, problem, CONFINE_PROBLEM_MAX);
}

int clamd_confine(const struct clamd_address *addresses, size_t n,
                  char problem[static CONFINE_PROBLEM_MAX]) {
        int r = confine_files(addresses, n, problem);

        return r < 0 ? r : confine_calls(problem);
}
