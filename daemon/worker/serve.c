/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the channel, the mappings of slot and verdict cache, and the life of one worker. Must not
 * trust what the gate says of the content: sizes are looked at again.
 */

#include "daemon/worker/serve.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/child.h"
#include "daemon/proto.h"
#include "daemon/worker/content.h"
#include "daemon/worker/items.h"
#include "daemon/worker/memory.h"
#include "daemon/worker/parts.h"
#include "daemon/worker/plan.h"
#include "daemon/worker/sandbox.h"
#include "daemon/worker/spare.h"
#include "store/util.h"

/* A job of such content or duration may have taken much memory, most of which is given back. */
#define LARGE_SIZE ((uint64_t)256 << 10)
#define LARGE_USEC (50 * USEC_PER_MSEC)
#define CHANNEL_FD CHILD_FD
#define POOL_FD    (CHILD_FD + 1)

struct worker {
        const struct serve_setup *setup;
        const uint8_t *slot;
        struct spare spare;
        size_t cache_size; /* of its mapping; 0: there is none */
        struct judge judge;
};

struct job {
        const struct proto_job *message;
        int fd; /* -EBADF: the slot */
        uint64_t size;
        struct content content;
};

static uint32_t span_usec(uint64_t from, uint64_t to) {
        return (uint32_t)MIN(to - from, (uint64_t)UINT32_MAX);
}

static _Noreturn void die(const struct serve_setup *setup, const char *what, const char *why) {
        fprintf(stderr, "storescan-worker %s: %s%s%s.\n", setup->folder, what, why ? ": " : "",
                why ? why : "");
        _exit(EXIT_FAILURE);
}

/* ---- A job ---- */

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

/* Where in the slot its content is, if it has no fd. */
static const uint8_t *bay_of(const struct worker *w, const struct proto_job *message) {
        return w->slot + message->bay * PROTO_BAY_SIZE;
}

static int get_content(struct worker *w, struct job *job) {
        if (job->fd >= 0)
                return content_read(job->fd, 0, job->size, &job->content);
        job->content.data = bay_of(w, job->message);
        job->content.size = job->size;
        return 0;
}

static void judge(struct worker *w, struct job *job, struct judgement *ret) {
        const struct question question = {
                .known = job->message->has_known ? job->message->known : NULL,
                .use_cache = job->message->use_cache,
                .use_hub = job->message->use_hub,
                .cover = job->message->cover,
        };
        int r;

        r = find_size(job);
        if (r == 0 && engine_too_large(w->setup->engine, job->size)) {
                engine_judge_too_large(w->setup->engine, &ret->scan);
                return;
        }
        if (r == 0)
                r = get_content(w, job);
        if (r < 0) {
                judge_unread(r, &ret->scan);
                return;
        }
        r = spare_begin(&w->spare, 0, job->content.data, job->content.size, &ret->scan);
        if (r != 0) {
                if (r < 0)
                        judge_unread(r, &ret->scan);
                content_release(&job->content);
                return;
        }
        trust_begin(&w->judge.trust);
        if (job->message->attachments && attachments_wanted(w->setup->attachments)) {
                r = attachments_mail(w->setup->attachments, job->content.data, job->content.size);
                if (r < 0) {
                        judge_unread(r, &ret->scan);
                        content_release(&job->content);
                        return;
                }
                engine_set_attachments(w->setup->engine, w->setup->attachments);
        }
        if (job->message->form == JOB_DBOX)
                parts_judge_dbox(&w->judge, job->content.data, job->content.size, &question, ret);
        else
                judge_message(&w->judge,
                              job->message->form == JOB_MESSAGE ? CANON_MESSAGE : CANON_RAW,
                              job->content.data, job->content.size, &question, ret);
        engine_set_attachments(w->setup->engine, NULL);
        content_release(&job->content);
}

static void send_message(void *userdata, const union proto_message *message) {
        const struct worker *w = userdata;
        int r = proto_send_patiently(CHANNEL_FD, message);

        if (r == -EPIPE || r == -ECONNRESET)
                _exit(EXIT_SUCCESS); /* nobody wants to know any more */
        if (r < 0)
                die(w->setup, "it can't answer", strerror(-r));
}

static void tell_cover(struct worker *w, const struct job *job, const struct judgement *j) {
        union proto_message message;

        if (!j->covered)
                return;
        proto_init(&message, PROTO_COVER);
        message.cover.id = job->message->id;
        message.cover.check = (uint8_t)j->cover;
        if (j->cover == HUB_GOOD) {
                memcpy(message.cover.body, j->cover_body, sizeof(message.cover.body));
                memcpy(message.cover.header_digest, j->cover_header,
                       sizeof(message.cover.header_digest));
        }
        send_message(w, &message);
}

static void answer(const struct judgement *j, struct proto_result *ret) {
        ret->known = (uint8_t)j->known;
        ret->has_digest = j->has_digest;
        if (j->has_digest)
                memcpy(ret->digest, j->digest, sizeof(ret->digest));
        ret->hub = j->hub;
        ret->verdict = (uint8_t)j->scan.verdict;
        ret->reason = (uint8_t)j->scan.reason;
        memcpy(ret->signature, j->scan.text, sizeof(ret->signature));
        if (j->scan.verdict != VERDICT_CLEAN)
                ret->context = j->context;
}

static void do_one(struct worker *w, struct job *job, struct proto_result *ret) {
        uint64_t started = trust_now_usec(), now;
        struct judgement j = {};

        judge(w, job, &j);
        now = trust_now_usec();
        ret->digest_usec = span_usec(started, j.scan_usec ? j.scan_usec : now);
        ret->scan_usec = j.scan_usec ? span_usec(j.scan_usec, now) : 0;
        tell_cover(w, job, &j);
        answer(&j, ret);
}

/* Of the job that was just done. */
static void tell_attachment(struct worker *w, const struct job *job) {
        const struct attachments *a = w->setup->attachments;
        union proto_message message;

        if (!job->message->attachments || !attachments_wanted(a) || !a->found)
                return;
        proto_init(&message, PROTO_ATTACHMENT);
        message.attachment.id = job->message->id;
        message.attachment.by_type = a->by_type;
        proto_text(message.attachment.pattern, sizeof(message.attachment.pattern), a->pattern);
        proto_text(message.attachment.name, sizeof(message.attachment.name), a->name);
        send_message(w, &message);
}

/* Whether that it is through was told with its items. */
static bool do_many(struct worker *w, struct job *job, struct proto_result *ret) {
        uint64_t started = trust_now_usec();
        struct scan scan = {};
        struct teller teller;
        bool told;

        teller_init(&teller, job->message->id, send_message, w);
        told = items_walk(&w->judge, job->message, job->fd, bay_of(w, job->message), &w->spare,
                          &teller, &scan);
        ret->scan_usec = span_usec(started, trust_now_usec());
        ret->verdict = (uint8_t)scan.verdict;
        ret->reason = (uint8_t)scan.reason;
        memcpy(ret->signature, scan.text, sizeof(ret->signature));
        return told;
}

/* Tells of the plan, before its result. */
static void do_plan(struct worker *w, const struct job *job, int planned,
                    struct proto_result *ret) {
        const struct plan_words words = { .notice = w->setup->notice, .host = w->setup->host };
        uint64_t started = trust_now_usec();
        union proto_message message;
        struct judgement j = {};

        proto_init(&message, PROTO_PLAN);
        message.plan.id = job->message->id;
        plan_make(&w->judge, &words, job->message, job->fd, planned, &message.plan, &j);
        ret->scan_usec = span_usec(started, trust_now_usec());
        answer(&j, ret);
        send_message(w, &message);
}

/* ---- The process ---- */

/* Without it every content is scanned: no reason to go without a worker. */
static void take_cache(struct worker *w, int cache) {
        struct stat st;
        void *p;

        if (fstat(cache, &st) < 0 || st.st_size <= 0)
                return;
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, cache, 0);
        if (p == MAP_FAILED)
                return;
        if (cache_view(p, (size_t)st.st_size, &w->judge.cache) < 0) {
                fprintf(stderr, "storescan-worker %s: it can't read the verdict cache.\n",
                        w->setup->folder);
                (void)munmap(p, (size_t)st.st_size);
                return;
        }
        w->cache_size = (size_t)st.st_size;
}

static void take_fds(struct worker *w, int channel, int slot, int cache) {
        struct stat st;
        void *p;

        if (fstat(slot, &st) < 0 || st.st_size < (off_t)PROTO_SLOT_SIZE)
                die(w->setup, "its slot is not as large as agreed", NULL);
        p = mmap(NULL, PROTO_SLOT_SIZE, PROT_READ, MAP_SHARED, slot, 0);
        if (p == MAP_FAILED)
                die(w->setup, "its slot can't be mapped", strerror(errno));
        w->slot = p;
        if (cache >= 0)
                take_cache(w, cache);
        if (dup2(channel, CHANNEL_FD) < 0 ||
            (w->setup->pool >= 0 && dup2(w->setup->pool, POOL_FD) < 0) ||
            close_range(w->setup->pool >= 0 ? POOL_FD + 1 : POOL_FD, ~0U, 0) < 0)
                die(w->setup, "its fds can't be set up", strerror(errno));
}

static void enter_sandbox(struct worker *w) {
        const struct engine_options *options = w->setup->options;
        const struct sandbox_limits limits = {
                /* The mapping of the cache came later. */
                .address_space =
                        w->setup->address_space > 0 ? w->setup->address_space + w->cache_size : 0,
                .max_file_size = options->max_file_size,
                .max_scan_size = options->max_scan_size,
                .max_recursion = options->max_recursion,
        };
        char problem[SANDBOX_PROBLEM_MAX];
        sigset_t none;

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (sandbox_limits(&limits, problem) < 0 ||
            sandbox_files(-EBADF, w->judge.trust.spool.path, problem) < 0 ||
            sandbox_calls_worker(CHANNEL_FD, w->setup->pool >= 0 ? POOL_FD : -EBADF, problem) < 0)
                die(w->setup, problem, NULL);
}

/* Another worker has it by now. */
static bool is_taken_back(const struct worker *w, const struct proto_job *message) {
        const struct proto_taken *taken = (const void *)(w->slot + PROTO_TAKEN_AT);

        return message->id > 0 && !message->has_fd && message->bay < PROTO_BAYS &&
               atomic_load(&taken->ids[message->bay]) == message->id;
}

static void serve_job(struct worker *w, const struct proto_job *message, int fd, int planned) {
        struct job job = { .message = message, .fd = fd };
        union proto_message reply;
        bool told = false;

        if (message->has_fd != (fd >= 0) || message->plan != (planned >= 0))
                die(w->setup, "a job came with a file that it does not speak of, or without", NULL);
        proto_init(&reply, PROTO_RESULT);
        reply.result.id = message->id;
        if (is_taken_back(w, message)) {
                reply.result.reason = REASON_SHUTDOWN;
                send_message(w, &reply);
                return;
        }
        attachments_begin(w->setup->attachments);
        w->spare = (struct spare){
                .view = (const struct poison_view *)(const void *)(w->slot + PROTO_POISON_AT),
                .job = message,
                .send = send_message,
                .userdata = w,
        };
        if (message->plan)
                do_plan(w, &job, planned, &reply.result);
        else if (message->many)
                told = do_many(w, &job, &reply.result);
        else
                do_one(w, &job, &reply.result);
        close_fd(fd);
        close_fd(planned);
        tell_attachment(w, &job);
        if (!told)
                send_message(w, &reply);
        if (job.size > LARGE_SIZE || reply.result.scan_usec > LARGE_USEC)
                memory_trim();
        if (w->judge.trust.broken)
                die(w->setup, "its engine can't be relied on", reply.result.signature);
}

_Noreturn void serve(const struct serve_setup *setup, int channel, int slot, int cache) {
        struct worker w = {
                .setup = setup,
                .judge = { .trust = { .engine = setup->engine,
                                      .canary = setup->canary,
                                      .max_scan_msec = setup->options->max_scan_msec },
                           .options = setup->options,
                           .generation = setup->generation },
        };
        char problem[ENGINE_PROBLEM_MAX];
        union proto_message message;
        int r;

        r = sandbox_child(setup->loader);
        if (r < 0)
                _exit(EXIT_FAILURE);
        take_fds(&w, channel, slot, cache);
        if (setup->pool >= 0)
                engine_set_pool(setup->engine, POOL_FD, setup->fallback);
        r = spool_open(&w.judge.trust.spool, setup->tmpdir, setup->folder);
        if (r == 0 && chdir(w.judge.trust.spool.path) < 0)
                r = -errno;
        /* A scan makes some 25 system calls with a path of a temporary file: short ones. */
        if (r == 0)
                r = engine_set_tmpdir(setup->engine, ".");
        if (r < 0)
                die(setup, "its folder for temporary files can't be made", strerror(-r));
        enter_sandbox(&w);
        if (trust_prove(&w.judge.trust, problem) < 0)
                die(setup, problem, NULL);

        proto_init(&message, PROTO_HELLO);
        send_message(&w, &message);
        for (;;) {
                int fds[PROTO_FDS_MAX];

                r = proto_receive(CHANNEL_FD, &message, fds);
                if (r == 0 || r == -ECONNRESET)
                        _exit(EXIT_SUCCESS);
                if (r < 0)
                        die(setup, "it can't take jobs", strerror(-r));
                if (r != PROTO_JOB)
                        die(setup, "it was sent something that is not a job", NULL);
                serve_job(&w, &message.job, fds[0], fds[1]);
        }
}
