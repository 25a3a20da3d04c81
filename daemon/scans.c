/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: every open that waits for its answer (waiter), every content being judged (scan), from the
 * event to the close of its fd. Who may answer and close:
 *
 *     scan_decided()  answers the waiters by verdict; puts the scan on the list of the done. In a crowd,
 *                     puts it on the list of those whose waiters scans_run() answers a moment later
 *     scans_run()     answers waiters whose deadline passed (the scan goes on); after the gate has
 *                     flushed, logs, hands the scan's fd to the stamper or closes it
 *
 * The scan's fd is its first waiter's event fd; the others' are closed with their answer. Must not
 * own: content, paths (asked of the kernel when needed), workers.
 */

#include <assert.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "daemon/clock.h"
#include "daemon/names.h"
#include "daemon/policy.h"
#include "daemon/scans-private.h"
#include "daemon/stores.h"

/* From so many waiters on answers are put off, by so much for each, at most. Waking one that must sleep again
 * takes 2 us here: a tenth of two CPUs. */
#define CROWD          100
#define CROWD_USEC     UINT64_C(10)
#define CROWD_MAX_USEC (100 * USEC_PER_MSEC)

bool scans_can_know_writers(int fd, const struct stat *st) {
        struct statfs fs;

        /* A file of an overlayfs is never of a block device's file system, one of ext4 and xfs always. */
        if (st && major(st->st_dev) != 0)
                return true;
        return fstatfs(fd, &fs) == 0 && fs.f_type != OVERLAYFS_SUPER_MAGIC;
}

/* ---- Log ---- */

/* Told at every access: what is denied, and every infection. What can't be judged but is let
 * through is told when it is found out, not again whenever its stamp is read. */
static bool worth_a_log(const struct scan *scan, const struct waiter *waiter) {
        if (scan->released)
                return scan->tier == LOG_TIER_SCAN;
        return scan->tier == LOG_TIER_SCAN || scan->verdict != VERDICT_UNSCANNABLE ||
               (waiter && !waiter->allowed);
}

static void log_scan(struct scans *scans, const struct scan *scan, const struct waiter *waiter,
                     enum hub_check refused) {
        names_report(
                scans->names,
                &(struct report){
                        .fd = scan->fd,
                        .store = scan->store,
                        .verdict = scan->verdict,
                        .reason = scan->reason,
                        .tier = scan->tier,
                        .signature = scan->signature,
                        .context = &scan->context,
                        .generation = &scan->generation,
                        .size = scan->size,
                        .queue_usec = scan->queue_usec,
                        .read_usec = scan->read_usec,
                        .scan_usec = scan->scan_usec,
                        .hub_refused = refused,
                        .digest = scan->has_digest && scan->tier != LOG_TIER_STAMP ? scan->digest
                                                                                   : NULL,
                        .known = scan->has_digest ? scan->digest : NULL,
                        .released = scan->released && waiter && waiter->allowed,
                        .has_opener = waiter,
                        .allowed = waiter && waiter->allowed,
                        .pid = waiter ? waiter->pid : 0,
                        .answer_usec = waiter ? waiter->answered_usec - waiter->arrived_usec : 0,
                });
}

/* ---- Scans ---- */

static size_t bucket_of(dev_t dev, ino_t ino) {
        return ((uint64_t)ino * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)dev) >> 32 & (BUCKETS - 1);
}

/* Whoever comes after new signatures is told what these say. */
static bool is_current(const struct scan *scan) {
        const struct generation *running = pool_generation(scan->scans->pool);

        return scan->job.queued ||
               (running && memcmp(&scan->job.generation, running, sizeof(*running)) == 0);
}

/* A scan under way of this very content: its lease says that nobody wrote since it began. By another
 * name the file may be in another store, whose policy and deadline are others; NULL: any. */
static struct scan *find_scan(struct scans *scans, const struct stat *st,
                              const struct config_store *store) {
        struct scan *scan;

        LIST_FOREACH(scan, &scans->buckets[bucket_of(st->st_dev, st->st_ino)], bucket)
                if (scan->dev == st->st_dev && scan->ino == st->st_ino &&
                    scan->size == (uint64_t)st->st_size && (!store || scan->store == store) &&
                    is_current(scan) && lease_holds(scan->fd))
                        return scan;
        return NULL;
}

void scan_unhash(struct scan *scan) {
        if (scan->hashed)
                LIST_REMOVE(scan, bucket);
        scan->hashed = false;
}

void scans_release(struct scans *scans, int fd, bool is_event) {
        if (is_event)
                gate_close(scans->gate, fd);
        else {
                close_fd(fd);
                scans->on_found_done(scans->userdata);
        }
}

static void on_stamper_close(void *userdata, int fd, enum fd_kind kind) {
        if (kind == FD_OWN)
                close_fd(fd);
        else
                scans_release(userdata, fd, kind == FD_EVENT);
}

/* Somebody else asked for this file while it was scanned: it may become hot at once. */
static bool on_stamper_keep(void *userdata, int fd, const struct stamp *stamp) {
        struct scans *scans = userdata;
        struct stat st;

        return stamp->verdict == VERDICT_CLEAN && fstat(fd, &st) >= 0 &&
               stamp_check(stamp, &st, &stamp->generation) == STAMP_VALID &&
               hot_keep(scans->hot, &(struct hot_file){
                                            .fd = fd,
                                            .st = &st,
                                            .generation = &stamp->generation,
                                            .mask = gate_mask_of(scans->gate, st.st_dev),
                                            .stamped = true,
                                    });
}

/* Puts a waiter's answer into the gate's batch. The scan's own fd is kept open. */
static void answer(struct waiter *w, bool allow, uint64_t now) {
        struct scan *scan = w->scan;

        if (w->sweeps)
                sweeps_tell(scan->scans->sweeps, w->pid, scan->dev, scan->ino,
                            scan->tier == LOG_TIER_STAMP,
                            scan->was_infected ? VERDICT_INFECTED : scan->verdict);
        gate_answer(scan->scans->gate, w->fd, allow, w->fd == scan->fd);
        TAILQ_REMOVE(&scan->scans->waiting, w, link);
        scan->scans->n_waiting--;
        w->answered = true;
        w->allowed = allow;
        w->answered_usec = now;
        latency_count(&scan->scans->stats->latency[LATENCY_ANSWER],
                      now > w->arrived_usec ? now - w->arrived_usec : 0);
}

bool scan_is_released(const struct scan *scan) {
        return scan->verdict == VERDICT_INFECTED && scan->has_digest &&
               allow_list_holds(scan->scans->allow_list, scan->digest, &scan->generation);
}

static bool scan_allowed(const struct scan *scan) {
        if (scan->was_infected)
                return scan->verdict == VERDICT_CLEAN;
        if (scan->reason != REASON_BREAKER)
                return policy_allows(scan->store, scan->verdict);
        return policy_breaker_allows(scan->scans->config, scan->store) &&
               (!scan->suspect || policy_allows(scan->store, VERDICT_INFECTED));
}

/* Who is answered before all is known, or done. What is known already counts: that it is infected, while
 * a stamp is being taken off. */
static bool scan_allowed_early(const struct scan *scan) {
        return !scan->was_infected && policy_allows(scan->store, VERDICT_UNKNOWN) &&
               (scan->verdict != VERDICT_INFECTED || policy_allows(scan->store, VERDICT_INFECTED));
}

static void answer_waiters(struct scan *scan, uint64_t now) {
        struct waiter *w;

        STAILQ_FOREACH(w, &scan->waiters, sibling)
        if (!w->answered)
                answer(w, scan->allow, now);
        STAILQ_INSERT_TAIL(&scan->scans->done, scan, done_link);
}

/* With each answer the kernel wakes all who wait for any answer of the group, and all but one go to sleep
 * again: with ten thousand that took 100 times what their scans take. A crowd is answered many at a time,
 * so that this takes a bounded share of the machine. */
static bool put_off(struct scan *scan, uint64_t now) {
        struct scans *scans = scan->scans;

        if (scans->n_waiting < CROWD || !scan->leased)
                return false;
        if (STAILQ_EMPTY(&scans->put_off))
                scans->put_off_until = now + MIN(scans->n_waiting * CROWD_USEC, CROWD_MAX_USEC);
        STAILQ_INSERT_TAIL(&scans->put_off, scan, done_link);
        return true;
}

static void answer_put_off(struct scans *scans, uint64_t now) {
        struct scan *scan;

        if (STAILQ_EMPTY(&scans->put_off))
                return;
        while ((scan = STAILQ_FIRST(&scans->put_off))) {
                STAILQ_REMOVE_HEAD(&scans->put_off, done_link);
                answer_waiters(scan, now);
        }
        gate_flush(scans->gate);
}

void scan_decided(struct scan *scan) {
        struct stats *stats = scan->scans->stats;

        if (scan_cure(scan))
                return;
        scan->released = scan_is_released(scan);
        scan->allow = scan->released || scan_allowed(scan);
        stats->released += scan->released;
        if (scan->released)
                stats_of(stats, scan->store->name)->released++;
        scan->done_usec = now_usec();
        scan_unhash(scan);
        if (!put_off(scan, scan->done_usec))
                answer_waiters(scan, scan->done_usec);
}

static void withdrawn(struct stamper_withdrawal *withdrawal, int error) {
        struct scan *scan = container_of(withdrawal, struct scan, withdrawal);

        /* A stamp that stays could be believed after what the writer is going to do. Who is not let in
         * anyway gets in for that no more than before. */
        if (error < 0 && error != -EROFS) {
                scan->scans->stats->stamps_failed++;
                if (scan_allowed(scan) || scan_is_released(scan)) {
                        scan->verdict = VERDICT_UNKNOWN;
                        scan->reason = REASON_STAMP;
                }
        }
        scan_decided(scan);
}

/* By the kernel's workers, and the openers' deadline goes on: a frozen file system delays the writer,
 * not us. */
static void withdraw(struct scan *scan) {
        scan->withdrawal.done = withdrawn;
        stamper_withdraw(scan->scans->stamper, scan->fd, &scan->withdrawal);
}

static void scan_done(struct pool_job *job, const struct pool_result *result) {
        struct scan *scan = container_of(job, struct scan, job);
        struct scans *scans = scan->scans;

        if (!scan_settled(scan, result)) {
                /* The word of signatures that are gone, or of nobody. */
                scan->job.has_known = scan->job.use_cache = scan->job.use_hub = false;
                pool_submit(scans->pool, job);
                return;
        }
        scan->judged = true;
        /* A newer stamp may not come to be. */
        if (scan->withdraw || (scan->old_stamp && (scan->verdict == VERDICT_INFECTED ||
                                                   scan->verdict == VERDICT_UNSCANNABLE)))
                withdraw(scan);
        else
                scan_decided(scan);
}

/* Where all stores have the same timeout, the last to come is the last. */
static void list_waiter(struct waiter_list *list, struct waiter *w) {
        struct waiter *before = TAILQ_LAST(list, waiter_list);

        while (before && before->due_usec > w->due_usec)
                before = TAILQ_PREV(before, waiter_list, link);
        if (before)
                TAILQ_INSERT_AFTER(list, before, w, link);
        else
                TAILQ_INSERT_HEAD(list, w, link);
}

static void add_waiter(struct scan *scan, struct waiter *w, const struct scan_subject *subject) {
        *w = (struct waiter){
                .scan = scan,
                .fd = subject->fd,
                .pid = subject->pid,
                .sweeps = subject->sweep,
                .inherited = subject->since_usec > 0,
                .arrived_usec = since_or_now(subject->since_usec),
        };
        w->due_usec = subject->sweep
                              ? USEC_INFINITY
                              : pool_due(scan->scans->pool, scan->store, subject->since_usec);
        STAILQ_INSERT_TAIL(&scan->waiters, w, sibling);
        list_waiter(&scan->scans->waiting, w);
        scan->scans->n_waiting++;
}

static struct scan *scan_new(struct scans *scans, const struct scan_subject *subject) {
        const struct generation *generation = pool_generation(scans->pool);
        struct scan *scan = calloc(1, sizeof(*scan));

        if (!scan)
                return NULL;
        scan->scans = scans;
        scan->fd = subject->fd;
        scan->is_event = subject->is_event;
        scan->aloud = subject->aloud;
        scan->leased = subject->leased;
        scan->withdraw = subject->withdraw;
        scan->old_stamp = subject->old_stamp;
        scan->sweeps = subject->sweep;
        scan->strict = subject->sweep && subject->sweep->strict;
        scan->dev = subject->st->st_dev;
        scan->ino = subject->st->st_ino;
        scan->size = (uint64_t)subject->st->st_size;
        scan->store = config_store_hold(subject->store);
        if (generation)
                scan->generation = *generation;
        STAILQ_INIT(&scan->waiters);
        if (subject->stamp)
                scan->stamp = *subject->stamp;
        if (subject->is_event) {
                struct waiter *w = malloc(sizeof(*w));

                if (!w) {
                        config_store_release(scan->store);
                        free(scan);
                        return NULL;
                }
                add_waiter(scan, w, subject);
        }
        LIST_INSERT_HEAD(&scans->all, scan, link);
        scans->n_scans++;
        return scan;
}

/* The ring would fail reads of an O_NONBLOCK file instead of waiting for its pages. An event's flags
 * are known; an own file may be without O_NOATIME, which can't be set anew on others' files. */
static void make_readable(const struct scan *scan) {
        int flags = scan->is_event ? O_NOATIME | O_LARGEFILE : fcntl(scan->fd, F_GETFL);

        (void)fcntl(scan->fd, F_SETFL, flags & ~O_NONBLOCK);
}

bool scan_is_awaited(const struct scan *scan, pid_t *ret_pid) {
        const struct waiter *w;

        *ret_pid = 0;
        STAILQ_FOREACH(w, &scan->waiters, sibling) {
                if (w->answered || w->sweeps)
                        continue;
                *ret_pid = w->pid;
                return true;
        }
        return false;
}

void scan_start(struct scan *scan, bool fresh) {
        struct scans *scans = scan->scans;
        pid_t pid;
        bool awaited = scan_is_awaited(scan, &pid);

        scan->job = (struct pool_job){
                .fd = scan->fd,
                .size = scan->size,
                .exact = scan->leased,
                .aloud = scan->aloud,
                .low = !awaited,
                .pid = pid,
                .has_known = !fresh && scan->stamp.has_digest,
                .form = stores_form(scan->store->format),
                .use_cache = !fresh && verdicts_fd(scans->verdicts) >= 0,
                .use_hub = !fresh && !scan->strict &&
                           scans_honour_stamps(scans, scan->store, awaited) &&
                           stores_form(scan->store->format) != JOB_RAW,
                .spare = true,
                .store = scan->store,
                .done = scan_done,
        };
        memcpy(scan->job.known, scan->stamp.digest, sizeof(scan->job.known));
        make_readable(scan);
        if (scan->leased) {
                LIST_INSERT_HEAD(&scans->buckets[bucket_of(scan->dev, scan->ino)], scan, bucket);
                scan->hashed = true;
        }
        pool_submit(scans->pool, &scan->job);
}

int scans_begin(struct scans *scans, const struct scan_subject *subject) {
        struct scan *scan = scan_new(scans, subject);

        if (!scan)
                return -ENOMEM;
        scan_start(scan, subject->sweep && subject->sweep->since_msec > 0);
        return 0;
}

bool scans_has(struct scans *scans, const struct stat *st) {
        return find_scan(scans, st, NULL);
}

/* A sweep that does not believe all that a scan for others does makes its own. */
static bool is_enough(const struct scan *scan, const struct sweep_manner *sweep) {
        return !sweep || ((!sweep->strict || !scan->job.use_hub) &&
                          (sweep->since_msec == 0 || !scan->job.use_cache));
}

bool scans_join(struct scans *scans, const struct scan_subject *subject) {
        struct scan *scan = find_scan(scans, subject->st, subject->store);
        struct waiter *w;

        if (!scan || !is_enough(scan, subject->sweep) ||
            (subject->withdraw && !scan->withdraw && scan->judged))
                return false;
        w = malloc(sizeof(*w));
        if (!w)
                return false;
        scans->stats->joined++;
        scan->withdraw |= subject->withdraw;
        /* The scan's own says of the content what there is to say; this one would last until the answer,
         * and keep out the remedy that the answer waits for. */
        if (subject->leased)
                lease_drop(subject->fd);
        if (!subject->sweep)
                pool_raise(scans->pool, &scan->job, subject->pid);
        add_waiter(scan, w, subject);
        return true;
}

int scans_settle(struct scans *scans, const struct scan_subject *subject) {
        struct scan *scan = scan_new(scans, subject);

        if (!scan)
                return -ENOMEM;
        scan->tier = LOG_TIER_STAMP;
        scan->verdict = scan->stamp.verdict;
        scan->reason = scan->stamp.reason;
        scan->leased = false; /* it has its stamp: do not write it again */
        scan->has_digest = scan->stamp.has_digest;
        memcpy(scan->digest, scan->stamp.digest, sizeof(scan->stamp.digest));
        scan_decided(scan);
        return 0;
}

int scans_refuse(struct scans *scans, const struct scan_subject *subject, bool suspect) {
        struct scan *scan = scan_new(scans, subject);

        if (!scan)
                return -ENOMEM;
        scans->stats->refused++;
        scan->tier = LOG_TIER_NONE;
        scan->verdict = VERDICT_UNKNOWN;
        scan->reason = REASON_BREAKER;
        scan->suspect = suspect;
        scan->leased = false;
        if (scan->withdraw && scan_allowed(scan))
                withdraw(scan);
        else
                scan_decided(scan);
        return 0;
}

/* ---- After the answers ---- */

static bool worth_a_stamp(const struct scan *scan) {
        /* Signatures may have changed since it was judged. */
        return scan->scans->config->stamps && scan->leased && scan->verdict != VERDICT_UNKNOWN &&
               scan_same_generation(scan);
}

static void scan_finish(struct scan *scan) {
        struct scans *scans = scan->scans;
        struct waiter *w;

        if (scan->hub_refused != HUB_GOOD)
                log_scan(scans, scan, NULL, scan->hub_refused);
        if (scan->cure)
                report_cure(scans->journal, scan->cure);
        if (scan->verdict != VERDICT_CLEAN) {
                if (STAILQ_EMPTY(&scan->waiters) && worth_a_log(scan, NULL))
                        log_scan(scans, scan, NULL, HUB_GOOD);
                STAILQ_FOREACH(w, &scan->waiters, sibling)
                if (!w->logged && worth_a_log(scan, w))
                        log_scan(scans, scan, w, HUB_GOOD);
        }
        if (worth_a_stamp(scan)) {
                const struct waiter *first = STAILQ_FIRST(&scan->waiters);
                bool again = first && STAILQ_NEXT(first, sibling);
                struct stamp stamp = {
                        .verdict = scan->verdict,
                        .reason = scan->reason,
                        .generation = scan->generation,
                        .size = scan->size,
                        .by_hub = scan->by_hub,
                        .has_digest = scan->has_digest,
                };

                memcpy(stamp.digest, scan->digest, sizeof(stamp.digest));
                stamper_write(scans->stamper, scan->fd, scan->is_event ? FD_EVENT : FD_FOUND,
                              scan->is_event && again, scan->store->name, &stamp);
        } else {
                if (scan->verdict != VERDICT_UNKNOWN && scan->tier != LOG_TIER_STAMP)
                        scans->stats->stamps_skipped++;
                /* Who finds a name for it shares the description of the fd. */
                if (scan->verdict != VERDICT_CLEAN)
                        lease_drop(scan->fd);
                scans_release(scans, scan->fd, scan->is_event);
        }
        while ((w = STAILQ_FIRST(&scan->waiters))) {
                STAILQ_REMOVE_HEAD(&scan->waiters, sibling);
                free(w);
        }
        LIST_REMOVE(scan, link);
        scans->n_scans--;
        cure_free(scan->cure);
        config_store_release(scan->store);
        free(scan);
}

/* An opener waits no longer than its deadline; the scan goes on for the next one. */
static void deadline_passed(struct scans *scans, struct waiter *w, uint64_t now) {
        struct scan *scan = w->scan;

        scans->stats->timeouts++;
        stats_of(scans->stats, scan->store->name)->timeouts++;
        /* What the process before took for it says nothing of the engine. */
        if (!scan->late && !w->inherited)
                scans_tell_late(scans, w->arrived_usec);
        scan->late = true;
        answer(w, scan_allowed_early(scan), now);
        gate_flush(scans->gate);
        if (scan->verdict != VERDICT_INFECTED) {
                scan->verdict = VERDICT_UNKNOWN;
                scan->reason = REASON_TIMEOUT;
        }
        scan->tier = LOG_TIER_NONE;
        log_scan(scans, scan, w, HUB_GOOD);
        w->logged = true;

        /* Content that somebody still waits for goes first. */
        STAILQ_FOREACH(w, &scan->waiters, sibling)
        if (!w->answered && !w->sweeps)
                return;
        pool_lower(scans->pool, &scan->job);
}

uint64_t scans_run(struct scans *scans, uint64_t now) {
        uint64_t next = stamper_run(scans->stamper, now);
        struct waiter *w = TAILQ_FIRST(&scans->waiting);
        struct scan *scan;

        /* None of them is late who was decided in time. */
        if (now >= scans->put_off_until || (w && w->due_usec <= now))
                answer_put_off(scans, now);
        else if (!STAILQ_EMPTY(&scans->put_off))
                next = MIN(next, scans->put_off_until);
        while ((scan = STAILQ_FIRST(&scans->done))) {
                STAILQ_REMOVE_HEAD(&scans->done, done_link);
                scan_finish(scan);
        }
        while ((w = TAILQ_FIRST(&scans->waiting))) {
                if (w->due_usec > now)
                        return MIN(next, w->due_usec);
                deadline_passed(scans, w, now);
        }
        return next;
}

/* ---- The object ---- */

void scans_give_up(struct scans *scans, enum reason reason) {
        struct waiter *w;

        answer_put_off(scans, now_usec());
        while ((w = TAILQ_FIRST(&scans->waiting))) {
                answer(w, scan_allowed_early(w->scan), now_usec());
                if (w->scan->verdict != VERDICT_INFECTED) {
                        w->scan->verdict = VERDICT_UNKNOWN;
                        w->scan->reason = reason;
                }
        }
        gate_flush(scans->gate);
}

void scans_let_go(struct scans *scans) {
        struct waiter *w;

        answer_put_off(scans, now_usec());
        while ((w = TAILQ_FIRST(&scans->waiting))) {
                scans->stats->paused++;
                w->sweeps = false; /* nothing was found out that it could be told */
                answer(w, true, now_usec());
                pool_lower(scans->pool, &w->scan->job);
        }
        gate_flush(scans->gate);
}

uint64_t scans_oldest(const struct scans *scans) {
        const struct waiter *w;
        uint64_t oldest = 0;

        TAILQ_FOREACH(w, &scans->waiting, link)
        if (!w->sweeps && (oldest == 0 || w->arrived_usec < oldest))
                oldest = w->arrived_usec;
        return oldest;
}

uint64_t scans_due(const struct scans *scans) {
        const struct waiter *w = TAILQ_FIRST(&scans->waiting);

        return w ? w->due_usec : USEC_INFINITY;
}

unsigned scans_waiting(const struct scans *scans) {
        const struct waiter *w;
        unsigned n = 0;

        TAILQ_FOREACH(w, &scans->waiting, link) n += !w->sweeps;
        return n;
}

/* What its scan is at. */
static const char *stage_of(const struct scan *scan) {
        if (scan->was_infected && !scan->cure_over)
                return "replace";
        return scan->tier != LOG_TIER_NONE ? "stamp" : pool_stage(&scan->job);
}

void scans_list(const struct scans *scans, pending_fn *each, void *userdata) {
        const struct waiter *w;

        TAILQ_FOREACH(w, &scans->waiting, link)
        if (!each(userdata, &(struct pending){
                                    .fd = w->fd,
                                    .pid = w->pid,
                                    .arrived_usec = w->arrived_usec,
                                    .stage = stage_of(w->scan),
                                    .store = w->scan->store->name,
                            }))
                return;
}

unsigned scans_in(const struct scans *scans, const char *store) {
        unsigned n = stamper_pending_in(scans->stamper, store);
        const struct scan *scan;

        LIST_FOREACH(scan, &scans->all, link)
                if (streq(scan->store->name, store))
                        n++;
        return n;
}

bool scans_busy(const struct scans *scans) {
        return scans->n_scans > 0 || stamper_pending(scans->stamper) > 0;
}

void scans_set_gate(struct scans *scans, struct gate *gate) {
        scans->gate = gate;
}

void scans_set_keys(struct scans *scans, const struct keys *keys) {
        scans->keys = keys;
}

void scans_set_breaker(struct scans *scans, struct breaker *breaker) {
        scans->breaker = breaker;
}

void scans_set_allow_list(struct scans *scans, struct allow_list *list) {
        scans->allow_list = list;
}

void scans_set_names(struct scans *scans, struct names *names) {
        scans->names = names;
}

void scans_set_cures(struct scans *scans, struct cures *cures) {
        scans->cures = cures;
}

void scans_set_sweeps(struct scans *scans, struct sweeps *sweeps) {
        scans->sweeps = sweeps;
}

void scans_set_hot(struct scans *scans, struct hot *hot) {
        scans->hot = hot;
}

struct stamper *scans_stamper(struct scans *scans) {
        return scans->stamper;
}

int scans_new(const struct config *config, struct pool *pool, struct ring *ring,
              struct verdicts *verdicts, struct stats *stats, struct journal *journal,
              scans_found_done_fn on_found_done, void *userdata, struct scans **ret) {
        _cleanup_free_ struct scans *scans = calloc(1, sizeof(*scans));
        int r;

        if (!scans)
                return -ENOMEM;
        scans->config = config;
        scans->pool = pool;
        scans->verdicts = verdicts;
        scans->stats = stats;
        scans->journal = journal;
        scans->on_found_done = on_found_done;
        scans->userdata = userdata;
        TAILQ_INIT(&scans->waiting);
        STAILQ_INIT(&scans->done);
        STAILQ_INIT(&scans->put_off);
        r = stamper_new(ring, stats, journal, on_stamper_close, on_stamper_keep, scans,
                        &scans->stamper);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(scans);
        return 0;
}

struct scans *scans_free(struct scans *scans) {
        if (!scans)
                return NULL;
        assert(scans->n_scans == 0);
        stamper_free(scans->stamper);
        free(scans);
        return NULL;
}
