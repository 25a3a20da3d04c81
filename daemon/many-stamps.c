/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the stamps of hubs in a file's items were found to be. Owns two memories: of the items of a
 * file whose stamps were refused, which the next job is told to scan, and of those that were believed,
 * which need not be judged again whenever the file grows.
 *
 * Both go by the item's digest, a worker's word like all that it says of an item. Places alone would not
 * do: items move, and are replaced.
 */

#include <fcntl.h>

#include "daemon/many-private.h"

/* ---- Believed ---- */

static struct belief *find_belief(const struct many_file *file, const struct proto_span *span) {
        uint64_t h;

        memcpy(&h, span->digest, sizeof(h));
        h ^= (uint64_t)file->ino * UINT64_C(0x9E3779B97F4A7C15);
        return &file->many->beliefs[h % BELIEFS_MAX];
}

static struct belief belief_in(const struct many_file *file, const struct proto_span *span) {
        struct belief belief = {
                .store = file->store,
                .dev = file->dev,
                .ino = file->ino,
                .generation = file->generation,
        };

        memcpy(belief.digest, span->digest, sizeof(belief.digest));
        return belief;
}

static bool belief_equal(const struct belief *a, const struct belief *b) {
        return a->store == b->store && a->dev == b->dev && a->ino == b->ino &&
               memcmp(&a->generation, &b->generation, sizeof(a->generation)) == 0 &&
               memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

/* ---- Refused ---- */

static struct refusal *find_refusal(struct many_file *file, const struct proto_span *span) {
        for (size_t i = 0; i < REFUSALS_MAX && file->refusals; i++)
                if (file->refusals[i].used && file->refusals[i].offset == span->offset)
                        return &file->refusals[i];
        return NULL;
}

static struct refusal *find_content(struct many_file *file, const struct proto_span *span) {
        for (size_t i = 0; i < REFUSALS_MAX && file->refusals; i++)
                if (file->refusals[i].used &&
                    memcmp(file->refusals[i].digest, span->digest, sizeof(span->digest)) == 0)
                        return &file->refusals[i];
        return NULL;
}

static bool is_locked_for_writing(const struct many_file *file) {
        struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

        return fcntl(file->fd, F_GETLK, &lock) >= 0 && lock.l_type == F_WRLCK;
}

/* Whether it is perhaps not all there yet: nothing in an mbox tells where its last message ends. */
static bool may_grow(const struct many_file *file, const struct proto_span *span) {
        return many_was_touched(file, span->offset, span->size) ||
               (span->last &&
                (span->offset + span->size != file->size || is_locked_for_writing(file)));
}

static bool is_unchanged(const struct many_file *file, const struct refusal *refusal) {
        return refusal->size == file->size && same_time(&refusal->mtime, &file->mtime);
}

static void refuse(struct many_file *file, const struct proto_span *span, enum hub_check check) {
        const struct refusal *before = find_content(file, span);
        bool told = before && before->told; /* it was moved */
        struct refusal *refusal = find_refusal(file, span);

        if (!file->refusals)
                file->refusals = calloc(REFUSALS_MAX, sizeof(*file->refusals));
        /* Where there is no memory no stamp is asked for again, and nothing is told. */
        if (!file->refusals) {
                file->hub_failed = true;
                return;
        }
        if (!refusal)
                refusal = &file->refusals[file->next_refusal++ % REFUSALS_MAX];
        *refusal = (struct refusal){
                .used = true,
                .told = told,
                .grows = may_grow(file, span),
                .check = check,
                .offset = span->offset,
                .size = file->size,
                .mtime = file->mtime,
        };
        memcpy(refusal->digest, span->digest, sizeof(refusal->digest));
        if (++file->n_refused >= REFUSALS_MAX)
                file->hub_failed = true;
}

/* ---- For jobs ---- */

void many_stamps_begin(struct many_file *file, struct pool_job *job) {
        job->use_hub = job->use_hub && !file->hub_failed;
        file->hub_failed = false;
        file->n_refused = 0;
        if (!job->use_hub)
                return;
        for (size_t i = 0; i < REFUSALS_MAX && file->refusals; i++) {
                const struct refusal *refusal = &file->refusals[i];

                if (refusal->used && (!refusal->grows || is_unchanged(file, refusal)))
                        file->distrusted[job->n_distrusted++] = refusal->offset;
        }
        job->distrusted = file->distrusted;
}

bool many_stamps_believed(struct many_file *file, const struct proto_item *item) {
        const struct many_parts *p = &file->many->p;
        const struct belief wanted = belief_in(file, &item->span);
        struct belief *belief = find_belief(file, &item->span);
        enum hub_check check;

        if (belief_equal(belief, &wanted))
                return true;
        if (file->hub_failed)
                return false;
        check = scans_judge_stamps(p->scans, file->store, &item->hub);
        if (check != HUB_GOOD) {
                refuse(file, &item->span, check);
                return false;
        }
        stats_count_hub(p->stats, file->store->name, HUB_GOOD);
        *belief = wanted;
        return true;
}

bool many_stamps_absent(struct many_file *file, const struct proto_span *span) {
        return file->job.use_hub && span->has_digest && !find_refusal(file, span);
}

enum hub_check many_stamps_refused(struct many_file *file, const struct proto_span *span) {
        struct refusal *refusal = find_refusal(file, span);
        struct spans_answer known;

        if (!refusal || (span->how != ITEM_SCANNED && span->how != ITEM_CACHED))
                return HUB_GOOD;
        if (!span->has_digest || memcmp(refusal->digest, span->digest, sizeof(span->digest)) != 0) {
                refusal->used = false; /* it is another one by now */
                return HUB_GOOD;
        }
        spans_ask(&file->spans, span->offset, span->size, &known);
        if (refusal->told || !known.complete || may_grow(file, span))
                return HUB_GOOD;
        refusal->told = true;
        refusal->grows = false;
        stats_count_hub(file->many->p.stats, file->store->name, refusal->check);
        return refusal->check;
}
