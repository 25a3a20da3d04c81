/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: every open that waits for its answer (waiter), every content being judged (scan), from the
 * event to the close of its fd. Who may answer and close:
 *
 *     judge_event()   answers and lets the gate close, when stamp or place decide;
 *                     else makes a waiter and a scan, or joins one
 *     scan_done()     answers the waiters by verdict; moves the scan to the list of the answered
 *     judge_run()     answers waiters whose deadline passed (the scan goes on); after the gate has
 *                     flushed, logs, hands the scan's fd to the stamper or closes it
 *
 * The scan's fd is its first waiter's event fd; the others' are closed with their answer. Must not
 * own: content, paths (asked of the kernel when needed), workers.
 */

#include "daemon/judge.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "daemon/clock.h"
#include "daemon/stores.h"

#define BUCKETS 1024

struct waiter {
        TAILQ_ENTRY(waiter) link;    /* of the judge, by arrival, while unanswered */
        STAILQ_ENTRY(waiter) sibling; /* of the scan */
        struct scan *scan;
        int fd;
        pid_t pid;
        bool answered, allowed, logged;
        uint64_t arrived_usec, answered_usec;
};

TAILQ_HEAD(waiter_list, waiter);

struct scan {
        LIST_ENTRY(scan) bucket;
        STAILQ_ENTRY(scan) done_link;
        struct judge *judge;
        struct pool_job job;
        int fd;
        bool is_event;  /* fd counts as an event fd */
        bool leased;    /* a read lease is on fd */
        bool hashed;    /* in the table: may be joined */
        bool has_stamp; /* its digest was told to the job */
        struct stamp stamp;
        dev_t dev;
        ino_t ino;
        uint64_t size;
        const struct config_store *store;
        struct generation generation; /* of the engine it is given to */
        STAILQ_HEAD(, waiter) waiters;

        enum verdict verdict;
        enum reason reason;
        enum log_tier tier;
        bool has_digest;
        uint8_t digest[STAMP_DIGEST_SIZE];
        char signature[PROTO_SIGNATURE_MAX];
        uint64_t queue_usec, read_usec, scan_usec, done_usec;
};

struct judge {
        const struct config *config;
        struct pool *pool;
        struct gate *gate;
        struct stamper *stamper;
        struct stats *stats;
        struct journal *journal;
        struct judge_hooks hooks;
        pid_t own_pid;

        struct waiter_list waiting;
        STAILQ_HEAD(, scan) done; /* answered; logging, stamping and closing are due */
        LIST_HEAD(, scan) buckets[BUCKETS];
        unsigned n_scans;
};

/* ---- Policy ---- */

static bool stamps_hold(const struct judge *judge, dev_t dev) {
        return judge->config->stamps && !judge->hooks.is_remote(judge->hooks.userdata, dev);
}

static bool allows(const struct config_store *store, enum verdict verdict) {
        switch (verdict) {
        case VERDICT_CLEAN: return true;
        case VERDICT_INFECTED: return store->on_infected == ON_INFECTED_DETECT;
        case VERDICT_UNSCANNABLE: return store->on_unscannable == ON_FAILURE_ALLOW;
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: return store->on_error == ON_FAILURE_ALLOW;
        }
}

static enum event_kind event_of(enum verdict verdict, bool denied) {
        switch (verdict) {
        case VERDICT_INFECTED: return denied ? EVENT_BLOCKED : EVENT_DETECTED;
        case VERDICT_UNSCANNABLE: return EVENT_UNSCANNABLE;
        case VERDICT_CLEAN:
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: return EVENT_UNDECIDED;
        }
}

/* ---- Log ---- */

/* Name and user of an opener, if it still runs: it was answered already, and may be gone. */
static void describe_opener(struct log_record *r, pid_t pid) {
        char path[sizeof("/proc//comm") + 3 * sizeof(int)];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        ssize_t n;

        r->has_opener = true;
        r->pid = pid;
        snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        if (fstat(fd, &st) == 0)
                r->uid = st.st_uid;
        n = read(fd, r->comm, sizeof(r->comm) - 1);
        while (n > 0 && r->comm[n - 1] == '\n')
                n--;
        r->comm[MAX(n, 0)] = '\0';
}

/* Told at every access: what is denied, and every infection. What can't be judged but is let
 * through is told when it is found out, not again whenever its stamp is read. */
static bool worth_a_log(const struct scan *scan, const struct waiter *waiter) {
        return scan->tier == LOG_TIER_SCAN || scan->verdict != VERDICT_UNSCANNABLE ||
               (waiter && !waiter->allowed);
}

static void log_scan(struct judge *judge, const struct scan *scan, const struct waiter *waiter) {
        bool denied = waiter && !waiter->allowed;
        struct log_record *r = journal_get(judge->journal, event_of(scan->verdict, denied));
        enum place place;
        struct stat st;

        if (!r)
                return;
        r->has_verdict = r->has_times = true;
        r->verdict = scan->verdict;
        r->reason = scan->reason;
        r->tier = scan->tier;
        r->store = scan->store->name;
        r->size = scan->size;
        r->queue_usec = scan->queue_usec;
        r->read_usec = scan->read_usec;
        r->scan_usec = scan->scan_usec;
        memcpy(r->signature, scan->signature, sizeof(r->signature));
        generation_format(&scan->generation, r->generation);
        if (waiter) {
                r->action = denied ? LOG_ACTION_DENIED : LOG_ACTION_ALLOWED;
                r->answer_usec = waiter->answered_usec - waiter->arrived_usec;
                describe_opener(r, waiter->pid);
        }
        if (fstat(scan->fd, &st) == 0)
                (void)stores_find(judge->config, scan->fd, &st, r->path, &place);
        journal_put(judge->journal, r);
}

/* ---- Scans ---- */

static size_t bucket_of(dev_t dev, ino_t ino) {
        return ((uint64_t)ino * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)dev) >> 32 & (BUCKETS - 1);
}

/* A scan under way of this very content: its lease says that nobody wrote since it began. */
static struct scan *find_scan(struct judge *judge, const struct stat *st) {
        struct scan *scan;

        LIST_FOREACH(scan, &judge->buckets[bucket_of(st->st_dev, st->st_ino)], bucket)
                if (scan->dev == st->st_dev && scan->ino == st->st_ino &&
                    scan->size == (uint64_t)st->st_size && lease_holds(scan->fd))
                        return scan;
        return NULL;
}

static void unhash(struct scan *scan) {
        if (scan->hashed)
                LIST_REMOVE(scan, bucket);
        scan->hashed = false;
}

static void release_fd(struct judge *judge, int fd, bool is_event) {
        if (is_event)
                gate_close(judge->gate, fd);
        else {
                close_fd(fd);
                judge->hooks.found_done(judge->hooks.userdata);
        }
}

static void on_stamper_close(void *userdata, int fd, bool is_event) {
        release_fd(userdata, fd, is_event);
}

/* Puts a waiter's answer into the gate's batch. The scan's own fd is kept open. */
static void answer(struct waiter *w, bool allow, uint64_t now) {
        struct scan *scan = w->scan;

        gate_answer(scan->judge->gate, w->fd, allow, w->fd == scan->fd);
        TAILQ_REMOVE(&scan->judge->waiting, w, link);
        w->answered = true;
        w->allowed = allow;
        w->answered_usec = now;
}

/* The scan's verdict is known: answers everybody who waits for it. */
static void scan_decided(struct scan *scan) {
        bool allow = allows(scan->store, scan->verdict);
        struct waiter *w;

        scan->done_usec = now_usec();
        unhash(scan);
        STAILQ_FOREACH(w, &scan->waiters, sibling)
                if (!w->answered)
                        answer(w, allow, scan->done_usec);
        STAILQ_INSERT_TAIL(&scan->judge->done, scan, done_link);
}

static void count_verdict(struct stats *stats, enum verdict verdict) {
        switch (verdict) {
        case VERDICT_CLEAN: stats->clean++; break;
        case VERDICT_INFECTED: stats->infected++; break;
        case VERDICT_UNSCANNABLE: stats->unscannable++; break;
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: stats->undecided++;
        }
}

static void scan_done(struct pool_job *job, const struct pool_result *result) {
        struct scan *scan = container_of(job, struct scan, job);
        struct judge *judge = scan->judge;

        scan->queue_usec = result->queue_usec;
        scan->read_usec = result->read_usec;
        scan->scan_usec = result->scan_usec;
        scan->has_digest = result->has_digest;
        memcpy(scan->digest, result->digest, sizeof(scan->digest));
        memcpy(scan->signature, result->signature, sizeof(scan->signature));
        if (result->known) {
                judge->stats->digest_hits++;
                scan->tier = LOG_TIER_DIGEST;
                scan->verdict = scan->stamp.verdict;
                scan->reason = scan->stamp.reason;
        } else {
                judge->stats->scans++;
                judge->stats->bytes += scan->size;
                scan->tier = LOG_TIER_SCAN;
                scan->verdict = result->verdict;
                scan->reason = result->reason;
                count_verdict(judge->stats, scan->verdict);
        }
        scan_decided(scan);
}

static void add_waiter(struct scan *scan, struct waiter *w, int fd, pid_t pid) {
        *w = (struct waiter){ .scan = scan, .fd = fd, .pid = pid, .arrived_usec = now_usec() };
        STAILQ_INSERT_TAIL(&scan->waiters, w, sibling);
        TAILQ_INSERT_TAIL(&scan->judge->waiting, w, link);
}

/* Makes a scan of fd. leased: a lease is on it. stamp: what is known of it, or NULL. */
static struct scan *scan_new(struct judge *judge, int fd, bool is_event, const struct stat *st,
                             bool leased, const struct stamp *stamp,
                             const struct config_store *store) {
        const struct generation *generation = pool_generation(judge->pool);
        struct scan *scan = calloc(1, sizeof(*scan));

        if (!scan)
                return NULL;
        scan->judge = judge;
        scan->fd = fd;
        scan->is_event = is_event;
        scan->leased = leased;
        scan->dev = st->st_dev;
        scan->ino = st->st_ino;
        scan->size = (uint64_t)st->st_size;
        scan->store = store;
        if (generation)
                scan->generation = *generation;
        STAILQ_INIT(&scan->waiters);
        scan->job = (struct pool_job){
                .fd = fd,
                .size = scan->size,
                .exact = leased,
                .low = !is_event,
                .done = scan_done,
        };
        if (stamp) {
                scan->has_stamp = true;
                scan->stamp = *stamp;
                if (stamp->has_digest) {
                        scan->job.has_known = true;
                        memcpy(scan->job.known, stamp->digest, sizeof(scan->job.known));
                }
        }
        judge->n_scans++;
        return scan;
}

static void scan_start(struct scan *scan) {
        struct judge *judge = scan->judge;

        /* The ring would fail reads of an O_NONBLOCK file instead of waiting for its pages. */
        (void)fcntl(scan->fd, F_SETFL, O_NOATIME | O_LARGEFILE);
        if (scan->leased) {
                LIST_INSERT_HEAD(&judge->buckets[bucket_of(scan->dev, scan->ino)], scan, bucket);
                scan->hashed = true;
        }
        pool_submit(judge->pool, &scan->job);
}

/* ---- After the answers ---- */

static bool worth_a_stamp(const struct scan *scan) {
        const struct generation *running = pool_generation(scan->judge->pool);

        /* A scan may end under another engine than it began; which one judged it is not known. */
        return stamps_hold(scan->judge, scan->dev) && scan->leased && scan->verdict != VERDICT_UNKNOWN &&
               running && memcmp(running, &scan->generation, sizeof(*running)) == 0;
}

static void scan_finish(struct scan *scan) {
        struct judge *judge = scan->judge;
        struct waiter *w;

        if (scan->verdict != VERDICT_CLEAN) {
                if (STAILQ_EMPTY(&scan->waiters) && worth_a_log(scan, NULL))
                        log_scan(judge, scan, NULL);
                STAILQ_FOREACH(w, &scan->waiters, sibling)
                        if (!w->logged && worth_a_log(scan, w))
                                log_scan(judge, scan, w);
        }
        if (worth_a_stamp(scan)) {
                struct stamp stamp = {
                        .verdict = scan->verdict,
                        .reason = scan->reason,
                        .generation = scan->generation,
                        .size = scan->size,
                        .has_digest = scan->has_digest,
                };

                memcpy(stamp.digest, scan->digest, sizeof(stamp.digest));
                stamper_write(judge->stamper, scan->fd, scan->is_event, scan->store->name, &stamp);
        } else {
                if (scan->verdict != VERDICT_UNKNOWN)
                        judge->stats->stamps_skipped++;
                release_fd(judge, scan->fd, scan->is_event);
        }
        while ((w = STAILQ_FIRST(&scan->waiters))) {
                STAILQ_REMOVE_HEAD(&scan->waiters, sibling);
                free(w);
        }
        judge->n_scans--;
        free(scan);
}

/* An opener waits no longer than its deadline; the scan goes on for the next one. */
static void deadline_passed(struct judge *judge, struct waiter *w, uint64_t now) {
        struct scan *scan = w->scan;

        judge->stats->timeouts++;
        answer(w, allows(scan->store, VERDICT_UNKNOWN), now);
        gate_flush(judge->gate);
        scan->verdict = VERDICT_UNKNOWN;
        scan->reason = REASON_TIMEOUT;
        scan->tier = LOG_TIER_NONE;
        log_scan(judge, scan, w);
        w->logged = true;
}

uint64_t judge_run(struct judge *judge, uint64_t now) {
        uint64_t next = stamper_run(judge->stamper, now);
        struct scan *scan;
        struct waiter *w;

        while ((scan = STAILQ_FIRST(&judge->done))) {
                STAILQ_REMOVE_HEAD(&judge->done, done_link);
                scan_finish(scan);
        }
        while ((w = TAILQ_FIRST(&judge->waiting))) {
                uint64_t due = w->arrived_usec + judge->config->scan_timeout_usec;

                if (due > now)
                        return MIN(next, due);
                deadline_passed(judge, w, now);
        }
        return next;
}

/* ---- Events ---- */

/* Reads the stamp of fd: whether there is one of the running generation that may still hold, and
 * what it is worth. */
static enum stamp_check read_stamp(struct judge *judge, int fd, const struct stat *st,
                                   struct stamp *stamp) {
        const struct generation *running = pool_generation(judge->pool);
        char text[STAMP_SIZE_MAX + 1];
        ssize_t n;

        if (!running || !stamps_hold(judge, st->st_dev))
                return STAMP_OUTDATED;
        n = fgetxattr(fd, STAMP_XATTR, text, sizeof(text));
        if (n <= 0 || stamp_parse(text, (size_t)n, stamp) < 0)
                return STAMP_OUTDATED;
        return stamp_check(stamp, st, running);
}

/* A valid stamp that is not clean: answered and logged without a scan. */
static void answer_by_stamp(struct judge *judge, int fd, pid_t pid, const struct stat *st,
                            const struct stamp *stamp, const struct config_store *store) {
        struct scan *scan = scan_new(judge, fd, true, st, true, NULL, store);
        struct waiter *w = scan ? calloc(1, sizeof(*w)) : NULL;

        judge->stats->stamp_hits++;
        if (!w) {
                if (scan) {
                        judge->n_scans--;
                        free(scan);
                }
                gate_answer(judge->gate, fd, allows(store, stamp->verdict), false);
                return;
        }
        add_waiter(scan, w, fd, pid);
        scan->tier = LOG_TIER_STAMP;
        scan->verdict = stamp->verdict;
        scan->reason = stamp->reason;
        scan->leased = false; /* it has its stamp: do not write it again */
        scan_decided(scan);
}

static void overloaded(struct judge *judge, int fd, const struct config_store *store) {
        judge->stats->undecided++;
        gate_answer(judge->gate, fd, store->on_error == ON_FAILURE_ALLOW, false);
        journal_say(judge->journal, EVENT_UNDECIDED, store->name,
                    "No memory to scan with: an open in store '%s' was %s.", store->name,
                    store->on_error == ON_FAILURE_ALLOW ? "allowed" : "denied");
}

/* No clean stamp decided: is it mail at all, what else is known of it, who scans it already? A
 * lease is asked for only now, on mail: index and lock files are never touched, not even so. */
static void judge_mail(struct judge *judge, int fd, pid_t pid, const struct stat *st, bool leased,
                       enum stamp_check check, const struct stamp *stamp) {
        char path[PATH_MAX];
        const struct config_store *store;
        struct scan *scan;
        struct waiter *w;
        enum place place;

        store = stores_find(judge->config, fd, st, path, &place);
        if (place != PLACE_ITEM) {
                if (place == PLACE_CONTROL)
                        judge->stats->control++;
                else
                        judge->stats->in_progress++;
                gate_answer(judge->gate, fd, true, false);
                return;
        }
        if (check == STAMP_VALID && leased) {
                answer_by_stamp(judge, fd, pid, st, stamp, store);
                return;
        }
        leased = leased || lease_take(fd) >= 0;

        scan = find_scan(judge, st);
        w = malloc(sizeof(*w));
        if (w && scan) {
                judge->stats->joined++;
                pool_raise(judge->pool, &scan->job);
                add_waiter(scan, w, fd, pid);
                return;
        }
        if (w)
                scan = scan_new(judge, fd, true, st, leased,
                                check == STAMP_VALID || check == STAMP_TOUCHED ? stamp : NULL, store);
        if (!w || !scan) {
                free(w);
                overloaded(judge, fd, store);
                return;
        }
        add_waiter(scan, w, fd, pid);
        scan_start(scan);
}

void judge_event(void *userdata, int fd, pid_t pid) {
        struct judge *judge = userdata;
        enum stamp_check check;
        struct stamp stamp;
        struct stat st;
        bool leased;

        if (pid == judge->own_pid || pool_is_own(judge->pool, pid)) {
                judge->stats->own++;
                gate_answer(judge->gate, fd, true, false);
                return;
        }
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
                /* An fstat that fails on an open file leaves nothing that could be read either. */
                judge->stats->control++;
                gate_answer(judge->gate, fd, true, false);
                return;
        }
        check = read_stamp(judge, fd, &st, &stamp);
        leased = check == STAMP_VALID && lease_take(fd) >= 0;
        if (leased && stamp.verdict == VERDICT_CLEAN) {
                judge->stats->stamp_hits++;
                gate_answer(judge->gate, fd, true, false);
                return;
        }
        judge_mail(judge, fd, pid, &st, leased, check, &stamp);
}

void judge_found(struct judge *judge, int fd) {
        const struct config_store *store;
        struct scan *scan = NULL;
        enum stamp_check check;
        char path[PATH_MAX];
        struct stamp stamp;
        enum place place;
        struct stat st;
        bool leased;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
                release_fd(judge, fd, false);
                return;
        }
        store = stores_find(judge->config, fd, &st, path, &place);
        check = read_stamp(judge, fd, &st, &stamp);
        leased = lease_take(fd) >= 0;
        if (place == PLACE_ITEM && !(check == STAMP_VALID && leased) && !find_scan(judge, &st))
                scan = scan_new(judge, fd, false, &st, leased,
                                check == STAMP_VALID || check == STAMP_TOUCHED ? &stamp : NULL,
                                store);
        if (!scan) {
                release_fd(judge, fd, false);
                return;
        }
        judge->stats->found++;
        scan_start(scan);
}

/* ---- The object ---- */

void judge_give_up(struct judge *judge, enum reason reason) {
        struct waiter *w;

        while ((w = TAILQ_FIRST(&judge->waiting))) {
                w->scan->verdict = VERDICT_UNKNOWN;
                w->scan->reason = reason;
                answer(w, allows(w->scan->store, VERDICT_UNKNOWN), now_usec());
        }
        gate_flush(judge->gate);
}

uint64_t judge_oldest(const struct judge *judge) {
        const struct waiter *w = TAILQ_FIRST(&judge->waiting);

        return w ? w->arrived_usec : 0;
}

bool judge_busy(const struct judge *judge) {
        return judge->n_scans > 0 || stamper_pending(judge->stamper) > 0;
}

void judge_set_gate(struct judge *judge, struct gate *gate) {
        judge->gate = gate;
}

int judge_new(const struct config *config, struct pool *pool, struct ring *ring,
              struct stats *stats, struct journal *journal, const struct judge_hooks *hooks,
              struct judge **ret) {
        _cleanup_free_ struct judge *judge = calloc(1, sizeof(*judge));
        int r;

        if (!judge)
                return -ENOMEM;
        judge->config = config;
        judge->pool = pool;
        judge->stats = stats;
        judge->journal = journal;
        judge->hooks = *hooks;
        judge->own_pid = getpid();
        TAILQ_INIT(&judge->waiting);
        STAILQ_INIT(&judge->done);
        r = stamper_new(ring, stats, journal, on_stamper_close, judge, &judge->stamper);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(judge);
        return 0;
}

struct judge *judge_free(struct judge *judge) {
        if (!judge)
                return NULL;
        assert(judge->n_scans == 0);
        stamper_free(judge->stamper);
        free(judge);
        return NULL;
}
