/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/autogroup.h relies on: a session has a weight of its own among all others, which can be
 * changed from outside, and nice values count within it only. Shares of processor time are compared,
 * never times. Must not own: how soon runs who wakes up, for which the machine must have nothing else to
 * do (tests/bench/sweep).
 */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/autogroup.h"
#include "tests/system/kernel.h"

#define TEXT_MAX 64
#define RUN_NSEC (UINT64_C(500) * 1000 * 1000)

/* Shared by the processes of a test. */
static struct shared {
        atomic_bool ready, begun;
        _Atomic uint64_t other_nsec;
} * shared;

/* ---- Sessions ---- */

/* As the kernel tells of the session that a process is in; nothing of the first one. */
static void session_text(pid_t pid, char ret[static TEXT_MAX]) {
        char path[64];
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
        f = fopen(path, "re");
        expect(f);
        if (!fgets(ret, TEXT_MAX, f))
                ret[0] = '\0';
        fclose(f);
}

static int session_nice(pid_t pid) {
        char text[TEXT_MAX];
        int nice = -1;

        session_text(pid, text);
        if (sscanf(text, "/autogroup-%*d nice %d", &nice) != 1)
                kernel_fail(__FILE__, __LINE__, "'%s' tells of no session's nice value", text);
        return nice;
}

static void need_autogroups(void) {
        FILE *f = fopen("/proc/sys/kernel/sched_autogroup_enabled", "re");
        char on = '0';

        if (!f)
                skip("this kernel has no autogroups");
        on = (char)fgetc(f);
        fclose(f);
        if (on != '1')
                skip("autogroups are switched off (kernel.sched_autogroup_enabled)");
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        expect(shared != MAP_FAILED);
}

/* Control groups that divide the CPU come before sessions. */
static void need_no_cgroups(void) {
        FILE *f = fopen("/proc/self/cgroup", "re");
        char line[256], path[512];

        if (!f)
                return;
        while (fgets(line, sizeof(line), f)) {
                const char *controllers = strchr(line, ':');
                char *group = controllers ? strchr(controllers + 1, ':') : NULL;

                if (!group || group[1] != '/' || group[2] == '\n')
                        continue;
                /* Of the first version by name; of the second by what the outermost group has. */
                group[2 + strcspn(group + 2, "/\n")] = '\0';
                snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.weight", group + 1);
                if (strncmp(controllers, ":cpu", 4) == 0 ||
                    (startswith(line, "0::") && access(path, F_OK) == 0))
                        skip("a control group divides the CPU here");
        }
        fclose(f);
}

/* ---- Two who want the same CPU ---- */

static uint64_t nsec_of(clockid_t clock) {
        struct timespec ts;

        expect_ok(clock_gettime(clock, &ts));
        return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A process that is a session and has the CPU to share with its like. */
static pid_t session_start(int cpu, void (*run)(pid_t other), pid_t other) {
        pid_t pid = fork();
        cpu_set_t set;

        expect_ok(pid);
        if (pid > 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        expect_ok(setsid());
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        expect_ok(sched_setaffinity(0, sizeof(set), &set));
        run(other);
        _exit(EXIT_SUCCESS);
}

static void run_for_ever(pid_t other) {
        (void)other;
        atomic_store(&shared->ready, true);
        for (;;)
                ;
}

/* Runs for a while, and sees what the other one got of it: while this one runs, that one does not. */
static void run_and_compare(pid_t other) {
        uint64_t until, before;
        clockid_t clock;

        expect_equal(clock_getcpuclockid(other, &clock), 0);
        before = nsec_of(clock);
        until = nsec_of(CLOCK_PROCESS_CPUTIME_ID) + RUN_NSEC;
        while (nsec_of(CLOCK_PROCESS_CPUTIME_ID) < until)
                ;
        atomic_store(&shared->other_nsec, nsec_of(clock) - before);
}

static int first_cpu(void) {
        cpu_set_t set;
        int cpu = 0;

        expect_ok(sched_getaffinity(0, sizeof(set), &set));
        while (!CPU_ISSET((size_t)cpu, &set))
                cpu++;
        return cpu;
}

/* What a session gets beside another one, in percent of what that one gets. */
static unsigned share_of(int session, int thread) {
        pid_t other, pid;
        int status, fd, cpu = first_cpu();

        atomic_store(&shared->ready, false);
        other = session_start(cpu, run_for_ever, 0);
        expect_soon(atomic_load(&shared->ready));
        expect_ok(setpriority(PRIO_PROCESS, (id_t)other, thread));
        fd = (int)expect_ok(autogroup_open(other));
        autogroup_step_back(fd, session > 0);
        close_fd(fd);
        expect_equal(session_nice(other), session);
        pid = session_start(cpu, run_and_compare, other);
        expect_equal(waitpid(pid, &status, 0), pid);
        expect_ok(kill(other, SIGKILL));
        expect_equal(waitpid(other, NULL, 0), other);
        expect_equal(status, 0);
        return (unsigned)(atomic_load(&shared->other_nsec) * 100 / RUN_NSEC);
}

/* ---- Tests ---- */

/* The gate opens it as soon as its child is there, which begins its session later. */
static void weight_is_of_the_session_that_is(void) {
        char byte = 0, before[TEXT_MAX], after[TEXT_MAX];
        int go[2], fd;
        pid_t pid;

        need_autogroups();
        session_text(getpid(), before);
        expect_ok(pipe(go));
        pid = fork();
        expect_ok(pid);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                expect_equal(read(go[0], &byte, 1), 1);
                expect_ok(setsid());
                atomic_store(&shared->begun, true);
                for (;;)
                        pause_msec(PATIENCE_MSEC);
        }
        fd = (int)expect_ok(autogroup_open(pid));
        expect_equal(write(go[1], &byte, 1), 1);
        expect_soon(atomic_load(&shared->begun));
        autogroup_step_back(fd, true);
        expect_equal(session_nice(pid), 19);
        autogroup_step_back(fd, false);
        expect_equal(session_nice(pid), 0);
        close_fd(fd);
        session_text(getpid(), after);
        expect(streq(before, after));
        expect_ok(kill(pid, SIGKILL));
        expect_equal(waitpid(pid, NULL, 0), pid);
}

static void who_steps_back_leaves_the_cpu(void) {
        unsigned share;

        need_autogroups();
        need_no_cgroups();
        share = share_of(19, 0);
        note("a session that stepped back gets %u %% of what another one gets", share);
        expect(share < 20);
}

/* Why the session must: else its lowest thread has as much as the gate. */
static void nice_counts_within_a_session(void) {
        unsigned share;

        need_autogroups();
        need_no_cgroups();
        share = share_of(0, 19);
        note("one whose thread has the lowest nice value gets %u %%", share);
        expect(share > 33);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "the weight is that of the session which a process is in by then",
                  weight_is_of_the_session_that_is },
                { "a session that steps back leaves the CPU to others",
                  who_steps_back_leaves_the_cpu },
                { "nice values of threads count within their session",
                  nice_counts_within_a_session },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
