/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the finding of the item and the memory of its bytes. Must not know of plans. What is read here
 * may be changed by others at the same time: whoever writes a plan to the file holds it against the
 * digest of what was read.
 */

#include "daemon/worker/plan-item.h"

#include <string.h>
#include <sys/stat.h>

#include "daemon/worker/parts.h"
#include "store/util.h"

DEFINE_CLEANUP(struct reader *, reader_free);

static enum reader_format format_of(const struct proto_job *job) {
        return job->form == JOB_MBOX ? READER_MBOX : READER_DBOX;
}

static ssize_t read_file(void *userdata, void *buf, size_t size, uint64_t offset) {
        ssize_t n;

        do
                n = pread(*(int *)userdata, buf, size, (off_t)offset);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* Whether an item begins where the job says, and ends there. */
static int find_item(struct plan_item *it, int fd, uint64_t file_size) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        const struct reader_source source = { .read = read_file,
                                              .userdata = &fd,
                                              .size = file_size };
        int r;

        if (it->offset > file_size)
                return 0;
        r = reader_new(format_of(it->job), &source, it->offset, 0, &reader);
        if (r == 0)
                r = reader_next(reader, &it->item);
        if (r <= 0)
                return r;
        return it->item.offset == it->offset && it->item.size == it->size &&
               it->item.state != ITEM_HEADER;
}

/* Of what is damaged, or still being written, nobody knows what is the message. */
static void find_message_of_many(struct plan_item *it) {
        if (it->item.state != ITEM_WHOLE)
                return;
        it->message_at = (size_t)(it->item.message_offset - it->item.offset);
        it->message_size = (size_t)it->item.message_size;
}

static int find_message(struct plan_item *it) {
        if (it->job->many)
                find_message_of_many(it);
        else if (it->job->form == JOB_DBOX)
                return parts_find_message(it->content.data, (size_t)it->size, &it->message_at,
                                          &it->message_size);
        else if (it->job->form == JOB_MESSAGE || it->job->detached)
                it->message_size = (size_t)it->size;
        return 0;
}

/* Bytes from the item's begin on that some reader takes for it. */
static uint64_t extent(const struct plan_item *it) {
        uint64_t claimed = it->item.claimed_size > 0
                                   ? it->item.message_offset - it->offset + it->item.claimed_size
                                   : 0;

        return MAX(it->size, claimed);
}

static int read_item(struct judge *judge, struct plan_item *it, int fd) {
        struct stat before, after;
        uint64_t size;
        int r = 1;

        if (fstat(fd, &before) < 0)
                return -errno;
        if (!S_ISREG(before.st_mode))
                return -EMEDIUMTYPE;
        if (it->job->many)
                r = find_item(it, fd, (uint64_t)before.st_size);
        else if ((uint64_t)before.st_size != it->size || it->size == 0)
                return 0;
        if (r <= 0)
                return r;
        size = extent(it);
        it->too_large = engine_too_large(judge->trust.engine, size);
        if (it->too_large)
                return 1;
        r = content_read(fd, it->offset, size, &it->content);
        if (r == -ENODATA)
                return 0;
        if (r < 0)
                return r;
        if (fstat(fd, &after) < 0)
                return -errno;
        if (after.st_size < before.st_size ||
            (after.st_size == before.st_size && (after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
                                                 after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)))
                return 0;
        r = find_message(it);
        return r < 0 ? r : 1;
}

int plan_item_read(struct judge *judge, const struct proto_job *job, int fd,
                   struct plan_item *ret) {
        struct plan_item it = {
                .job = job,
                .offset = job->from,
                .size = job->many ? job->to - job->from : job->size,
        };
        int r;

        r = read_item(judge, &it, fd);
        if (r <= 0)
                plan_item_release(&it);
        else
                *ret = it;
        return r;
}

void plan_item_release(struct plan_item *it) {
        content_release(&it->content);
}

void plan_item_judge(struct judge *judge, const struct plan_item *it, const uint8_t *data,
                     struct judgement *ret) {
        const struct question question = {};
        size_t size = (size_t)it->size;

        if (it->too_large) {
                engine_judge_too_large(judge->trust.engine, &ret->scan);
                return;
        }
        if (!it->job->many && it->job->form == JOB_DBOX)
                parts_judge_dbox(judge, data, size, &question, ret);
        else if (!it->job->many)
                judge_message(judge, it->job->form == JOB_MESSAGE ? CANON_MESSAGE : CANON_RAW, data,
                              size, &question, ret);
        else
                parts_judge_item(judge, format_of(it->job), &it->item, data, &question, ret);
        /* Its message, by its own word. */
        if (it->item.claimed_size > 0 && ret->scan.verdict != VERDICT_INFECTED)
                judge_scan(judge, data + (it->item.message_offset - it->offset),
                           (size_t)it->item.claimed_size, false, &ret->scan, &ret->context);
}

int plan_item_fits(const struct plan_item *it, const uint8_t *data) {
        if (it->job->form != JOB_MBOX)
                return 1;
        return parts_same_mbox(it->content.data, data, (size_t)it->size);
}
