/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the channel, the slot's mapping and the temporary folder of one worker, and the rule by
 * which it trusts its engine: CLEAN is said only while the canary was found lately, temporary
 * files can be made, and libclamav had nothing to complain about. Must not trust what the gate
 * says of the content: sizes are looked at again.
 */

#include "daemon/worker/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/proto.h"
#include "daemon/worker/content.h"
#include "daemon/worker/memory.h"
#include "daemon/worker/sandbox.h"
#include "daemon/worker/spool.h"
#include "store/util.h"

/* A job of such content or duration may have taken much memory, most of which is given back. */
#define LARGE_SIZE        ((uint64_t)256 << 10)
#define LARGE_USEC        (50 * USEC_PER_MSEC)
#define CANARY_FRESH_USEC (5 * USEC_PER_SEC)
#define CHUNK_SIZE        ((size_t)256 << 10)
#define CHANNEL_FD        PROTO_LOADER_FD

struct worker {
        const struct serve_setup *setup;
        const uint8_t *slot;
        struct spool spool;
        uint64_t canary_usec; /* when it was last found; 0: not to be relied on */
        bool broken;          /* answer what is asked, then end */
};

struct job {
        const struct proto_job *message;
        int fd; /* -EBADF: the slot */
        uint64_t size;
        struct content content;
};

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

static uint32_t elapsed_usec(uint64_t since) {
        return (uint32_t)MIN(now_usec() - since, (uint64_t)UINT32_MAX);
}

static _Noreturn void die(const struct serve_setup *setup, const char *what, const char *why) {
        fprintf(stderr, "storescan-worker %s: %s%s%s.\n", setup->folder, what, why ? ": " : "",
                why ? why : "");
        _exit(EXIT_FAILURE);
}

/* ---- Trust in the engine ---- */

static int prove_engine(struct worker *w, char problem[static ENGINE_PROBLEM_MAX]) {
        int r = canary_check(w->setup->canary, w->setup->engine, problem);

        (void)spool_tidy(&w->spool);
        w->canary_usec = r < 0 ? 0 : now_usec();
        return r;
}

/* UNKNOWN, as the last answer of this worker. */
static void distrust(struct worker *w, const char *why, struct scan *ret) {
        w->broken = true;
        scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE, why);
}

/* Takes a verdict back if it does not stand on sound ground. */
static void confirm(struct worker *w, struct scan *scan) {
        char problem[ENGINE_PROBLEM_MAX];
        int r;

        if (scan->verdict == VERDICT_INFECTED)
                return;
        r = spool_check(&w->spool);
        if (r < 0) {
                (void)snprintf(problem, sizeof(problem), "temporary files can't be made: %s",
                               strerror(-r));
                distrust(w, problem, scan);
                return;
        }
        /* Was it the content or the machine? */
        if (scan->doubtful && prove_engine(w, problem) < 0)
                distrust(w, problem, scan);
        else if (scan->verdict == VERDICT_UNKNOWN && scan->reason == REASON_ENGINE &&
                 prove_engine(w, problem) < 0)
                w->broken = true;
}

/* ---- A job ---- */

static void scan_content(struct worker *w, const struct job *job, struct scan *ret) {
        char problem[ENGINE_PROBLEM_MAX];

        if (w->canary_usec == 0 || now_usec() - w->canary_usec > CANARY_FRESH_USEC)
                if (prove_engine(w, problem) < 0) {
                        distrust(w, problem, ret);
                        return;
                }
        engine_scan(w->setup->engine, job->content.data, job->content.size, ret);
        confirm(w, ret);
        (void)spool_tidy(&w->spool);
}

/* Size by the file itself. -EMEDIUMTYPE: not a file that can be read from anywhere. */
static int find_size(struct job *job) {
        struct stat st;

        if (job->fd < 0) {
                job->size = job->message->size;
                return 0;
        }
        if (fstat(job->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        job->size = (uint64_t)st.st_size;
        return 0;
}

/* UNKNOWN, for the errno that content could not be had with. */
static void judge_unread(int error, struct scan *ret) {
        if (error == -ENOMEM)
                scan_set(ret, VERDICT_UNKNOWN, REASON_OVERLOAD, "there is not enough memory");
        else if (error == -ENODATA)
                scan_set(ret, VERDICT_UNKNOWN, REASON_READ, "it became shorter while it was read");
        else if (error == -EMEDIUMTYPE)
                scan_set(ret, VERDICT_UNKNOWN, REASON_READ, "it is not a regular file");
        else
                scan_set(ret, VERDICT_UNKNOWN, REASON_READ, strerror(-error));
}

/* Fills in digest and known; false: there is no content to scan, and scan says why. */
static bool get_content(struct worker *w, struct job *job, struct proto_result *ret,
                        struct scan *scan) {
        uint64_t started = now_usec();
        int r;

        r = find_size(job);
        if (r == 0 && engine_too_large(w->setup->engine, job->size)) {
                engine_judge_too_large(w->setup->engine, scan);
                return false;
        }
        if (r == 0)
                r = job->fd < 0 ? content_from_memory(w->slot + job->message->bay * PROTO_BAY_SIZE,
                                                      job->size, &job->content)
                                : content_from_fd(job->fd, job->size, &job->content);
        ret->digest_usec = elapsed_usec(started);
        if (r < 0) {
                judge_unread(r, scan);
                return false;
        }
        ret->has_digest = 1;
        memcpy(ret->digest, job->content.digest, sizeof(ret->digest));
        ret->known = job->message->has_known &&
                     memcmp(ret->digest, job->message->known, STAMP_DIGEST_SIZE) == 0;
        return true;
}

static void judge(struct worker *w, struct job *job, struct proto_result *ret) {
        struct scan scan = {};

        if (get_content(w, job, ret, &scan) && !ret->known) {
                uint64_t started = now_usec();

                scan_content(w, job, &scan);
                ret->scan_usec = elapsed_usec(started);
        }
        content_release(&job->content);
        ret->verdict = (uint8_t)scan.verdict;
        ret->reason = (uint8_t)scan.reason;
        memcpy(ret->signature, scan.text, sizeof(ret->signature));
}

/* ---- The process ---- */

static void take_fds(struct worker *w, int channel, int slot) {
        struct stat st;
        void *p;

        if (fstat(slot, &st) < 0 || st.st_size < (off_t)PROTO_SLOT_SIZE)
                die(w->setup, "its slot is not as large as agreed", NULL);
        p = mmap(NULL, PROTO_SLOT_SIZE, PROT_READ, MAP_SHARED, slot, 0);
        if (p == MAP_FAILED)
                die(w->setup, "its slot can't be mapped", strerror(errno));
        w->slot = p;
        if (dup2(channel, CHANNEL_FD) < 0 || close_range(CHANNEL_FD + 1, ~0U, 0) < 0)
                die(w->setup, "its fds can't be set up", strerror(errno));
}

static void enter_sandbox(struct worker *w) {
        const struct engine_options *options = w->setup->options;
        const struct sandbox_limits limits = {
                .address_space = w->setup->address_space,
                .max_file_size = options->max_file_size,
                .max_scan_size = options->max_scan_size,
                .max_recursion = options->max_recursion,
        };
        char problem[SANDBOX_PROBLEM_MAX];
        sigset_t none;

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (sandbox_limits(&limits, problem) < 0 ||
            sandbox_files(-EBADF, w->spool.path, problem) < 0 ||
            sandbox_calls_worker(CHANNEL_FD, problem) < 0)
                die(w->setup, problem, NULL);
}

static void answer(struct worker *w, const union proto_message *message) {
        int r = proto_send(CHANNEL_FD, message, -EBADF, -EBADF);

        if (r == -EPIPE || r == -ECONNRESET)
                _exit(EXIT_SUCCESS); /* nobody wants to know any more */
        if (r < 0)
                die(w->setup, "it can't answer", strerror(-r));
}

static void serve_job(struct worker *w, const struct proto_job *message, int fd) {
        struct job job = { .message = message, .fd = fd };
        union proto_message reply;

        if (message->has_fd != (fd >= 0))
                die(w->setup, "a job came with a file that it does not speak of, or without", NULL);
        proto_init(&reply, PROTO_RESULT);
        reply.result.id = message->id;
        judge(w, &job, &reply.result);
        close_fd(fd);
        answer(w, &reply);
        if (job.size > LARGE_SIZE || reply.result.scan_usec > LARGE_USEC)
                memory_trim();
        if (w->broken)
                die(w->setup, "its engine can't be relied on", reply.result.signature);
}

_Noreturn void serve(const struct serve_setup *setup, int channel, int slot) {
        struct worker w = { .setup = setup };
        char problem[ENGINE_PROBLEM_MAX];
        union proto_message message;
        int r;

        r = sandbox_child(setup->loader);
        if (r < 0)
                _exit(EXIT_FAILURE);
        take_fds(&w, channel, slot);
        r = spool_open(&w.spool, setup->tmpdir, setup->folder);
        if (r == 0 && chdir(w.spool.path) < 0)
                r = -errno;
        /* A scan makes some 25 system calls with a path of a temporary file: short ones. */
        if (r == 0)
                r = engine_set_tmpdir(setup->engine, ".");
        if (r < 0)
                die(setup, "its folder for temporary files can't be made", strerror(-r));
        enter_sandbox(&w);
        if (prove_engine(&w, problem) < 0)
                die(setup, problem, NULL);

        proto_init(&message, PROTO_HELLO);
        answer(&w, &message);
        for (;;) {
                int fds[2] = { -EBADF, -EBADF };

                r = proto_receive(CHANNEL_FD, &message, fds);
                if (r == 0 || r == -ECONNRESET)
                        _exit(EXIT_SUCCESS);
                if (r < 0)
                        die(setup, "it can't take jobs", strerror(-r));
                if (r != PROTO_JOB)
                        die(setup, "it was sent something that is not a job", NULL);
                serve_job(&w, &message.job, fds[0]);
        }
}
