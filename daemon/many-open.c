/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opens of small mboxes by somebody who only reads, while nobody writes: all of the file is judged before
 * the open is answered, with writers kept out by a lease on the event's fd, and if it is clean its
 * readers raise no event for a moment (hot.h). Who reads a mailbox from end to end is woken once, then,
 * and not for each of his reads. Owns nothing but that lease, while such an open waits.
 *
 * Nothing is refused here, and nobody waits for long: whatever speaks against it, a writer that comes
 * among them, has the open allowed without more, and each access is judged as ever.
 *
 * A stamp has to go before a writer is let in, and who opens a file that is hot is not seen: a file that
 * has one, of whatever generation, goes another way.
 */

#include "daemon/clock.h"
#include "daemon/many-private.h"
#include "daemon/stores.h"

#define WAIT_USEC (USEC_PER_SEC / 10)
#define JOBS_MAX  2 /* another's may have had to do with a part of the file only */
/* Since mail last came. A writer that does not wait (Postfix opens an mbox with O_NONBLOCK) is sent away by a
 * lease, and comes again minutes later: where mail comes in now there is none. */
#define QUIET_USEC (30 * USEC_PER_SEC)

/* Whether its spans tell all there is to know of it. */
static bool is_plain(const struct many_file *file) {
        return !file->stamped && !file->older && !file->old_stamp && !file->released &&
               !file->curing && !file->doubted && file->n_withdrawing == 0 &&
               !many_is_half_replaced(file, 0, UINT64_MAX);
}

static bool is_quiet(const struct many_file *file) {
        uint64_t now = clock_usec(CLOCK_REALTIME_COARSE);
        uint64_t modified = (uint64_t)file->mtime.tv_sec * USEC_PER_SEC;

        return file->mtime.tv_sec >= 0 && modified + QUIET_USEC < now;
}

static bool wants(const struct many_file *file, const struct many_open *open) {
        const struct many_parts *p = &file->many->p;

        return file->ranges && open->rooted && !open->writer && !open->stamped && !open->older &&
               stores_form(file->store->format) == JOB_MBOX && file->size > 0 &&
               file->size < PROTO_BAY_SIZE && !gate_is_aloud(open->event) && is_quiet(file) &&
               is_plain(file) && pool_generation(p->pool) && hot_keeps_briefly(p->hot);
}

/* Has its reader raise no event; fd is taken. What it was at the last look it is still, if the lease holds. */
static bool keep(struct many_file *file, int fd) {
        const struct many_parts *p = &file->many->p;
        const struct stat st = {
                .st_dev = file->dev,
                .st_ino = file->ino,
                .st_size = (off_t)file->size,
                .st_ctim = file->ctime,
        };

        return hot_keep_briefly(p->hot, &(struct hot_file){
                                                .fd = fd,
                                                .st = &st,
                                                .generation = &file->generation,
                                                .mask = gate_mask_of(p->gate, file->dev),
                                        });
}

/* An own fd of the file may be the same description: the lease goes by name. */
static void allow(struct many_file *file, const struct gate_event *event, bool clean) {
        bool kept = clean && is_plain(file) && keep(file, event->fd);

        if (!kept)
                lease_drop(event->fd);
        gate_answer(file->many->p.gate, event->fd, true, kept);
}

static struct spans_answer ask_all(const struct many_file *file) {
        struct spans_answer answer;

        spans_ask(&file->spans, 0, file->size, &answer);
        return answer;
}

static bool is_clean(const struct spans_answer *answer) {
        return answer->complete && answer->verdict == VERDICT_CLEAN;
}

bool many_open_judged(struct many_file *file, const struct many_open *open) {
        const struct many_parts *p = &file->many->p;
        struct spans_answer all;
        uint64_t due;
        struct wait *wait;

        if (!wants(file, open))
                return false;
        all = ask_all(file);
        if (!is_clean(&all) && (all.complete || all.verdict == VERDICT_INFECTED ||
                                (!file->judging && !scans_try(p->scans))))
                return false;
        if (!open->leased &&
            (!scans_can_know_writers(open->event->fd, open->st) || lease_take(open->event->fd) < 0))
                return false;
        /* Asked for under the lease: what was written before, and by whom, is told by now. */
        many_look_now(file);
        all = ask_all(file);
        if (is_clean(&all)) {
                allow(file, open->event, true);
                return true;
        }
        due = pool_due(p->pool, file->store, 0);
        wait = many_wait_new(file, open->event, MIN(due, now_usec() + WAIT_USEC));
        if (!wait) {
                allow(file, open->event, false);
                return true;
        }
        wait->opens = true;
        if (file->key.size > 0)
                gate_waits_as(p->gate, open->event, &file->key);
        many_judge(file, wait, all.missing);
        return true;
}

void many_open_let(struct wait *wait) {
        allow(wait->file, &wait->event, false);
        many_wait_end(wait);
}

bool many_open_again(struct wait *wait, enum reason reason) {
        struct many_file *file = wait->file;
        struct spans_answer all = ask_all(file);

        if (is_clean(&all)) {
                allow(file, &wait->event, true);
                many_wait_end(wait);
                return true;
        }
        if (all.complete || all.verdict == VERDICT_INFECTED || !is_plain(file) ||
            !lease_holds(wait->event.fd) || reason != REASON_NONE ||
            (!file->judging && wait->tries >= JOBS_MAX)) {
                many_open_let(wait);
                return true;
        }
        many_judge(file, wait, all.missing);
        return false;
}

void many_signal(struct many *many, uint32_t signo) {
        struct wait *wait, *next;

        if (signo != SIGIO)
                return;
        for (wait = TAILQ_FIRST(&many->waiting); wait; wait = next) {
                next = TAILQ_NEXT(wait, link);
                if (wait->opens && !lease_holds(wait->event.fd))
                        many_open_let(wait);
        }
}
