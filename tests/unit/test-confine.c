/* SPDX-License-Identifier: Apache-2.0 */

/* What storescan-remedy can't do, should somebody take it over: each attempt in a process of its own. */

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/remedy/confine.h"
#include "store/util.h"
#include "tests/unit/attempts.h"
#include "tests/unit/unit.h"

static int shorten(void) {
        return (int)syscall(SYS_ftruncate, STDERR_FILENO, 0);
}
static int run_bytes(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return p == MAP_FAILED ? -1 : 0;
}

static const struct {
        const char *name;
        attempt_fn call;
} more[] = {
        { "a length", shorten },
        { "executable memory", run_bytes },
};

static int confine_it(void) {
        char problem[CONFINE_PROBLEM_MAX];

        return confine(problem);
}

/* Exit status of body in a confined process. */
static int confined(int (*body)(void)) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                if (confine_it() < 0)
                        _exit(100);
                /* Not _exit(), before which AddressSanitizer asks for what is refused. */
                (void)syscall(SYS_exit_group, body());
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
        return WEXITSTATUS(status);
}

START_TEST(test_refused) {
        assert_all_refused(confine_it, 0, EPERM);
        for (size_t i = 0; i < ELEMENTSOF(more); i++)
                ck_assert_msg(attempt_behind(confine_it, more[i].call) == EPERM, "%s can be had",
                              more[i].name);
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
