/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A loader and workers without an engine, which do what the content tells them: what the gate makes
 * of workers that crash, hang or lie is tested with it (STORESCAN_WORKER=.../fake-worker).
 *
 *     INFECTED        the verdict infected, signature Fake.Test
 *     UNSCANNABLE     the verdict unscannable, by limits
 *     CRASH           die; CRASH-ONCE: die unless another worker was there before
 *     HANG            never answer; HANG-ONCE: likewise
 *     SLOW            answer clean after a second; SLOWER: after five; SLOWEST: after fifty
 *     LIE-ID          answer for another job
 *     LIE-KNOWN       say that the digest matched although none was asked for
 *     LIE-TWICE       answer twice
 *     LIE-FDS         send fds along
 *     LIE-SHORT       send half a message
 *     LIE-VERDICT     a verdict that does not exist
 *     LIE-GAP         of many items: tell nothing of this one
 *     LIE-END         of many items: say that this was the last one
 *     LIE-SIZE        of many items: say that this one is far larger than the file, then hang
 *     anything else   clean
 *
 * The word stands at the beginning of the content, or of its body. Of a file of many items that
 * holds for each item, and others are told of first. An item in progress or damaged is clean, too.
 * Signatures are not loaded as long as it is held (hold.h).
 */

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/child.h"
#include "daemon/proto.h"
#include "store/cache.h"
#include "store/canon.h"
#include "store/reader.h"
#include "store/util.h"
#include "tests/system/hold.h"

#define LARGE_MAX ((size_t)1 << 26)

DEFINE_CLEANUP(struct reader *, reader_free);

static struct generation generation = { .id = "faker!" }; /* another with pua = yes */

struct fake {
        int channel;
        const uint8_t *slot;
        struct cache_view cache;
        union proto_message job;
        uint8_t *large; /* LARGE_MAX bytes */
        union proto_message pending;
};

struct bytes {
        const uint8_t *data;
        size_t size;
};

/* ---- What the content says ---- */

static bool says(const struct bytes *content, const char *word) {
        size_t n = strlen(word);
        const uint8_t *body = memmem(content->data, content->size, "\n\n", 2);

        if (content->size >= n && memcmp(content->data, word, n) == 0)
                return true;
        return body && content->size - (size_t)(body - content->data) >= n + 2 &&
               memcmp(body + 2, word, n) == 0;
}

static void misbehave(const struct fake *f, const struct bytes *c) {
        if (says(c, "CRASH-ONCE") ? !f->job.job.announce : says(c, "CRASH"))
                raise(SIGKILL);
        if (says(c, "HANG-ONCE") ? !f->job.job.announce : says(c, "HANG"))
                for (;;)
                        (void)pause();
        if (says(c, "SLOW"))
                (void)poll(NULL, 0, says(c, "SLOWEST") ? 50000 : says(c, "SLOWER") ? 5000 : 1000);
}

/* Tells message, in the way that the content wants it told. */
static void tell(const struct fake *f, const union proto_message *message, const struct bytes *c) {
        const int fds[] = { STDERR_FILENO, STDERR_FILENO };

        if (says(c, "LIE-SHORT")) {
                (void)!send(f->channel, message, message->header.size / 2, MSG_NOSIGNAL);
                return;
        }
        if (says(c, "LIE-FDS"))
                (void)proto_send(f->channel, message, fds, ELEMENTSOF(fds));
        else
                (void)proto_send_patiently(f->channel, message);
        if (says(c, "LIE-TWICE"))
                (void)proto_send_patiently(f->channel, message);
}

static bool hinted(const struct fake *f, const uint8_t digest[static DIGEST_SIZE]) {
        return f->job.job.use_cache && f->cache.slots && cache_hint(&f->cache, digest, &generation);
}

/* ---- One item ---- */

static void answer(const struct fake *f, enum canon_form form, const struct bytes *c) {
        const struct proto_job *job = &f->job.job;
        union proto_message m;

        proto_init(&m, PROTO_RESULT);
        m.result.id = job->id + says(c, "LIE-ID");
        m.result.verdict = VERDICT_CLEAN;
        m.result.has_digest = 1;
        (void)canon_buffer(form, c->data, c->size, m.result.digest);
        if (job->has_known && memcmp(m.result.digest, job->known, STAMP_DIGEST_SIZE) == 0)
                m.result.known = KNOWN_DIGEST;
        else if (hinted(f, m.result.digest))
                m.result.known = KNOWN_CACHE;
        else if (says(c, "INFECTED")) {
                m.result.verdict = VERDICT_INFECTED;
                proto_text(m.result.signature, sizeof(m.result.signature), "Fake.Test");
        } else if (says(c, "UNSCANNABLE")) {
                m.result.verdict = VERDICT_UNSCANNABLE;
                m.result.reason = REASON_LIMITS;
        }
        if (says(c, "LIE-KNOWN"))
                m.result.known = KNOWN_DIGEST;
        if (m.result.known)
                m.result.verdict = VERDICT_UNKNOWN;
        else if (m.result.verdict != VERDICT_CLEAN)
                context_read(c->data, c->size, &m.result.context);
        if (says(c, "LIE-VERDICT"))
                m.result.verdict = 77;
        tell(f, &m, c);
}

/* ---- Files ---- */

static ssize_t read_fd(void *userdata, void *buf, size_t size, uint64_t offset) {
        ssize_t n = pread(*(int *)userdata, buf, size, (off_t)offset);

        return n < 0 ? -errno : n;
}

static uint64_t bay_at(const struct fake *f) {
        return proto_bay_at((enum job_form)f->job.job.form, f->job.job.from);
}

/* The content in the slot, of a job without an fd. */
static struct bytes bay(const struct fake *f) {
        return (struct bytes){ f->slot + (size_t)f->job.job.bay * PROTO_BAY_SIZE,
                               (size_t)f->job.job.size };
}

static struct bytes read_bytes(const struct fake *f, int fd, uint64_t offset, uint64_t size) {
        ssize_t n;

        if (fd < 0)
                return (struct bytes){ bay(f).data + (offset - bay_at(f)), (size_t)size };
        n = pread(fd, f->large, (size_t)MIN(size, (uint64_t)LARGE_MAX), (off_t)offset);

        return (struct bytes){ f->large, (size_t)MAX(n, 0) };
}

static int open_items(const struct fake *f, int *fd, uint64_t from, struct reader **ret) {
        struct reader_source source = { .read = read_fd, .userdata = fd };
        struct stat st;

        if (*fd < 0) {
                source.memory = bay(f).data;
                source.memory_at = bay_at(f);
                source.size = bay_at(f) + bay(f).size;
        } else if (fstat(*fd, &st) < 0)
                return -errno;
        else
                source.size = (uint64_t)st.st_size;
        return reader_new(f->job.job.form == JOB_MBOX ? READER_MBOX : READER_DBOX, &source, from, 0,
                          ret);
}

static void flush(struct fake *f) {
        f->pending.items.id = f->job.job.id;
        if (f->pending.items.n > 0)
                (void)proto_send_patiently(f->channel, &f->pending);
        proto_init(&f->pending, PROTO_ITEMS);
}

/* Puts an item with those that are told of later. */
static void add(struct fake *f, const struct proto_span *span) {
        struct proto_items *items = &f->pending.items;
        struct proto_span *row = items->n > 0 ? &items->spans[items->n - 1] : NULL;

        if (row && span->how == ITEM_PASSED && row->how == ITEM_PASSED) {
                row->size += span->size;
                row->last = span->last;
                return;
        }
        items->spans[items->n++] = *span;
        if (items->n == PROTO_SPANS_MAX)
                flush(f);
}

/* An item that has something to say, in a message of its own. */
static void tell_item(struct fake *f, struct proto_span *span, const struct bytes *c) {
        bool infected = says(c, "INFECTED"), lies = says(c, "LIE-");
        union proto_message m;

        flush(f);
        proto_init(&m, infected || says(c, "UNSCANNABLE") ? PROTO_ITEM : PROTO_ITEMS);
        if (says(c, "LIE-KNOWN")) {
                span->how = ITEM_CACHED;
                span->verdict = VERDICT_UNKNOWN;
        }
        if (says(c, "LIE-VERDICT"))
                span->verdict = 77;
        if (m.header.kind == PROTO_ITEM) {
                m.item.id = f->job.job.id;
                span->verdict = infected ? VERDICT_INFECTED : VERDICT_UNSCANNABLE;
                span->reason = infected ? REASON_NONE : REASON_LIMITS;
                m.item.span = *span;
                proto_text(m.item.signature, sizeof(m.item.signature), infected ? "Fake.Test" : "");
                context_read(c->data, c->size, &m.item.context);
        } else {
                m.items.id = f->job.job.id + (lies && says(c, "LIE-ID"));
                m.items.n = 1;
                m.items.spans[0] = *span;
        }
        if (says(c, "LIE-SIZE"))
                m.items.spans[0].size = UINT64_C(1) << 52;
        if (!says(c, "LIE-GAP"))
                tell(f, &m, c);
        while (says(c, "LIE-SIZE"))
                (void)pause();
}

/* Whether it was the last one that is told of. */
static bool do_item(struct fake *f, int fd, const struct item *item) {
        struct bytes c = read_bytes(f, fd, item->message_offset, item->message_size);
        struct proto_span span = {
                .offset = item->offset,
                .size = item->size,
                .how = ITEM_PASSED,
                .last = item->last,
        };

        if (item->offset + item->size > f->job.job.wanted) {
                span.how = ITEM_SCANNED;
                span.verdict = VERDICT_CLEAN;
                if (item->state == ITEM_WHOLE) {
                        span.has_digest = 1;
                        (void)canon_buffer(CANON_MESSAGE, c.data, c.size, span.digest);
                        if (hinted(f, span.digest)) {
                                span.how = ITEM_CACHED;
                                span.verdict = VERDICT_UNKNOWN;
                        }
                }
        }
        if (span.how == ITEM_SCANNED &&
            (says(&c, "CRASH") || says(&c, "HANG") || says(&c, "SLOW"))) {
                flush(f);
                misbehave(f, &c);
        }
        if (span.how == ITEM_SCANNED &&
            (says(&c, "INFECTED") || says(&c, "UNSCANNABLE") || says(&c, "LIE-")))
                tell_item(f, &span, &c);
        else
                add(f, &span);
        return says(&c, "LIE-END") || item->offset + item->size >= f->job.job.to;
}

/* As storescan-worker has it: another worker does it by now. */
static bool is_taken_back(const struct fake *f) {
        const struct proto_taken *taken = (const void *)(f->slot + PROTO_TAKEN_AT);
        const struct proto_job *job = &f->job.job;

        return !job->has_fd && job->bay < PROTO_BAYS &&
               atomic_load(&taken->ids[job->bay]) == job->id;
}

static void give_up(const struct fake *f) {
        union proto_message m;

        proto_init(&m, PROTO_RESULT);
        m.result.id = f->job.job.id;
        m.result.reason = REASON_SHUTDOWN;
        (void)proto_send_patiently(f->channel, &m);
}

static void walk(struct fake *f, int fd) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        union proto_message m;
        struct item item;
        int r;

        proto_init(&f->pending, PROTO_ITEMS);
        r = open_items(f, &fd, f->job.job.from, &reader);
        while (r == 0) {
                r = reader_next(reader, &item);
                if (r <= 0 || do_item(f, fd, &item))
                        break;
                r = 0;
        }
        flush(f);
        proto_init(&m, PROTO_RESULT);
        m.result.id = f->job.job.id;
        m.result.verdict = r < 0 ? VERDICT_UNKNOWN : VERDICT_CLEAN;
        m.result.reason = r < 0 ? REASON_READ : REASON_NONE;
        (void)proto_send_patiently(f->channel, &m);
}

/* The message of an sdbox file; of anything else, all of it. */
static bool only_message(const struct fake *f, int fd, struct item *ret) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        struct item header;

        return open_items(f, &fd, 0, &reader) == 0 && reader_next(reader, &header) > 0 &&
               header.state == ITEM_HEADER && reader_next(reader, ret) > 0 &&
               ret->state == ITEM_WHOLE && ret->last;
}

static void do_one(struct fake *f, int fd) {
        enum canon_form form = f->job.job.form == JOB_RAW ? CANON_RAW : CANON_MESSAGE;
        struct bytes c = { f->slot + f->job.job.bay * PROTO_BAY_SIZE, (size_t)f->job.job.size };
        struct item item = { .message_size = UINT64_MAX };
        _cleanup_close_ int copy = -EBADF;

        if (f->job.job.form == JOB_DBOX && fd < 0) {
                copy = memfd_create("content", MFD_CLOEXEC);
                (void)!write(copy, c.data, c.size);
                fd = copy;
        }
        if (f->job.job.form == JOB_DBOX && !only_message(f, fd, &item)) {
                item = (struct item){ .message_size = UINT64_MAX };
                form = CANON_RAW;
        }
        if (fd >= 0)
                c = read_bytes(f, fd, item.message_offset, item.message_size);
        misbehave(f, &c);
        answer(f, form, &c);
}

/* Nothing that it finds can be replaced. */
static void no_plan(const struct fake *f) {
        const struct proto_job *job = &f->job.job;
        union proto_message m;

        proto_init(&m, PROTO_PLAN);
        m.plan.id = job->id;
        m.plan.outcome = PLAN_NONE;
        m.plan.offset = job->from;
        m.plan.size = job->many ? job->to - job->from : job->size;
        proto_text(m.plan.signature, sizeof(m.plan.signature), "Fake.Test");
        (void)proto_send_patiently(f->channel, &m);
        proto_init(&m, PROTO_RESULT);
        m.result.id = job->id;
        m.result.verdict = VERDICT_INFECTED;
        proto_text(m.result.signature, sizeof(m.result.signature), "Fake.Test");
        (void)proto_send_patiently(f->channel, &m);
}

/* ---- Processes ---- */

static void take_cache(struct fake *f, int fd) {
        struct stat st;
        void *p;

        if (fd < 0 || fstat(fd, &st) < 0)
                return;
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED)
                (void)cache_view(p, (size_t)st.st_size, &f->cache);
}

static _Noreturn void worker(const int fds[static PROTO_FDS_MAX]) {
        static struct fake f;
        void *slot = mmap(NULL, PROTO_SLOT_SIZE, PROT_READ, MAP_SHARED, fds[1], 0);
        void *large =
                mmap(NULL, LARGE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        union proto_message m;
        int job_fds[PROTO_FDS_MAX];

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        f.channel = fds[0];
        f.slot = slot;
        f.large = large;
        take_cache(&f, fds[2]);
        proto_init(&m, PROTO_HELLO);
        if (slot == MAP_FAILED || large == MAP_FAILED || proto_send(f.channel, &m, NULL, 0) < 0)
                _exit(1);
        while (proto_receive(f.channel, &f.job, job_fds) == PROTO_JOB) {
                if (is_taken_back(&f))
                        give_up(&f);
                else if (f.job.job.plan)
                        no_plan(&f);
                else if (f.job.job.many)
                        walk(&f, job_fds[0]);
                else
                        do_one(&f, job_fds[0]);
                close_fd(job_fds[0]);
                close_fd(job_fds[1]);
        }
        _exit(0);
}

int main(void) {
        union proto_message m;
        int fds[PROTO_FDS_MAX], kind;
        char self[PATH_MAX];

        (void)signal(SIGCHLD, SIG_IGN);
        while ((kind = proto_receive(CHILD_FD, &m, fds)) > 0) {
                if (kind == PROTO_LOAD) {
                        (void)hold(self);
                        generation.id[0] = m.load.pua ? 'F' : 'f';
                        proto_init(&m, PROTO_LOADED);
                        m.loaded.generation = generation;
                        m.loaded.signatures = 1;
                        proto_text(m.loaded.engine, sizeof(m.loaded.engine), "Fake");
                        (void)proto_send(CHILD_FD, &m, NULL, 0);
                } else if (kind == PROTO_SPAWN && fork() == 0)
                        worker(fds);
                for (size_t i = 0; i < PROTO_FDS_MAX; i++)
                        close_fd(fds[i]);
        }
        return 0;
}
