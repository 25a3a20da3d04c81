/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the walk and the copy of the item that is looked at. An item is read into memory as a whole
 * before it is judged, so that whoever writes to the file meanwhile changes nothing of it; but
 * where it begins and ends was read before. So the file is asked after each: if it was changed,
 * other than by growing, the walk ends, and what was told stands. What came in the slot was all read at
 * once, and stays as it is.
 */

#include "daemon/worker/items.h"

#include <string.h>
#include <sys/stat.h>

#include "daemon/worker/content.h"
#include "daemon/worker/memory.h"
#include "daemon/worker/parts.h"
#include "store/util.h"

/* An item of such a size or duration may have taken much memory, most of which is given back. */
#define LARGE_SIZE (UINT64_C(1) << 20)
#define LARGE_USEC (50 * USEC_PER_MSEC)

DEFINE_CLEANUP(struct reader *, reader_free);

struct walk {
        struct judge *judge;
        const struct proto_job *job;
        enum reader_format format;
        int fd;             /* -EBADF: in the slot */
        const uint8_t *bay; /* then: from bay_at on */
        uint64_t bay_at;
        const struct spare *spare;
        struct teller *teller;
        struct stat begun;
        struct content content;
        uint64_t claimed; /* bytes looked at because of claims */
};

static ssize_t read_file(void *userdata, void *buf, size_t size, uint64_t offset) {
        const struct walk *w = userdata;
        ssize_t n;

        do
                n = pread(w->fd, buf, size, (off_t)offset);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* -ENODATA, -ESTALE: the file is not what it was. */
static int check_unchanged(const struct walk *w) {
        struct stat st;

        if (w->bay)
                return 0;
        if (fstat(w->fd, &st) < 0)
                return -errno;
        if (st.st_size < w->begun.st_size)
                return -ENODATA;
        if (st.st_size == w->begun.st_size && (st.st_mtim.tv_sec != w->begun.st_mtim.tv_sec ||
                                               st.st_mtim.tv_nsec != w->begun.st_mtim.tv_nsec))
                return -ESTALE;
        return 0;
}

/* Bytes that the reader has told of; there until the next call. */
static int get(struct walk *w, uint64_t offset, uint64_t size, const uint8_t **ret) {
        int r;

        if (w->bay) {
                *ret = w->bay + (offset - w->bay_at);
                return 0;
        }
        r = content_read(w->fd, offset, size, &w->content);
        *ret = w->content.data;
        return r;
}

/* ---- One item ---- */

static int judge_too_large(struct walk *w, const struct item *item, struct judgement *ret) {
        uint64_t looked = MIN(item->message_size, (uint64_t)CONTEXT_LOOKED);
        const uint8_t *data;
        int r;

        r = get(w, item->message_offset, looked, &data);
        if (r < 0)
                return r;
        engine_judge_too_large(w->judge->trust.engine, &ret->scan);
        context_read(data, (size_t)looked, &ret->context);
        return 0;
}

/* What readers see who believe the message's Content-Length. The claims of a file's messages may
 * all reach to its end, so there is a limit for them together. */
static int judge_claim(struct walk *w, const struct item *item, struct judgement *ret) {
        struct judge *judge = w->judge;
        const uint8_t *data;
        struct scan failed;
        int r;

        if (engine_too_large(judge->trust.engine, item->claimed_size) ||
            item->claimed_size > judge->options->max_scan_size - w->claimed) {
                judge_limits(judge, "its Content-Length claims more than the limits allow",
                             &failed);
                scan_merge(&ret->scan, &failed);
                return 0;
        }
        w->claimed += item->claimed_size;
        r = get(w, item->message_offset, item->claimed_size, &data);
        if (r < 0)
                return r;
        judge_scan(judge, data, (size_t)item->claimed_size, false, &ret->scan, &ret->context);
        return 0;
}

static int judge_item(struct walk *w, const struct item *item, struct judgement *ret) {
        const struct question question = {
                .use_cache = w->job->use_cache,
                .use_hub = w->job->use_hub && item->state != ITEM_IN_PROGRESS &&
                           !proto_is_distrusted(w->job, item->offset),
        };
        const uint8_t *data;
        bool large;
        int r;

        if (item->state == ITEM_HEADER) {
                scan_set(&ret->scan, VERDICT_CLEAN, REASON_NONE, "");
                return 0;
        }
        large = engine_too_large(w->judge->trust.engine, item->size);
        r = large ? judge_too_large(w, item, ret) : get(w, item->offset, item->size, &data);
        if (r == 0)
                r = check_unchanged(w);
        if (r < 0 || large)
                return r;
        r = spare_begin(w->spare, item->offset, data, item->size, &ret->scan);
        if (r != 0)
                return MIN(r, 0);

        trust_begin(&w->judge->trust);
        parts_judge_item(w->judge, w->format, item, data, &question, ret);
        if (item->claimed_size > 0 && ret->scan.verdict != VERDICT_INFECTED)
                r = judge_claim(w, item, ret);
        return r;
}

static void tell(struct walk *w, const struct item *item, const struct judgement *j) {
        struct proto_span span = {
                .offset = item->offset,
                .size = item->size,
                .how = j->known == KNOWN_HUB ? ITEM_HUB
                       : j->known            ? ITEM_CACHED
                                             : ITEM_SCANNED,
                .verdict = (uint8_t)j->scan.verdict,
                .reason = (uint8_t)j->scan.reason,
                .has_digest = j->has_digest,
                .last = item->last,
        };

        if (j->has_digest)
                memcpy(span.digest, j->digest, sizeof(span.digest));
        if (j->known == KNOWN_HUB)
                tell_claim(w->teller, &span, &j->hub);
        else if (j->known || j->scan.verdict == VERDICT_CLEAN)
                tell_dull(w->teller, &span);
        else
                tell_item(w->teller, &span, j->scan.text, &j->context);
}

static int do_item(struct walk *w, const struct item *item) {
        struct judgement j = {};
        int r;

        if (item->size > LARGE_SIZE)
                tell_flush(w->teller);
        else
                tell_overdue(w->teller);
        r = judge_item(w, item, &j);
        if (r < 0)
                return r;
        tell(w, item, &j);
        /* What ends a worker is found at the end of what was told. */
        if (w->job->announce)
                tell_flush(w->teller);
        if (item->size > LARGE_SIZE ||
            (j.scan_usec > 0 && trust_now_usec() - j.scan_usec > LARGE_USEC)) {
                content_trim(&w->content);
                memory_trim();
        }
        return 0;
}

/* ---- The walk ---- */

/* Where the items are; the file's size by the file itself. */
static int find_source(struct walk *w, struct reader_source *ret) {
        *ret = (struct reader_source){ .read = read_file, .userdata = w };
        if (w->bay) {
                w->bay_at = proto_bay_at((enum job_form)w->job->form, w->job->from);
                ret->memory = w->bay;
                ret->memory_at = w->bay_at;
                ret->size = w->bay_at + w->job->size;
                return 0;
        }
        if (fstat(w->fd, &w->begun) < 0)
                return -errno;
        if (!S_ISREG(w->begun.st_mode))
                return -EMEDIUMTYPE;
        ret->size = (uint64_t)w->begun.st_size;
        return 0;
}

static int walk_items(struct walk *w) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        const struct proto_job *job = w->job;
        struct reader_source source;
        struct item item;
        int r;

        r = find_source(w, &source);
        if (r < 0)
                return r;
        if (job->from > source.size)
                return -ENODATA;
        r = reader_new(w->format, &source, job->from, 0, &reader);
        while (r == 0) {
                r = reader_next(reader, &item);
                if (r == 0)
                        return check_unchanged(w);
                if (r < 0)
                        return r;
                if (item.offset + item.size <= job->wanted) {
                        tell_passed(w->teller, item.offset, item.size, item.last);
                        if (job->announce)
                                tell_flush(w->teller);
                        r = 0;
                } else
                        r = do_item(w, &item);
                if (w->judge->trust.broken || item.offset + item.size >= job->to)
                        break;
        }
        return r;
}

bool items_walk(struct judge *judge, const struct proto_job *job, int fd, const uint8_t *bay,
                const struct spare *spare, struct teller *teller, struct scan *ret) {
        struct walk w = {
                .judge = judge,
                .job = job,
                .format = job->form == JOB_MBOX ? READER_MBOX : READER_DBOX,
                .fd = fd,
                .bay = fd < 0 ? bay : NULL,
                .spare = spare,
                .teller = teller,
        };
        bool through = false;
        int r;

        r = walk_items(&w);
        if (r >= 0 && !judge->trust.broken)
                through = tell_through(teller);
        else
                tell_flush(teller);
        content_release(&w.content);
        if (r < 0)
                judge_unread(r, ret);
        else if (judge->trust.broken)
                scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE, "the engine can't be relied on");
        else
                scan_set(ret, VERDICT_CLEAN, REASON_NONE, "");
        return through;
}
