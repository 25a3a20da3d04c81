/* SPDX-License-Identifier: Apache-2.0 */

/* The gate's handle on storescan-remedy, with the real process, in a folder of the test's. */

#include "daemon/remedies.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/clock.h"
#include "daemon/io.h"
#include "tests/unit/unit.h"

#define BAD   "Subject: x\n\nbad bad\n"
#define GOOD  "Subject: x\n\na notic\n"
#define SIZE  (sizeof(BAD) - 1)
#define JOBS  3
#define LIMIT (20 * USEC_PER_SEC)

static char folder[] = "/tmp/test-remedies.XXXXXX", quarantine[PATH_MAX], path[PATH_MAX];
static struct ring *ring;
static struct stats stats;
static struct journal *journal;
static struct remedies *remedies;
static struct config_store store = { .name = (char *)"mail", .format = STORE_FORMAT_MAILDIR };
static struct config config = { .stores = &store, .n_stores = 1 };

static struct ended_job {
        struct remedy_job job;
        unsigned done;
        enum remedy_outcome outcome;
        char id[QUARANTINE_ID_SIZE];
} jobs[JOBS];

static void done(struct remedy_job *job, enum remedy_outcome outcome, const char *id,
                 const char *text) {
        struct ended_job *ended = container_of(job, struct ended_job, job);

        ended->done++;
        ended->outcome = outcome;
        strcpy(ended->id, id);
        ck_assert_int_eq(text[0] == '\0', outcome == REMEDY_REPLACED);
}

static void put(const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write_full(fd, text, strlen(text)), 0);
        close_fd(fd);
}

static void expect(const char *text) {
        char actual[SIZE + 1] = {};
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(read_full(fd, actual, SIZE), (ssize_t)SIZE);
        ck_assert_str_eq(actual, text);
        close_fd(fd);
}

static void prepare(struct ended_job *ended, const char *original, const char *planned) {
        struct remedy_job *job = &ended->job;

        *ended = (struct ended_job){ .job = { .done = done, .store = &store, .size = SIZE } };
        job->fd = open(path, O_RDONLY | O_CLOEXEC);
        job->planned_fd = memfd_create("plan", MFD_CLOEXEC);
        job->path = path;
        ck_assert_int_eq(write_full(job->planned_fd, planned, SIZE), 0);
        ck_assert_int_eq(digest_buffer(original, SIZE, job->original), 0);
        ck_assert_int_eq(digest_buffer(planned, SIZE, job->planned), 0);
        strcpy(job->signature, "Eicar-Test");
}

static void turn(void) {
        uint64_t now = now_usec(), due = remedies_run(remedies, now);

        ck_assert_int_ge(ring_wait(ring, due <= now ? 0 : MIN(due - now, USEC_PER_SEC), 0), 0);
}

static void wait_for(const unsigned *what) {
        uint64_t until = now_usec() + LIMIT;

        while (*what == 0 && now_usec() < until)
                turn();
        ck_assert_uint_eq(*what, 1);
}

static void wait_until_ready(void) {
        uint64_t until = now_usec() + LIMIT;

        while (!remedies_ready(remedies) && now_usec() < until)
                turn();
        ck_assert(remedies_ready(remedies));
}

/* The process, which is our only child. */
static pid_t process(void) {
        FILE *f = fopen("/proc/thread-self/children", "re");
        int pid = 0;

        ck_assert_ptr_nonnull(f);
        while (fscanf(f, "%d", &pid) == 1 && !remedies_is_own(remedies, pid))
                pid = 0;
        (void)fclose(f);
        ck_assert_int_gt(pid, 0);
        return pid;
}

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void)snprintf(path, sizeof(path), "%s/1.M1P1.vm:2,S", folder);
        (void)snprintf(quarantine, sizeof(quarantine), "%s/quarantine", folder);
        config.quarantine_directory = quarantine;
        put(BAD);
        ck_assert_int_eq(ring_new(stderr, &ring), 0);
        ck_assert_int_eq(journal_new(64, &journal), 0);
        ck_assert_int_eq(remedies_new(ring, &config, &stats, journal, true, stderr, &remedies), 0);
}

static void teardown(void) {
        char command[PATH_MAX + 16];

        remedies = remedies_free(remedies);
        journal = journal_free(journal);
        (void)ring_wait(ring, USEC_PER_MSEC, 0);
        ring = ring_free(ring);
        (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
        ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a folder of ours */
}

START_TEST(test_jobs_in_order) {
        prepare(&jobs[0], BAD, GOOD);
        prepare(&jobs[1], BAD, GOOD);
        prepare(&jobs[2], GOOD, "Subject: y\n\na notic\n");
        /* Before it is ready, even. */
        for (size_t i = 0; i < JOBS; i++)
                remedies_submit(remedies, &jobs[i].job);
        ck_assert_uint_eq(jobs[0].done, 0);
        wait_for(&jobs[2].done);
        ck_assert_uint_eq(jobs[0].done, 1);
        ck_assert_int_eq(jobs[0].outcome, REMEDY_REPLACED);
        ck_assert(quarantine_id_valid(jobs[0].id));
        ck_assert_uint_eq(jobs[1].done, 1);
        ck_assert_int_eq(jobs[1].outcome, REMEDY_CHANGED);
        ck_assert_str_eq(jobs[1].id, "");
        ck_assert_int_eq(jobs[2].outcome, REMEDY_REFUSED);
        expect(GOOD);
        ck_assert_uint_eq(stats.replaced, 1);
        ck_assert_uint_eq(stats.remedies_busy, 1);
        ck_assert_uint_eq(stats.remedies_failed, 1);
}
END_TEST

START_TEST(test_own) {
        pid_t pid = process();

        ck_assert(!remedies_is_own(remedies, getpid()));
        ck_assert(!remedies_is_own(remedies, 0));
        ck_assert(!remedies_is_own(NULL, pid));
}
END_TEST

START_TEST(test_killed_during_a_job) {
        pid_t pid;

        wait_until_ready();
        pid = process();
        ck_assert_int_eq(kill(pid, SIGSTOP), 0);
        prepare(&jobs[0], BAD, GOOD);
        prepare(&jobs[1], BAD, GOOD);
        remedies_submit(remedies, &jobs[0].job);
        remedies_submit(remedies, &jobs[1].job);
        (void)remedies_run(remedies, now_usec());
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        wait_for(&jobs[0].done);
        ck_assert_int_eq(jobs[0].outcome, REMEDY_FAILED);
        ck_assert(!remedies_is_own(remedies, pid));
        ck_assert(!remedies_ready(remedies));
        /* The other one is done by the next process. */
        wait_for(&jobs[1].done);
        ck_assert_int_eq(jobs[1].outcome, REMEDY_REPLACED);
        ck_assert_int_ne(process(), pid);
        expect(GOOD);
}
END_TEST

START_TEST(test_dies_again_and_again) {
        unsigned starts = 0;

        /* Soon nobody waits for the next one any more. */
        prepare(&jobs[0], BAD, GOOD);
        while (jobs[0].done == 0 && starts++ < 10) {
                wait_until_ready();
                ck_assert_int_eq(kill(process(), SIGKILL), 0);
                while (remedies_ready(remedies))
                        turn();
                if (starts == 5)
                        remedies_submit(remedies, &jobs[0].job);
                turn();
        }
        ck_assert_uint_eq(jobs[0].done, 1);
        ck_assert_int_eq(jobs[0].outcome, REMEDY_FAILED);
        expect(BAD);
}
END_TEST

START_TEST(test_nonsense) {
        prepare(&jobs[0], BAD, GOOD);
        jobs[0].job.size = 0;
        remedies_submit(remedies, &jobs[0].job);
        wait_for(&jobs[0].done);
        ck_assert_int_eq(jobs[0].outcome, REMEDY_FAILED);
        prepare(&jobs[1], BAD, GOOD);
        remedies_submit(remedies, &jobs[1].job);
        wait_for(&jobs[1].done);
        ck_assert_int_eq(jobs[1].outcome, REMEDY_REPLACED);
}
END_TEST

START_TEST(test_end_with_jobs) {
        pid_t pid;

        wait_until_ready();
        pid = process();
        ck_assert_int_eq(kill(pid, SIGSTOP), 0);
        prepare(&jobs[0], BAD, GOOD);
        prepare(&jobs[1], BAD, GOOD);
        remedies_submit(remedies, &jobs[0].job);
        remedies_submit(remedies, &jobs[1].job);
        (void)remedies_run(remedies, now_usec());
        remedies = remedies_free(remedies);
        for (size_t i = 0; i < 2; i++) {
                ck_assert_uint_eq(jobs[i].done, 1);
                ck_assert_int_eq(jobs[i].outcome, REMEDY_FAILED);
        }
        /* What it was told it does, and then it ends by itself. */
        ck_assert_int_eq(kill(pid, SIGCONT), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        expect(GOOD);
}
END_TEST

START_TEST(test_not_started_before_it_is_wanted) {
        /* Else its receive would be submitted behind its end, when the next one has a socket of that number. */
        ck_assert_int_ge(ring_wait(ring, 0, 0), 0);
        remedies = remedies_free(remedies);
        ck_assert_int_eq(remedies_new(ring, &config, &stats, journal, false, stderr, &remedies), 0);
        for (int i = 0; i < 3; i++)
                ck_assert_uint_eq(remedies_run(remedies, now_usec()), USEC_INFINITY);
        ck_assert(remedies_ready(remedies));
        remedies_want(remedies);
        ck_assert(!remedies_ready(remedies));
        wait_until_ready();
        ck_assert_int_gt(process(), 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                test_jobs_in_order,
                test_own,
                test_killed_during_a_job,
                test_dies_again_and_again,
                test_nonsense,
                test_end_with_jobs,
                test_not_started_before_it_is_wanted,
        };
        Suite *suite = suite_create("remedies");
        TCase *tcase = tcase_create("remedies");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
