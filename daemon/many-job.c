/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Has the items of a file judged, and brings what is said of them into its spans. Owns the job of a
 * file while it is under way. A worker's word is taken for what it says of an item; what was written
 * to meanwhile is asked for again.
 */

#include "daemon/many-private.h"

#include "daemon/clock.h"
#include "daemon/names.h"
#include "daemon/stores.h"

/* How far a job looks beyond what is asked for: whoever reads on finds it judged. */
#define AHEAD ((uint64_t)1 << 20)
/* Files that are judged at their open: what is judged in vain, where nobody reads, takes no longer than the
 * open itself. */
#define EARLY ((uint64_t)64 << 10)

const struct note *many_find_note(const struct many_file *file, uint64_t offset) {
        for (size_t i = 0; i < NOTES_MAX && file->notes; i++)
                if (file->notes[i].size > 0 && file->notes[i].offset <= offset &&
                    offset < file->notes[i].offset + file->notes[i].size)
                        return &file->notes[i];
        return NULL;
}

bool many_was_infected(const struct many_file *file, const struct gate_event *event,
                       uint64_t *ret) {
        uint64_t at = event->size == 0 ? 0 : event->offset;
        uint64_t end =
                event->size == 0 || event->size > UINT64_MAX - at ? UINT64_MAX : at + event->size;

        while (spans_find_infected(&file->spans, &at, end)) {
                const struct note *note = many_find_note(file, at);

                if (!note || !note->has_digest ||
                    !allow_list_holds(file->many->p.allow_list, note->digest, &file->generation)) {
                        *ret = at;
                        return true;
                }
                at = note->offset + note->size;
        }
        return false;
}

static bool overlaps(const struct range *range, uint64_t offset, uint64_t size) {
        return range->offset < offset + size &&
               (range->size > UINT64_MAX - range->offset || offset < range->offset + range->size);
}

bool many_was_touched(const struct many_file *file, uint64_t offset, uint64_t size) {
        for (size_t i = 0; i < file->n_touched; i++)
                if (overlaps(&file->touched[i], offset, size))
                        return true;
        return file->touched_all;
}

/* Whether the admin allows this item whatever the engine says. */
static bool is_released(const struct many_file *file, const struct proto_span *span) {
        return span->verdict == VERDICT_INFECTED && span->has_digest &&
               allow_list_holds(file->many->p.allow_list, span->digest, &file->generation);
}

/* The note, if it is news: an item that is judged again, since its neighbour has changed, is not. */
static const struct note *keep_note(struct many_file *file, const struct proto_item *item) {
        struct note *note = NULL;
        bool known;

        if (!file->notes)
                file->notes = calloc(NOTES_MAX, sizeof(*file->notes));
        for (size_t i = 0; i < NOTES_MAX && file->notes; i++) {
                struct note *other = &file->notes[i];

                if (other->size > 0 && other->offset == item->span.offset)
                        note = other;
                else if (other->offset < item->span.offset + item->span.size &&
                         item->span.offset < other->offset + other->size)
                        other->size = 0; /* of what was there before */
        }
        if (!note)
                note = file->notes ? &file->notes[file->next_note++ % NOTES_MAX]
                                   : &file->many->spare_note;
        known = file->notes && !note->old && note->offset == item->span.offset &&
                note->size == item->span.size &&
                note->verdict == (enum verdict)item->span.verdict &&
                streq(note->signature, item->signature) &&
                streq(note->context.message_id, item->context.message_id);
        *note = (struct note){
                .offset = item->span.offset,
                .size = item->span.size,
                .verdict = (enum verdict)item->span.verdict,
                .reason = (enum reason)item->span.reason,
                .released = is_released(file, &item->span),
                .context = item->context,
        };
        memcpy(note->signature, item->signature, sizeof(note->signature));
        note->has_digest = item->span.has_digest;
        memcpy(note->digest, item->span.digest, sizeof(note->digest));
        return known ? NULL : note;
}

/* Logs what the rest of report says of an item; what is the same for all items of a file is filled in. */
static void report_of(struct many_file *file, struct report report) {
        const struct many_parts *p = &file->many->p;

        report.fd = file->fd;
        report.store = file->store;
        report.tier = LOG_TIER_SCAN;
        report.generation = &file->generation;
        report.size = file->size;
        report.has_item = true;
        gate_flush(p->gate);
        names_report(p->names, &report);
}

/* Told once when it is found; the accesses that are denied for it are told apart. */
static void report_item(struct many_file *file, const struct note *note) {
        report_of(file, (struct report){
                                .verdict = note->verdict,
                                .reason = note->reason,
                                .signature = note->signature,
                                .context = &note->context,
                                .released = note->released,
                                .digest = note->has_digest ? note->digest : NULL,
                                .item_offset = note->offset,
                                .item_size = note->size,
                        });
}

/* A stamp that was refused is told of with what the scan found. */
static void report_refused(struct many_file *file, const struct proto_span *span,
                           const struct proto_item *item, enum hub_check refused) {
        struct spans_answer known; /* of what is cached the worker does not say */

        spans_ask(&file->spans, span->offset, span->size, &known);
        report_of(file, (struct report){
                                .verdict = span->how == ITEM_SCANNED ? (enum verdict)span->verdict
                                                                     : known.verdict,
                                .reason = span->how == ITEM_SCANNED ? (enum reason)span->reason
                                                                    : known.reason,
                                .signature = item ? item->signature : "",
                                .context = item ? &item->context : NULL,
                                .hub_refused = refused,
                                .item_offset = span->offset,
                                .item_size = span->size,
                        });
}

static void count(struct many_file *file, const struct proto_span *span) {
        struct stats *stats = file->many->p.stats;

        /* The line that a dbox file begins with. */
        if (file->job.form == JOB_DBOX && span->offset == 0 && !span->has_digest &&
            span->verdict == VERDICT_CLEAN)
                return;
        if (many_stamps_absent(file, span))
                stats_count_hub(stats, file->store->name, HUB_ABSENT);
        stats_count_scan(stats, file->store->name, span->size, (enum verdict)span->verdict,
                         (enum reason)span->reason);
        scans_tell_engine(file->many->p.scans, (enum verdict)span->verdict,
                          (enum reason)span->reason);
}

/* Whether another engine came while the job was under way: which one judged is not known then. */
static bool outdated(const struct many_file *file) {
        const struct generation *running = pool_generation(file->many->p.pool);

        return !running || memcmp(running, &file->job.generation, sizeof(*running)) != 0 ||
               memcmp(running, &file->generation, sizeof(*running)) != 0;
}

/* What an item's verdict is: false when it has none that can be relied on. */
static bool verdict_of(struct many_file *file, const struct proto_span *span,
                       const struct proto_item *item, struct cache_verdict *ret) {
        const struct many_parts *p = &file->many->p;

        if (outdated(file))
                return false;
        switch ((enum item_how)span->how) {
        case ITEM_SCANNED:
                count(file, span);
                *ret = (struct cache_verdict){
                        .verdict = (enum verdict)span->verdict,
                        .reason = (enum reason)span->reason,
                };
                if (span->has_digest)
                        verdicts_store(p->verdicts, span->digest, &file->generation, ret->verdict,
                                       ret->reason);
                if (is_released(file, span)) {
                        p->stats->released++;
                        stats_of(p->stats, file->store->name)->released++;
                        file->released = true;
                        ret->verdict = VERDICT_CLEAN;
                }
                return ret->verdict != VERDICT_UNKNOWN;
        case ITEM_CACHED:
                if (verdicts_lookup(p->verdicts, span->digest, &file->generation, ret) ==
                    CACHE_HIT) {
                        stats_of(p->stats, file->store->name)->processed++;
                        return true;
                }
                file->cache_failed = true;
                return false;
        case ITEM_HUB:
                if (!item || !many_stamps_believed(file, item))
                        return false;
                file->by_hub = true;
                stats_of(p->stats, file->store->name)->processed++;
                *ret = (struct cache_verdict){ .verdict = VERDICT_CLEAN, .reason = REASON_NONE };
                return true;
        case ITEM_PASSED:
        case _ITEM_HOW_MAX:
        default: return false;
        }
}

static void take_item(struct many_file *file, const struct proto_span *span,
                      const struct proto_item *item) {
        struct cache_verdict v = { .verdict = VERDICT_UNKNOWN };
        bool known = verdict_of(file, span, item, &v);
        uint64_t at = span->offset;
        enum span_state state = !known                                             ? SPAN_PASSED
                                : many_was_touched(file, span->offset, span->size) ? SPAN_STALE
                                                                                   : SPAN_FRESH;

        if (!known && spans_find_infected(&file->spans, &at, span->offset + span->size))
                v.verdict = VERDICT_INFECTED; /* as far as anybody knows */
        if (known && v.verdict != VERDICT_CLEAN)
                many_distrust_stamp(file);
        /* A range that was cut meanwhile leaves a gap: then it is not kept, and asked for again. Nothing
         * can be said of what is not there yet, or was cut off. */
        (void)spans_set(&file->spans, span->offset, MIN(span->size, file->size - span->offset),
                        state, v.verdict, v.reason);
}

static void items(struct pool_job *job, const struct proto_span *spans, size_t n,
                  const struct proto_item *item) {
        struct many_file *file = container_of(job, struct many_file, job);
        const struct note *news = NULL;

        many_look_now(file);
        if (file->verifying && !lease_holds(file->fd))
                many_verify_end(file, false); /* a writer waits */
        for (size_t i = 0; i < n && spans[i].offset < file->size; i++)
                take_item(file, &spans[i], item);
        file->judged_to = MIN(spans[n - 1].offset + spans[n - 1].size, file->size);
        if (!file->job_proven)
                many_proof_lacks(file, spans[0].offset, file->judged_to);
        many_settle_tail(file);
        /* What was written to meanwhile is looked at again before anybody is told of it. */
        if (item && item->span.how == ITEM_SCANNED &&
            !many_was_touched(file, item->span.offset, item->span.size))
                news = keep_note(file, item);
        many_decide_all(file, REASON_NONE);
        /* What was the end of the file is not any more. As if it had grown now: its last item is not known to be whole. */
        if (spans[n - 1].last && file->judged_to < file->size)
                spans_resize(&file->spans, file->size);
        for (size_t i = 0; i < n; i++) {
                enum hub_check refused = many_stamps_refused(file, &spans[i]);

                if (refused != HUB_GOOD)
                        report_refused(file, &spans[i], item, refused);
        }
        if (news)
                report_item(file, news);
}

static void job_done(struct pool_job *job, const struct pool_result *result) {
        struct many_file *file = container_of(job, struct many_file, job);
        bool failed = result->verdict == VERDICT_UNKNOWN && result->reason != REASON_NONE;

        if (failed)
                scans_tell_engine(file->many->p.scans, result->verdict, result->reason);
        else {
                stats_of(file->many->p.stats, file->store->name)->files++;
                stats_count_times(file->many->p.stats, result->queue_usec, result->read_usec,
                                  result->scan_usec);
        }
        file->judging = false;
        file->many->n_judging--;
        if (file->verifying)
                many_verify_end(file, !failed && !file->touched_all && file->n_touched == 0 &&
                                              file->judged_to >= file->size && !outdated(file));
        if (file->proof_job)
                many_proof_judged(file, failed);
        file->proof_job = false;
        many_decide_all(file, failed ? result->reason : REASON_NONE);
        many_proof_go_on(file, now_usec());
}

/* For whom: awaited, or nobody waits for it but a sweep; fresh: whatever is known already. */
struct asker {
        pid_t pid;
        bool awaited, fresh;
};

static struct asker asker_of(const struct wait *wait) {
        return (struct asker){
                .pid = wait->sweeps ? 0 : wait->event.pid,
                .awaited = !wait->sweeps,
                .fresh = wait->fresh,
        };
}

static void begin(struct many_file *file, uint64_t from, uint64_t wanted, uint64_t to,
                  struct asker asker) {
        struct many *many = file->many;

        file->n_touched = 0;
        file->touched_all = false;
        file->judged_to = from;
        file->judging = true;
        file->job_proven = many_proof_holds(file);
        many->n_judging++;
        file->job = (struct pool_job){
                .fd = file->fd,
                .size = file->size,
                .aloud = file->aloud,
                .form = stores_form(file->store->format),
                .use_cache =
                        verdicts_fd(many->p.verdicts) >= 0 && !file->cache_failed && !asker.fresh,
                .use_hub = scans_honour_stamps(many->p.scans, file->store, asker.awaited) &&
                           !asker.fresh && (asker.awaited || !file->strict),
                .spare = true,
                .store = file->store,
                .many = true,
                .low = !asker.awaited,
                .pid = asker.pid,
                .from = from,
                .wanted = wanted,
                .to = to,
                .items = items,
                .done = job_done,
        };
        many_stamps_begin(file, &file->job);
        file->cache_failed = file->by_hub = false;
        pool_submit(many->p.pool, &file->job);
}

void many_judge(struct many_file *file, struct wait *wait, uint64_t missing) {
        uint64_t end = wait->event.size > UINT64_MAX - wait->event.offset || wait->event.size == 0
                               ? file->size
                               : MIN(file->size, wait->event.offset + wait->event.size);
        uint64_t wanted = wait->event.size == 0 ? 0 : wait->event.offset;

        if (file->judging) {
                pool_raise(file->many->p.pool, &file->job, wait->event.pid);
                return;
        }
        wait->tries++;
        begin(file, missing, MAX(wanted, missing),
              MAX(end + MIN(AHEAD, UINT64_MAX - end), missing + 1), asker_of(wait));
}

bool many_wants_early(const struct many_file *file, uint64_t *ret_missing) {
        struct spans_answer known;

        if (!file->ranges || file->judging || file->size == 0 || file->size > EARLY)
                return false;
        spans_ask(&file->spans, 0, file->size, &known);
        if (known.complete || known.verdict == VERDICT_INFECTED || !scans_try(file->many->p.scans))
                return false;
        *ret_missing = known.missing;
        return true;
}

void many_judge_early(struct many_file *file, const struct gate_event *event, uint64_t missing) {
        gate_flush(file->many->p.gate);
        gate_rest(file->many->p.gate);
        begin(file, missing, missing, file->size,
              (struct asker){ .pid = event->pid, .awaited = true });
}

void many_judge_part(struct many_file *file, const struct wait *wait, uint64_t missing) {
        if (!file->judging)
                begin(file, missing, missing, missing + MIN(AHEAD, file->size - missing),
                      asker_of(wait));
}

void many_verify(struct many_file *file) {
        file->verifying = true;
        begin(file, 0, 0, file->size, (struct asker){});
}

void many_judge_again(struct many_file *file, const struct range *range) {
        file->proof_job = true;
        begin(file, range->offset, range->offset, range->offset + MIN(AHEAD, range->size),
              (struct asker){});
}
