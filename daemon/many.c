/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the table of files that hold many items and are in use, with an own fd of each; everybody who
 * waits for access to one. Who may answer and close: weigh_and_answer() and, behind the deadline,
 * many_run(). The event's fd is closed with its answer, unless its stamp is still being taken off.
 */

#include "daemon/many-private.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/fanotify.h>

#include "daemon/clock.h"
#include "daemon/names.h"
#include "daemon/policy.h"
#include "daemon/stores.h"

/* A file that nobody has used for so long is stamped, if it is all clean and nobody writes; then its fd
 * is let go, so that its file system can be unmounted. What is known of it stays. */
#define IDLE_USEC   (3 * USEC_PER_SEC)
#define RESTING_MAX 512 /* files, of up to 92 KiB each */
/* How often writes are taken note of while nobody reads. */
#define POLL_USEC  USEC_PER_SEC
#define RETRY_USEC (100 * USEC_PER_MSEC)

/* Goes with the first write: what is no mail may be renamed to a mailbox, and mail written to it. */
#define IGNORE FAN_MARK_IGNORED_MASK

/* ---- The table ---- */

static size_t bucket_of(dev_t dev, ino_t ino) {
        return ((uint64_t)ino * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)dev) >> 32 &
               (MANY_BUCKETS - 1);
}

static struct many_file *find_file(struct many *many, const struct stat *st) {
        struct many_file *file;

        LIST_FOREACH(file, &many->buckets[bucket_of(st->st_dev, st->st_ino)], bucket)
                if (file->dev == st->st_dev && file->ino == st->st_ino)
                        return file;
        return NULL;
}

static void set_store(struct many_file *file, const struct config_store *store) {
        const struct config_store *before = file->store;

        file->store = config_store_hold(store);
        config_store_release(before);
}

static bool file_busy(const struct many_file *file) {
        return file->judging || file->curing || file->n_withdrawing > 0 || file->writing_out ||
               !TAILQ_EMPTY(&file->waits);
}

/* All of it is known to be clean. */
bool many_all_clean(const struct many_file *file) {
        struct spans_answer answer;

        if (file->size == 0)
                return false;
        spans_ask(&file->spans, 0, file->size, &answer);
        return answer.complete && answer.verdict == VERDICT_CLEAN;
}

static void file_unlist(struct many_file *file) {
        struct many *many = file->many;

        if (file->fd >= 0) {
                TAILQ_REMOVE(&many->used, file, used);
                many->n_used--;
        } else {
                TAILQ_REMOVE(&many->resting, file, used);
                many->n_resting--;
        }
}

static void file_free(struct many_file *file) {
        assert(!file_busy(file));
        many_proof_void(file);
        file_unlist(file);
        LIST_REMOVE(file, bucket);
        if (file->key.size > 0)
                LIST_REMOVE(file, key_bucket);
        close_fd(file->fd);
        free(file->clients);
        free(file->refusals);
        free(file->notes);
        spans_done(&file->spans);
        config_store_release(file->store);
        free(file);
}

/* Closes what a file has while it is in use. */
static void file_rest(struct many_file *file) {
        struct many *many = file->many;

        many_proof_give_up(file);
        file_unlist(file);
        file->fd = close_fd(file->fd);
        TAILQ_INSERT_HEAD(&many->resting, file, used);
        if (++many->n_resting > RESTING_MAX)
                file_free(TAILQ_LAST(&many->resting, used_list));
}

/* The same, or it was before that became old. */
static bool was_all_clean(const struct many_file *file) {
        return many_all_clean(file) ||
               (file->expired && file->size > 0 && spans_was_clean(&file->spans, 0, file->size));
}

/* A file that nobody has used lately: before it gets its stamp all of it is looked at once more, with
 * writers kept out. Stores through a mapping, and the like, go unnoticed as long as somebody has it
 * open for writing; none must be left to stay under a stamp. False: it gets none. */
static bool file_verify(struct many_file *file) {
        struct many *many = file->many;

        many_look_now(file);
        if (!many->p.config->stamps || file->stamped || file->released || !was_all_clean(file) ||
            !scans_can_know_writers(file->fd, NULL) || lease_take(file->fd) < 0)
                return false;
        many_verify(file);
        return true;
}

void many_verify_end(struct many_file *file, bool proved) {
        struct many *many = file->many;
        struct stamp stamp = {
                .verdict = VERDICT_CLEAN,
                .generation = file->generation,
                .size = file->size,
                .by_hub = file->by_hub,
        };

        file->verifying = false;
        if (!proved || file->released || !many_all_clean(file) || !lease_holds(file->fd)) {
                lease_drop(file->fd);
                return;
        }
        many_proof_void(file);
        file->stamped = true;
        file->writable = file->expired = false;
        file->older = file->old_stamp = false;
        stamper_write(scans_stamper(many->p.scans), fcntl(file->fd, F_DUPFD_CLOEXEC, 3), FD_OWN,
                      false, file->store->name, &stamp);
}

void many_stamp_soon(struct many_file *file) {
        if (!file_busy(file) && file_verify(file))
                file->verified = true;
}

/* Room for one more in use; the file that was not used for longest rests. */
static bool make_room(struct many *many) {
        struct many_file *file;

        if (many->n_used < many->p.max_files)
                return true;
        TAILQ_FOREACH_REVERSE(file, &many->used, used_list, used)
        if (!file_busy(file)) {
                file_rest(file);
                return true;
        }
        return false;
}

/* Wakes a file that rests. False: it is another one by now, whose inode has the same number. */
static bool file_wake(struct many_file *file, const struct gate_event *event) {
        struct many *many = file->many;
        struct changes_key key;

        int fd = -EBADF;

        changes_key(event->fd, &key);
        if (key.size == 0 || !changes_key_equal(&key, &file->key))
                return false;
        /* Out of the list first: room is made by letting others rest, and the last of these go. */
        file_unlist(file);
        if (make_room(many))
                fd = fcntl(event->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
                TAILQ_INSERT_HEAD(&many->resting, file, used);
                many->n_resting++;
                return false;
        }
        file->fd = fd;
        file->aloud = event->aloud;
        TAILQ_INSERT_HEAD(&many->used, file, used);
        many->n_used++;
        return true;
}

static void file_use(struct many_file *file) {
        struct many *many = file->many;

        file->used_usec = clock_usec(CLOCK_MONOTONIC_COARSE);
        file->verified = false;
        if (file->verifying)
                many_verify_end(file, false); /* it may be a writer */
        if (TAILQ_FIRST(&many->used) == file)
                return;
        TAILQ_REMOVE(&many->used, file, used);
        TAILQ_INSERT_HEAD(&many->used, file, used);
}

/* The description that it was opened anew by gives way to the first that raises no events. */
static void be_silent(struct many_file *file, const struct gate_event *event) {
        if (file->aloud && !event->aloud && !file_busy(file) &&
            dup3(event->fd, file->fd, O_CLOEXEC) >= 0)
                file->aloud = false;
}

/* A file that is known, in use from now on; or NULL. */
static struct many_file *use_file(struct many *many, const struct gate_event *event,
                                  const struct stat *st) {
        struct many_file *file = find_file(many, st);

        if (!file)
                return NULL;
        if (file->fd < 0 && !file_wake(file, event)) {
                file_free(file);
                return NULL;
        }
        file_use(file);
        be_silent(file, event);
        return file;
}

static struct many_file *file_new(struct many *many, const struct many_open *open) {
        const struct generation *running = pool_generation(many->p.pool);
        struct many_file *file;

        if (!make_room(many))
                return NULL;
        file = calloc(1, sizeof(*file));
        if (!file)
                return NULL;
        file->many = many;
        file->dev = open->st->st_dev;
        file->ino = open->st->st_ino;
        file->ranges = gate_has_ranges(many->p.gate, open->st->st_dev);
        file->fd = fcntl(open->event->fd, F_DUPFD_CLOEXEC, 3);
        file->aloud = open->event->aloud;
        file->size = (uint64_t)open->st->st_size;
        file->mtime = open->st->st_mtim;
        file->ctime = open->st->st_ctim;
        file->clients = calloc(1, sizeof(*file->clients));
        file->n_clients = 1;
        if (file->fd < 0 || !file->clients) {
                close_fd(file->fd);
                free(file->clients);
                free(file);
                return NULL;
        }
        set_store(file, open->store);
        if (running)
                file->generation = *running;
        file->allow_version = allow_list_version(many->p.allow_list);
        TAILQ_INIT(&file->waits);
        gate_key(many->p.gate, open->event, &file->key);
        LIST_INSERT_HEAD(&many->buckets[bucket_of(file->dev, file->ino)], file, bucket);
        if (file->key.size > 0)
                LIST_INSERT_HEAD(&many->key_buckets[many_key_bucket(&file->key)], file, key_bucket);
        TAILQ_INSERT_HEAD(&many->used, file, used);
        many->n_used++;
        file->used_usec = clock_usec(CLOCK_MONOTONIC_COARSE);
        file->since_usec = now_usec();
        if (open->stamped && file->size > 0 &&
            spans_set(&file->spans, 0, file->size, SPAN_FRESH, VERDICT_CLEAN, REASON_NONE) == 0)
                file->stamped = !open->writer;
        file->old_stamp = open->older;
        file->older = open->stamped && open->older;
        return file;
}

void many_follow_config(struct many *many) {
        struct many_file *file, *next;

        /* They hold for the policy of a store, and another may come to stand where that was. */
        memset(many->beliefs, 0, BELIEFS_MAX * sizeof(*many->beliefs));
        for (size_t i = 0; i < MANY_BUCKETS; i++)
                for (file = LIST_FIRST(&many->buckets[i]); file; file = next) {
                        const struct config_store *store =
                                config_find_alike(many->p.config, file->store);

                        next = LIST_NEXT(file, bucket);
                        if (store)
                                set_store(file, store);
                        else if (!file_busy(file))
                                file_free(file);
                }
}

/* ---- Answers ---- */

/* An answer that the log tells of, behind it. */
static void answer_aloud(struct many_file *file, const struct gate_event *event, bool allow,
                         uint64_t arrived_usec, enum verdict verdict, enum reason reason,
                         const struct note *note) {
        const struct many_parts *p = &file->many->p;

        gate_answer(p->gate, event->fd, allow, false);
        gate_flush(p->gate);
        names_report(p->names, &(struct report){
                                       .fd = file->fd,
                                       .store = file->store,
                                       .verdict = verdict,
                                       .reason = reason,
                                       .tier = LOG_TIER_NONE,
                                       .signature = note ? note->signature : "",
                                       .context = note ? &note->context : NULL,
                                       .digest = note && note->has_digest ? note->digest : NULL,
                                       .generation = &file->generation,
                                       .size = file->size,
                                       .has_item = note,
                                       .item_offset = note ? note->offset : 0,
                                       .item_size = note ? note->size : 0,
                                       .has_opener = true,
                                       .is_read = event->access == GATE_READ,
                                       .allowed = allow,
                                       .pid = event->pid,
                                       .answer_usec = now_usec() - arrived_usec,
                               });
}

static void answer_allow(struct many_file *file, const struct gate_event *event) {
        many_note_access(file, event);
        gate_answer(file->many->p.gate, event->fd, true, false);
}

/* A file may be linked into several stores: the one that it was opened in decides. */
static void find_store(struct many_file *file, int fd) {
        struct stores_answer found;
        char path[PATH_MAX];
        struct stat st;

        if (fstat(fd, &st) < 0)
                return;
        stores_ask(file->many->p.config, fd, &st, path, &found);
        if (found.rooted && found.store->format == file->store->format)
                set_store(file, found.store);
}

static void answer_policy(struct many_file *file, const struct gate_event *event,
                          uint64_t arrived_usec, enum verdict verdict, enum reason reason,
                          uint64_t worst) {
        struct note nameless = {};
        const struct note *note;
        bool allow;

        if (verdict == VERDICT_UNKNOWN && many_was_infected(file, event, &worst)) {
                verdict = VERDICT_INFECTED;
                reason = REASON_NONE;
        }
        note = many_find_note(file, worst);
        nameless.offset = worst;
        /* By the verdict cache alone; or others took the note's place. */
        if (!note && verdict != VERDICT_UNKNOWN)
                note = &nameless;
        find_store(file, event->fd);
        allow = reason == REASON_BREAKER ? policy_breaker_allows(file->many->p.config, file->store)
                                         : policy_allows(file->store, verdict);
        if (allow)
                many_note_access(file, event);
        /* What is let through was told when it was found. */
        if (allow && verdict != VERDICT_UNKNOWN)
                gate_answer(file->many->p.gate, event->fd, true, false);
        else
                answer_aloud(file, event, allow, arrived_usec, verdict, reason, note);
}

enum weight { WEIGHT_ALLOW, WEIGHT_POLICY, WEIGHT_WAIT, WEIGHT_CURE };

/* What is known of what an access is about. */
static enum weight weigh(struct many_file *file, const struct gate_event *event,
                         struct spans_answer *ret) {
        /* No bytes: FICLONE, which takes all of them, is told like this (and read(2) of nothing). */
        uint64_t offset = event->size == 0 ? 0 : event->offset;
        uint64_t size = event->size == 0 ? UINT64_MAX : event->size;

        if (event->access == GATE_OPEN && file->ranges)
                return WEIGHT_ALLOW;
        if (offset >= file->size || many_only_cuts(file, event))
                return WEIGHT_ALLOW;
        spans_ask(&file->spans, offset, MIN(size, file->size - offset), ret);
        if (many_is_half_replaced(file, offset, size)) {
                *ret = (struct spans_answer){ .verdict = VERDICT_INFECTED, .worst = offset };
                return WEIGHT_POLICY;
        }
        if (many_is_curing(file, offset, MIN(size, file->size - offset)))
                return WEIGHT_CURE;
        if (ret->complete && ret->verdict == VERDICT_CLEAN)
                return WEIGHT_ALLOW;
        if (!many_is_doubted(file, offset, MIN(size, file->size - offset)) &&
            many_goes_on_writing(file, event))
                return WEIGHT_ALLOW;
        if (many_wants_cure(file, ret))
                return WEIGHT_CURE;
        return ret->complete || ret->verdict == VERDICT_INFECTED ? WEIGHT_POLICY : WEIGHT_WAIT;
}

static void count_answer(const struct wait *wait) {
        uint64_t now = now_usec();

        latency_count(&wait->file->many->p.stats->latency[LATENCY_ANSWER],
                      now > wait->arrived_usec ? now - wait->arrived_usec : 0);
}

void many_wait_end(struct wait *wait) {
        if (!wait->sweeps)
                count_answer(wait);
        TAILQ_REMOVE(&wait->file->many->waiting, wait, link);
        TAILQ_REMOVE(&wait->file->waits, wait, sibling);
        free(wait);
}

struct wait *many_wait_new(struct many_file *file, const struct gate_event *event,
                           uint64_t due_usec) {
        struct wait_list *waiting = &file->many->waiting;
        struct wait *wait = calloc(1, sizeof(*wait)), *before;

        if (!wait)
                return NULL;
        wait->file = file;
        wait->event = *event;
        wait->arrived_usec = since_or_now(event->since_usec);
        wait->due_usec = due_usec;
        before = TAILQ_LAST(waiting, wait_list);
        while (before && before->due_usec > wait->due_usec)
                before = TAILQ_PREV(before, wait_list, link);
        if (before)
                TAILQ_INSERT_AFTER(waiting, before, wait, link);
        else
                TAILQ_INSERT_HEAD(waiting, wait, link);
        TAILQ_INSERT_TAIL(&file->waits, wait, sibling);
        return wait;
}

static struct wait *wait_new(struct many_file *file, const struct gate_event *event) {
        return many_wait_new(file, event,
                             pool_due(file->many->p.pool, file->store, event->since_usec));
}

/* Who waits for something that was infected gets nothing but what is clean. */
static void answer_wait(struct wait *wait, enum verdict verdict, enum reason reason,
                        uint64_t worst) {
        answer_policy(wait->file, &wait->event, wait->arrived_usec,
                      wait->suspect ? VERDICT_INFECTED : verdict,
                      wait->suspect ? REASON_NONE : reason, worst);
}

/* Answers an access, or makes it wait until more is known. */
static void weigh_new(struct many_file *file, const struct gate_event *event) {
        struct spans_answer answer;
        enum weight weight = weigh(file, event, &answer);
        struct wait *wait;

        switch (weight) {
        case WEIGHT_ALLOW: answer_allow(file, event); return;
        case WEIGHT_POLICY:
                answer_policy(file, event, now_usec(), answer.verdict, answer.reason, answer.worst);
                return;
        case WEIGHT_WAIT:
        case WEIGHT_CURE:
        default: break;
        }
        if (!file->judging && !scans_try(file->many->p.scans)) {
                file->many->p.stats->refused++;
                /* What is known to be infected is no less so for an engine that fails. */
                if (weight == WEIGHT_CURE)
                        answer_policy(file, event, now_usec(), VERDICT_INFECTED, REASON_NONE,
                                      answer.worst);
                else
                        answer_policy(file, event, now_usec(), VERDICT_UNKNOWN, REASON_BREAKER,
                                      answer.missing);
                return;
        }
        wait = wait_new(file, event);
        if (wait && file->key.size > 0)
                gate_waits_as(file->many->p.gate, event, &file->key);
        if (!wait)
                answer_policy(file, event, now_usec(),
                              weight == WEIGHT_CURE ? VERDICT_INFECTED : VERDICT_UNKNOWN,
                              REASON_OVERLOAD, 0);
        else if (weight == WEIGHT_WAIT)
                many_judge(file, wait, answer.missing);
        else if (!many_cure(file, wait, &answer)) {
                answer_wait(wait, VERDICT_INFECTED, REASON_NONE, answer.worst);
                many_wait_end(wait);
        }
}

/* The same for one that waits already. Whether it was answered. */
static bool weigh_again(struct wait *wait, enum reason reason) {
        struct many_file *file = wait->file;
        struct spans_answer answer;
        const struct note *note;

        switch (weigh(file, &wait->event, &answer)) {
        case WEIGHT_ALLOW: answer_allow(file, &wait->event); break;
        case WEIGHT_POLICY: answer_wait(wait, answer.verdict, answer.reason, answer.worst); break;
        case WEIGHT_CURE:
                if (many_cure(file, wait, &answer))
                        return false;
                answer_wait(wait, VERDICT_INFECTED, REASON_NONE, answer.worst);
                break;
        case WEIGHT_WAIT:
        default:
                note = many_find_note(file, answer.missing);
                if (reason == REASON_NONE && wait->tries > 0 && note &&
                    note->verdict == VERDICT_UNKNOWN)
                        reason = note->reason; /* that item could not be judged */
                /* The job may have been another's, and looked ahead to where somebody wrote: that
                 * says nothing of what is asked for here. */
                if (wait->tries == 0 || reason == REASON_READ)
                        reason = REASON_NONE;
                /* It changes faster than it can be judged: not so often, until the deadline. */
                if (reason == REASON_NONE && wait->tries >= TRIES_MAX) {
                        wait->retry_usec = now_usec() + RETRY_USEC;
                        return false;
                }
                if (reason == REASON_NONE || file->judging) {
                        many_judge(file, wait, answer.missing);
                        return false;
                }
                answer_wait(wait, VERDICT_UNKNOWN, reason, answer.missing);
        }
        many_wait_end(wait);
        return true;
}

static void distrusted(struct stamper_withdrawal *withdrawal, int error) {
        struct many_file *file = container_of(withdrawal, struct many_file, distrust);

        file->n_withdrawing--;
        file->many->n_withdrawing--;
        if (error < 0)
                file->many->p.stats->stamps_failed++;
        else
                many_look_withdrawn(file);
}

void many_distrust_stamp(struct many_file *file) {
        if (!file->old_stamp)
                return;
        file->old_stamp = file->stamped = false;
        file->n_withdrawing++;
        file->many->n_withdrawing++;
        file->distrust.done = distrusted;
        stamper_withdraw(scans_stamper(file->many->p.scans), file->fd, &file->distrust);
}

void many_decide_all(struct many_file *file, enum reason reason) {
        struct wait *wait, *next;

        for (wait = TAILQ_FIRST(&file->waits); wait; wait = next) {
                next = TAILQ_NEXT(wait, sibling);
                if (!wait->withdrawing && !wait->sweeps)
                        (void)weigh_again(wait, reason);
        }
        /* When everybody else has what he wants, or is waiting for it. */
        for (wait = TAILQ_FIRST(&file->waits); wait; wait = next) {
                next = TAILQ_NEXT(wait, sibling);
                if (wait->sweeps)
                        many_sweep_again(wait);
        }
}

/* ---- Opens and accesses ---- */

static void withdrawn(struct stamper_withdrawal *withdrawal, int error) {
        struct wait *wait = container_of(withdrawal, struct wait, withdrawal);
        struct many_file *file = wait->file;
        struct many *many = file->many;

        wait->withdrawing = false;
        file->n_withdrawing--;
        many->n_withdrawing--;
        if (wait->answered) {
                /* Behind its deadline; the answer went out, the fd was kept for this. */
                gate_close(many->p.gate, wait->event.fd);
                free(wait);
                return;
        }
        if (error < 0 && error != -EROFS) {
                many->p.stats->stamps_failed++;
                answer_policy(file, &wait->event, wait->arrived_usec, VERDICT_UNKNOWN, REASON_STAMP,
                              0);
                many_wait_end(wait);
                return;
        }
        many_look_withdrawn(file);
        (void)weigh_again(wait, REASON_NONE);
}

/* A writer is only let in when the stamp is off: not every change moves the change time. */
static void withdraw_first(struct many_file *file, const struct gate_event *event) {
        struct wait *wait = wait_new(file, event);

        if (!wait) {
                answer_policy(file, event, now_usec(), VERDICT_UNKNOWN, REASON_OVERLOAD, 0);
                return;
        }
        wait->withdrawing = true;
        file->n_withdrawing++;
        file->many->n_withdrawing++;
        wait->withdrawal.done = withdrawn;
        stamper_withdraw(scans_stamper(file->many->p.scans), event->fd, &wait->withdrawal);
}

/* A clean file that nobody writes: its readers need not ask. fd is taken. */
static bool becomes_hot(struct many_file *file, const struct many_open *open) {
        struct many *many = file->many;

        return open->leased && file->stamped && !file->older && many_all_clean(file) &&
               hot_seen(many->p.hot, open->st) &&
               hot_keep(many->p.hot, &(struct hot_file){
                                             .fd = open->event->fd,
                                             .st = open->st,
                                             .generation = &file->generation,
                                             .mask = gate_mask_of(many->p.gate, file->dev),
                                             .stamped = true,
                                     });
}

/* What a path says goes before what somebody who came by another way made of it. A file may also have
 * had the name of one whose accesses are ignored. */
static void file_belongs(struct many_file *file, const struct many_open *open) {
        if (file->store->format != open->store->format) {
                spans_done(&file->spans);
                file->touched_all = true;
        }
        set_store(file, open->store);
}

bool many_knows(const struct many *many, const struct stat *st) {
        return find_file((struct many *)(uintptr_t)many, st);
}

void many_ignore(struct many *many, int fd, const struct stat *st) {
        uint64_t mask = gate_mask_of(many->p.gate, st->st_dev) & ~(uint64_t)FAN_OPEN_PERM;

        if (mask == 0)
                return;
        (void)gate_mark(many->p.gate, FAN_MARK_ADD | IGNORE | FAN_MARK_EVICTABLE, mask, fd, NULL);
}

void many_heed(struct many *many, int fd, const struct stat *st) {
        uint64_t mask = gate_mask_of(many->p.gate, st->st_dev) & ~(uint64_t)FAN_OPEN_PERM;

        if (mask != 0)
                (void)gate_mark(many->p.gate, FAN_MARK_REMOVE | IGNORE, mask, fd, NULL);
}

static void no_room(struct many *many, const struct many_open *open) {
        bool allow = policy_allows(open->store, VERDICT_UNKNOWN);

        many->p.stats->undecided++;
        gate_answer(many->p.gate, open->event->fd, allow, false);
        journal_say(many->p.journal, EVENT_UNDECIDED, open->store->name,
                    "Too many mailbox files are in use at once: an access in store '%s' was %s.",
                    open->store->name, allow ? "allowed" : "denied");
}

void many_opened(struct many *many, const struct many_open *open) {
        struct many_file *file = use_file(many, open->event, open->st);
        uint64_t missing;
        bool early;

        if (!file)
                file = file_new(many, open);
        if (!file) {
                no_room(many, open);
                return;
        }
        many_look(file, open->st);
        file->writable = file->writable || open->writer;
        file->old_stamp = file->old_stamp || open->older;
        if (open->rooted)
                file_belongs(file, open);
        if (open->sweep) {
                many_sweep_opened(file, open);
                return;
        }
        if (open->writer && (open->stamped || open->older || file->stamped)) {
                file->stamped = false;
                withdraw_first(file, open->event);
                return;
        }
        if (becomes_hot(file, open)) {
                many_note_access(file, open->event);
                gate_answer(many->p.gate, open->event->fd, true, true);
                return;
        }
        /* It may wait, for a remedy that a lease keeps out. */
        if (open->leased)
                lease_drop(open->event->fd);
        early = !open->writer && many_wants_early(file, &missing);
        /* It may be a writer, who makes what is known get old; in a moment he can be gone. */
        if (!early && !file->writable && !open->leased)
                file->writable = many_may_be_written(file);
        weigh_new(file, open->event);
        if (early)
                many_judge_early(file, open->event, missing);
}

bool many_accessed(struct many *many, const struct gate_event *event, const struct stat *st) {
        struct many_file *file = use_file(many, event, st);

        if (!file)
                return false;
        many_look(file, st);
        weigh_new(file, event);
        return true;
}

void many_learn(struct many *many, const struct many_open *open) {
        struct many_file *file = file_new(many, open);

        if (!file) {
                no_room(many, open);
                return;
        }
        /* The own fd is the same description: a lease would outlive the event. */
        if (open->leased)
                lease_drop(file->fd);
        weigh_new(file, open->event);
}

/* ---- What follows ---- */

static void polled(struct ring_op *op, int res) {
        struct many *many = container_of(op, struct many, poll_op);

        (void)res;
        many->polling = false;
        many_drain(many);
        many->poll_usec = now_usec() + POLL_USEC;
}

/* Somebody may write for a long time where nobody asks. */
static uint64_t poll_changes(struct many *many, uint64_t now) {
        struct io_uring_sqe *sqe;

        if (many->polling)
                return USEC_INFINITY;
        if (now < many->poll_usec)
                return many->poll_usec;
        sqe = ring_entry(many->p.ring);
        io_uring_prep_poll_add(sqe, changes_fd(many->p.changes), POLLIN);
        ring_bind(sqe, &many->poll_op);
        many->polling = true;
        return USEC_INFINITY;
}

/* Answers one who waits for a stamp to be taken off, which goes on. */
static void answer_withdrawing(struct wait *wait, bool allow) {
        struct gate *gate = wait->file->many->p.gate;

        gate_answer(gate, wait->event.fd, allow, true);
        gate_flush(gate);
        count_answer(wait);
        wait->answered = true;
        TAILQ_REMOVE(&wait->file->many->waiting, wait, link);
        TAILQ_REMOVE(&wait->file->waits, wait, sibling);
}

static void deadline_passed(struct wait *wait) {
        struct many_file *file = wait->file;
        struct many *many = file->many;

        if (wait->sweeps) {
                many_sweep_give_up(wait);
                return;
        }
        many->p.stats->timeouts++;
        stats_of(many->p.stats, file->store->name)->timeouts++;
        /* What the process before took for it says nothing of the engine. */
        if (wait->event.since_usec == 0)
                scans_tell_late(many->p.scans, wait->arrived_usec);
        if (!wait->withdrawing) {
                answer_wait(wait, VERDICT_UNKNOWN, REASON_TIMEOUT,
                            file->curing ? file->cured.offset : 0);
                many_wait_end(wait);
                return;
        }
        answer_withdrawing(wait, policy_allows(file->store, VERDICT_UNKNOWN));
}

/* Those whose items were changed while they were judged. */
static uint64_t retry_waits(struct many *many, uint64_t now) {
        uint64_t next = USEC_INFINITY;
        struct wait *wait, *after;

        for (wait = TAILQ_FIRST(&many->waiting); wait; wait = after) {
                after = TAILQ_NEXT(wait, link);
                if (wait->retry_usec == 0)
                        continue;
                if (wait->retry_usec > now) {
                        next = MIN(next, wait->retry_usec);
                        continue;
                }
                wait->retry_usec = 0;
                wait->tries = TRIES_MAX - 1;
                many_look_now(wait->file);
                (void)weigh_again(wait, REASON_NONE);
        }
        return next;
}

uint64_t many_run(struct many *many, uint64_t now) {
        uint64_t next = poll_changes(many, now);
        struct many_file *file;
        struct wait *wait;

        next = MIN(next, retry_waits(many, now));
        next = MIN(next, many_proof_run(many, now));
        while ((wait = TAILQ_FIRST(&many->waiting))) {
                if (wait->due_usec > now) {
                        next = MIN(next, wait->due_usec);
                        break;
                }
                deadline_passed(wait);
        }
        while ((file = TAILQ_LAST(&many->used, used_list))) {
                if (file->used_usec + IDLE_USEC > now)
                        return MIN(next, file->used_usec + IDLE_USEC);
                if (!file_busy(file)) {
                        if (file->verified || !file_verify(file)) {
                                file_rest(file);
                                continue;
                        }
                        file->verified = true;
                }
                file->used_usec = now;
                TAILQ_REMOVE(&many->used, file, used);
                TAILQ_INSERT_HEAD(&many->used, file, used);
        }
        return next;
}

unsigned many_rest(struct many *many, const char *store) {
        struct many_file *file, *next;
        unsigned n = 0;

        for (file = TAILQ_FIRST(&many->used); file; file = next) {
                next = TAILQ_NEXT(file, used);
                if (!streq(file->store->name, store))
                        continue;
                if (file_busy(file))
                        n++;
                else
                        file_rest(file);
        }
        return n;
}

/* ---- The object ---- */

void many_give_up(struct many *many) {
        struct wait *wait;

        while ((wait = TAILQ_FIRST(&many->waiting)))
                deadline_passed(wait);
        gate_flush(many->p.gate);
}

void many_let_go(struct many *many) {
        struct wait *wait;

        while ((wait = TAILQ_FIRST(&many->waiting))) {
                many->p.stats->paused++;
                if (wait->withdrawing)
                        answer_withdrawing(wait, true);
                else {
                        answer_allow(wait->file, &wait->event);
                        many_wait_end(wait);
                }
        }
        gate_flush(many->p.gate);
}

uint64_t many_oldest(const struct many *many) {
        const struct wait *wait;
        uint64_t oldest = 0;

        TAILQ_FOREACH(wait, &many->waiting, link)
        if (!wait->sweeps && (oldest == 0 || wait->arrived_usec < oldest))
                oldest = wait->arrived_usec;
        return oldest;
}

uint64_t many_due(const struct many *many) {
        const struct wait *wait = TAILQ_FIRST(&many->waiting);

        return wait ? wait->due_usec : USEC_INFINITY;
}

unsigned many_waiting(const struct many *many) {
        const struct wait *wait;
        unsigned n = 0;

        TAILQ_FOREACH(wait, &many->waiting, link) n += !wait->sweeps;
        return n;
}

static const char *stage_of(const struct wait *wait) {
        if (wait->withdrawing)
                return "stamp";
        if (wait->suspect)
                return "replace";
        if (wait->retry_usec > 0)
                return "retry";
        return wait->file->judging ? pool_stage(&wait->file->job) : "queue";
}

void many_list(const struct many *many, pending_fn *each, void *userdata) {
        const struct wait *wait;

        TAILQ_FOREACH(wait, &many->waiting, link)
        if (!each(userdata, &(struct pending){
                                    .fd = wait->event.fd,
                                    .pid = wait->event.pid,
                                    .is_read = wait->event.access == GATE_READ,
                                    .arrived_usec = wait->arrived_usec,
                                    .stage = stage_of(wait),
                                    .store = wait->file->store->name,
                            }))
                return;
}

bool many_busy(const struct many *many) {
        return !TAILQ_EMPTY(&many->waiting) || many->n_judging > 0 || many->n_curing > 0 ||
               many->n_withdrawing > 0 || many->n_writing_out > 0;
}

void many_guards(struct many *many) {
        struct timespec now;

        memset(many->late, 0, sizeof(many->late));
        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        many->guarding_ticks = (uint64_t)now.tv_sec * (uint64_t)sysconf(_SC_CLK_TCK) +
                               (uint64_t)now.tv_nsec * (uint64_t)sysconf(_SC_CLK_TCK) / 1000000000;
}

int many_new(const struct many_parts *parts, struct many **ret) {
        struct many *many = calloc(1, sizeof(*many));

        if (!many)
                return -ENOMEM;
        many->beliefs = calloc(BELIEFS_MAX, sizeof(*many->beliefs));
        if (!many->beliefs) {
                free(many);
                return -ENOMEM;
        }
        many->p = *parts;
        many->poll_op.done = polled;
        TAILQ_INIT(&many->used);
        TAILQ_INIT(&many->resting);
        TAILQ_INIT(&many->unproven);
        TAILQ_INIT(&many->waiting);
        *ret = many;
        return 0;
}

struct many *many_free(struct many *many) {
        struct many_file *file;

        if (!many)
                return NULL;
        assert(!many_busy(many));
        while ((file = TAILQ_FIRST(&many->used)) || (file = TAILQ_FIRST(&many->resting)))
                file_free(file);
        free(many->beliefs);
        free(many);
        return NULL;
}
