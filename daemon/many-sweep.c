/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opens by sweeps of files that hold many items: one waits until all of the file was judged, a part after
 * the other, so that whoever reads meanwhile has his turn between them, and until what is infected was
 * replaced, where it is to be. Owns nothing. The answer says little to somebody who reads nothing; what
 * counts is what the sweep is told.
 */

#include "daemon/many-private.h"

#include "daemon/clock.h"
#include "daemon/policy.h"

static enum verdict worse(enum verdict a, enum verdict b) {
        static const unsigned ranks[] = {
                [VERDICT_UNKNOWN] = 0,
                [VERDICT_CLEAN] = 1,
                [VERDICT_UNSCANNABLE] = 2,
                [VERDICT_INFECTED] = 3,
        };

        return ranks[a] >= ranks[b] ? a : b;
}

/* found: what it is told; left: what the file is by now. */
static void answer(struct many_file *file, const struct gate_event *event, bool known,
                   enum verdict found, enum verdict left) {
        const struct many_parts *p = &file->many->p;

        sweeps_tell(p->sweeps, event->pid, file->dev, file->ino, known, found);
        gate_answer(p->gate, event->fd, policy_allows(file->store, left), false);
}

static void finish(struct wait *wait) {
        struct many_file *file = wait->file;
        enum verdict found = wait->failed && wait->worst != VERDICT_INFECTED ? VERDICT_UNKNOWN
                                                                             : wait->worst,
                     left = found;
        struct spans_answer all;

        if (wait->suspect && file->size > 0) {
                spans_ask(&file->spans, 0, file->size, &all);
                if (all.complete)
                        left = all.verdict;
        }
        answer(file, &wait->event, false, found, left);
        many_wait_end(wait);
        if (left == VERDICT_CLEAN)
                many_stamp_soon(file);
}

/* Has the next item that is infected replaced, if it is to be, and each of them once. Whether it waits for
 * that. */
static bool cure_next(struct wait *wait) {
        struct many_file *file = wait->file;
        struct spans_answer found;

        while (wait->cure_from < file->size) {
                spans_ask(&file->spans, wait->cure_from, file->size - wait->cure_from, &found);
                if (found.verdict != VERDICT_INFECTED)
                        return false;
                wait->cure_from = found.worst_end;
                if (many_wants_cure(file, &found) && many_cure(file, wait, &found)) {
                        wait->asked = false; /* it is judged again */
                        return true;
                }
        }
        return false;
}

void many_sweep_locked(struct many_file *file) {
        struct wait *wait;

        TAILQ_FOREACH(wait, &file->waits, sibling) wait->cure_from = UINT64_MAX;
}

/* Behind an item that could not be judged; false: nobody knows where it ends. */
static bool skip(struct wait *wait, uint64_t missing) {
        const struct note *note = many_find_note(wait->file, missing);

        wait->failed = true;
        if (!note || note->verdict != VERDICT_UNKNOWN || note->offset + note->size <= wait->from)
                return false;
        wait->from = note->offset + note->size;
        wait->asked = false;
        return true;
}

void many_sweep_again(struct wait *wait) {
        struct many_file *file = wait->file;
        struct spans_answer found;

        while (!file->judging && !file->curing) {
                if (wait->from < file->size) {
                        spans_ask(&file->spans, wait->from, file->size - wait->from, &found);
                        wait->worst = worse(wait->worst, found.verdict);
                }
                if (wait->from >= file->size || found.complete) {
                        if (cure_next(wait))
                                return;
                        finish(wait);
                        return;
                }
                /* What was the last item is asked for anew when more has come behind it. */
                if (!wait->asked || found.missing > wait->asked_for ||
                    (file->size > wait->asked_size && wait->tries < TRIES_MAX)) {
                        if (wait->asked && found.missing == wait->asked_for)
                                wait->tries++;
                        wait->asked = true;
                        wait->asked_for = found.missing;
                        wait->asked_size = file->size;
                        many_judge_part(file, wait, found.missing);
                        return;
                }
                /* The job came to nothing, or the file changes all the time. */
                if (!skip(wait, found.missing)) {
                        finish(wait);
                        return;
                }
        }
}

void many_sweep_opened(struct many_file *file, const struct many_open *open) {
        struct wait *wait;

        file->strict = file->strict || open->sweep->strict;
        /* The own fd is the same description: a lease would outlive the event. */
        if (open->leased)
                lease_drop(open->event->fd);
        if (open->stamped && open->leased) {
                answer(file, open->event, true, VERDICT_CLEAN, VERDICT_CLEAN);
                return;
        }
        if (open->sweep->since_msec > file->anew_msec) {
                many_forget_verdicts(file);
                file->anew_msec = clock_usec(CLOCK_REALTIME) / USEC_PER_MSEC;
        }
        wait = many_wait_new(file, open->event, USEC_INFINITY);
        if (!wait) {
                answer(file, open->event, false, VERDICT_UNKNOWN, VERDICT_UNKNOWN);
                return;
        }
        wait->sweeps = true;
        wait->fresh = open->sweep->since_msec > 0;
        wait->worst = VERDICT_CLEAN;
        many_sweep_again(wait);
}

void many_sweep_give_up(struct wait *wait) {
        answer(wait->file, &wait->event, false, VERDICT_UNKNOWN, VERDICT_UNKNOWN);
        many_wait_end(wait);
}
