/* SPDX-License-Identifier: Apache-2.0 */

/* What storescan-remedy can't do, should somebody take it over: each attempt in a process of its own. */

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "daemon/remedy/confine.h"
#include "store/util.h"
#include "tests/unit/attempts.h"
#include "tests/unit/unit.h"

static int mount_something(void) {
        return mount("none", "/mnt", "tmpfs", 0, NULL);
}
static int listen_to_files(void) {
        return fanotify_init(FAN_CLASS_NOTIF, 0);
}
static int forge_stamp(void) {
        return fsetxattr(STDERR_FILENO, "trusted.avstamp", "x", 1, 0);
}
static int change_owner(void) {
        return (int)syscall(SYS_fchownat, AT_FDCWD, "/", 0, 0, AT_SYMLINK_NOFOLLOW);
}
static int make_link(void) {
        return link("/proc/self/exe", "/tmp/link");
}
static int make_device(void) {
        return (int)syscall(SYS_mknodat, AT_FDCWD, "/tmp/device", 020600, 0x101);
}
static int shorten(void) {
        return (int)syscall(SYS_ftruncate, STDERR_FILENO, 0);
}
static int become_root(void) {
        return (int)syscall(SYS_setresuid, 0, 0, 0);
}
static int lift_limits(void) {
        return (int)syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL);
}
static int run_bytes(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return p == MAP_FAILED ? -1 : 0;
}

static const struct {
        const char *name;
        attempt_fn call;
} attempts[] = {
        { "a socket", make_socket },
        { "a local socket", make_unix_socket },
        { "a program", run_program },
        { "a process", make_process },
        { "a signal", signal_parent },
        { "a signal to a thread", signal_thread_of_parent },
        { "tracing", trace },
        { "io_uring", make_ring },
        { "memory of others", write_memory },
        { "a namespace", make_namespace },
        { "a mount", mount_something },
        { "fanotify", listen_to_files },
        { "a stamp", forge_stamp },
        { "an owner", change_owner },
        { "a link", make_link },
        { "a device", make_device },
        { "a length", shorten },
        { "a user", become_root },
        { "limits", lift_limits },
        { "executable memory", run_bytes },
};

/* Exit status of body in a confined process. */
static int confined(int (*body)(void)) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                char problem[CONFINE_PROBLEM_MAX];

                if (confine(problem) < 0)
                        _exit(100);
                errno = 0;
                /* Not _exit(), before which AddressSanitizer asks for what is refused. */
                (void)syscall(SYS_exit_group, body());
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
        return WEXITSTATUS(status);
}

static attempt_fn attempted;

static int is_refused(void) {
        return attempted() < 0 && errno == EPERM ? 0 : 1;
}

START_TEST(test_refused) {
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                attempted = attempts[i].call;
                ck_assert_msg(confined(is_refused) == 0, "%s can be had", attempts[i].name);
        }
}
END_TEST

/* What /proc/self/status says of key. */
static unsigned long long status_of(const char *status, const char *key) {
        const char *line = strstr(status, key);

        return line ? strtoull(line + strlen(key), NULL, strstr(key, "Cap") ? 16 : 10) : ULLONG_MAX;
}

/* Two are left, if they were there, and none comes back. */
static int capabilities_left(void) {
        const unsigned long long others = ~(1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER);
        int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        char status[8192];
        ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);

        if (n <= 0)
                return 1;
        status[n] = '\0';
        if (status_of(status, "\nCapPrm:") & others || status_of(status, "\nCapEff:") & others)
                return 2;
        if (status_of(status, "\nCapInh:") != 0 || status_of(status, "\nCapAmb:") != 0)
                return 3;
        return status_of(status, "\nNoNewPrivs:") == 1 && status_of(status, "\nSeccomp:") == 2 ? 0
                                                                                               : 4;
}

START_TEST(test_capabilities) {
        ck_assert_int_eq(confined(capabilities_left), 0);
}
END_TEST

/* What it is for still goes. */
static int works(void) {
        char path[] = "/tmp/storescan-confine-XXXXXX";
        int fd = mkostemp(path, O_CLOEXEC);

        if (fd < 0 || pwrite(fd, "mail", 4, 0) != 4 || fdatasync(fd) < 0)
                return 1;
        if (fcntl(fd, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK }) < 0)
                return 2;
        return unlink(path) < 0 ? 3 : 0;
}

START_TEST(test_its_work) {
        ck_assert_int_eq(confined(works), 0);
}
END_TEST

UNIT_MAIN("confine", test_refused, test_capabilities, test_its_work);
