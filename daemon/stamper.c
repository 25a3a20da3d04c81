/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the fds of files being stamped, from stamper_write() until on_close. A file passes through
 * three steps: gathering (a few ticks, so that under load the kernel's workers are woken once
 * for many stamps), writing (FSETXATTR is in the ring) and cooling (writers are kept out by the lease
 * until the kernel's coarse clock is past the stamp's window, then a last look says whether the
 * lease held all the time). If a writer came meanwhile, the stamp is withdrawn before it is let in.
 *
 * The writer waits for that in open(2) or truncate(2), at most about 60 ms.
 */

#include "daemon/stamper.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "daemon/clock.h"

/* More than these at once means that a file system is stuck: stamps are a saving, not a duty. */
#define PENDING_MAX 512 /* of one file system */
#define ALL_MAX     2048
/* Of one file system at once in the ring, whose kernel workers are fewer than ring.c's WORKERS_MAX: a frozen
 * one must leave some to others. */
#define WRITING_MAX 16
/* File systems that are told apart; those beyond share the last one's. */
#define LANES_MAX 64
/* So long a stamp waits for others of its file system, and a writer of the file for its lease. */
#define STUCK_USEC USEC_PER_SEC
/* Any change made after the coarse clock has left the window has a change time outside of it. */
#define WINDOW_USEC ((uint64_t)STAMP_AFTER_MSEC * USEC_PER_MSEC)
#define COOL_USEC   (2 * WINDOW_USEC)
/* A stamp is never put within its window of the last change of the content, so that no change before
 * it can be taken for its own. */
#define GATHER_USEC ((uint64_t)STAMP_BEFORE_MSEC * USEC_PER_MSEC)
/* A stamp that can't be believed costs its reader a digest: it is written again, but not for ever. */
#define TRIES_MAX 2
/* Due times are rounded up to these, so that many stamps under way cost few wake-ups. */
#define TICK_USEC (8 * USEC_PER_MSEC)

/* One file system. */
struct lane {
        dev_t dev;
        unsigned pending, writing;
};

struct entry {
        TAILQ_ENTRY(entry) link;   /* in gathering, queued or cooling, by due time; or in spare */
        LIST_ENTRY(entry) sibling; /* of all but the spare ones */
        struct stamper *stamper;
        struct lane *lane;
        struct ring_op op;
        int fd;
        enum fd_kind kind;
        bool wanted;
        const char *store;
        struct stamp stamp;
        uint64_t due_usec;
        unsigned tries; /* that came too late */
        char text[STAMP_SIZE_MAX];
};

TAILQ_HEAD(entry_list, entry);

struct stamper {
        struct ring *ring;
        struct stats *stats;
        struct journal *journal;
        stamper_close_fn on_close;
        stamper_keep_fn on_keep;
        void *userdata;
        struct entry_list gathering, cooling, spare;
        struct entry_list queued; /* due, but WRITING_MAX of their file system are in the ring */
        struct lane lanes[LANES_MAX];
        LIST_HEAD(, entry) all;
        unsigned pending;
        uint64_t complained_usec;
};

int lease_take(int fd) {
        return fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? -errno : 0;
}

bool lease_holds(int fd) {
        return fcntl(fd, F_GETLEASE) == F_RDLCK;
}

void lease_drop(int fd) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

static uint64_t due_after(uint64_t usec) {
        return (now_usec() + usec + TICK_USEC) / TICK_USEC * TICK_USEC;
}

static void entry_spare(struct entry *e) {
        e->lane->pending--;
        e->stamper->pending--;
        LIST_REMOVE(e, sibling);
        TAILQ_INSERT_HEAD(&e->stamper->spare, e, link);
}

static void entry_end(struct entry *e) {
        struct stamper *stamper = e->stamper;

        lease_drop(e->fd);
        stamper->on_close(stamper->userdata, e->fd, e->kind);
        entry_spare(e);
}

static void complain(struct entry *e, int error) {
        struct stamper *stamper = e->stamper;
        uint64_t now = now_usec();

        stamper->stats->stamps_failed++;
        if (stamper->complained_usec != 0 && now - stamper->complained_usec < 60 * USEC_PER_SEC)
                return;
        stamper->complained_usec = now;
        journal_say(stamper->journal, EVENT_STAMP_FAILED, e->store,
                    "A stamp could not be written in store '%s' (%s); its content will be scanned "
                    "again at the next access. Further failures are counted for a minute.",
                    e->store, error_text(error));
}

static void entry_written(struct ring_op *op, int res) {
        struct entry *e = container_of(op, struct entry, op);
        struct stamper *stamper = e->stamper;

        e->lane->writing--;
        if (res < 0) {
                /* The opener came through a read-only mount: its event fd does too. */
                if (res == -EROFS)
                        stamper->stats->stamps_skipped++;
                else
                        complain(e, -res);
                entry_end(e);
                return;
        }
        e->due_usec = due_after(COOL_USEC);
        TAILQ_INSERT_TAIL(&stamper->cooling, e, link);
}

static void entry_write(struct entry *e) {
        struct io_uring_sqe *sqe;
        int n;

        e->stamp.time_msec = clock_usec(CLOCK_REALTIME) / 1000;
        n = stamp_format(&e->stamp, e->text);
        if (n < 0 || !lease_holds(e->fd)) {
                e->stamper->stats->stamps_skipped++;
                entry_end(e);
                return;
        }
        e->lane->writing++;
        sqe = ring_entry(e->stamper->ring);
        io_uring_prep_fsetxattr(sqe, e->fd, STAMP_XATTR, e->text, 0, (unsigned)n);
        ring_bind(sqe, &e->op);
}

/* Those of stuck file systems keep nobody waiting: neither what is behind them, nor writers. */
static void write_queued(struct stamper *stamper, uint64_t now) {
        struct entry *e, *next;

        for (e = TAILQ_FIRST(&stamper->queued); e; e = next) {
                bool room = e->lane->writing < WRITING_MAX;

                next = TAILQ_NEXT(e, link);
                if (!room && e->due_usec + STUCK_USEC > now)
                        continue;
                TAILQ_REMOVE(&stamper->queued, e, link);
                if (room)
                        entry_write(e);
                else {
                        stamper->stats->stamps_skipped++;
                        entry_end(e);
                }
        }
}

static void write_gathered(struct stamper *stamper, uint64_t now) {
        struct entry *e;

        write_queued(stamper, now);
        while ((e = TAILQ_FIRST(&stamper->gathering)) && e->due_usec <= now) {
                TAILQ_REMOVE(&stamper->gathering, e, link);
                if (e->lane->writing < WRITING_MAX)
                        entry_write(e);
                else
                        TAILQ_INSERT_TAIL(&stamper->queued, e, link);
        }
}

/* The lane of a file's file system, if there is room for one more. */
static struct lane *find_lane(struct stamper *stamper, int fd) {
        struct lane *lane = NULL;
        struct stat st;

        if (stamper->pending >= ALL_MAX || fstat(fd, &st) < 0)
                return NULL;
        for (size_t i = 0; i < LANES_MAX; i++) {
                struct lane *l = &stamper->lanes[i];

                if (l->pending > 0 && l->dev == st.st_dev) {
                        lane = l;
                        break;
                }
                if (l->pending == 0 && !lane)
                        lane = l;
        }
        if (!lane)
                lane = &stamper->lanes[LANES_MAX - 1];
        if (lane->pending == 0)
                lane->dev = st.st_dev;
        return lane->pending < PENDING_MAX ? lane : NULL;
}

void stamper_write(struct stamper *stamper, int fd, enum fd_kind kind, bool wanted,
                   const char *store, const struct stamp *stamp) {
        struct entry *e = TAILQ_FIRST(&stamper->spare);
        struct lane *lane = find_lane(stamper, fd);

        if (!lane)
                e = NULL;
        else if (e)
                TAILQ_REMOVE(&stamper->spare, e, link);
        else
                e = malloc(sizeof(*e));
        if (!e) {
                stamper->stats->stamps_skipped++;
                lease_drop(fd);
                stamper->on_close(stamper->userdata, fd, kind);
                return;
        }
        *e = (struct entry){
                .stamper = stamper,
                .lane = lane,
                .op.done = entry_written,
                .fd = fd,
                .kind = kind,
                .wanted = wanted,
                .store = store,
                .stamp = *stamp,
                .due_usec = due_after(GATHER_USEC),
        };
        lane->pending++;
        stamper->pending++;
        LIST_INSERT_HEAD(&stamper->all, e, sibling);
        TAILQ_INSERT_TAIL(&stamper->gathering, e, link);
}

static void removed(struct ring_op *op, int res) {
        struct entry *e = container_of(op, struct entry, op);

        (void)res;
        entry_end(e);
}

/* There is no FREMOVEXATTR in io_uring, so the stamp is replaced by one that says nothing. */
static void submit_empty(struct stamper *stamper, int fd, struct ring_op *op) {
        struct io_uring_sqe *sqe = ring_entry(stamper->ring);

        stamper->stats->stamps_withdrawn++;
        io_uring_prep_fsetxattr(sqe, fd, STAMP_XATTR, "-", 0, 1);
        ring_bind(sqe, op);
}

/* A writer waits for the lease: the stamp must not outlive this moment, since what is written
 * could carry a change time inside of its window. */
static void withdraw(struct entry *e) {
        e->op.done = removed;
        submit_empty(e->stamper, e->fd, &e->op);
}

static void withdrawn(struct ring_op *op, int res) {
        struct stamper_withdrawal *withdrawal = container_of(op, struct stamper_withdrawal, op);

        withdrawal->done(withdrawal, MIN(res, 0));
}

void stamper_withdraw(struct stamper *stamper, int fd, struct stamper_withdrawal *withdrawal) {
        withdrawal->op.done = withdrawn;
        submit_empty(stamper, fd, &withdrawal->op);
}

/* Whether the coarse clock, which change times are taken from, has not left the stamp's window. */
static bool in_window(const struct entry *e) {
        return clock_usec(CLOCK_REALTIME_COARSE) / 1000 <= e->stamp.time_msec + STAMP_AFTER_MSEC;
}

/* Then the window is still to come, and nobody will keep writers out. */
static bool clock_set_back(const struct entry *e) {
        return clock_usec(CLOCK_REALTIME_COARSE) / 1000 + STAMP_BEFORE_MSEC < e->stamp.time_msec;
}

/* Whether it can be believed. If not, the ring's worker came to it late, on a busy machine, or somebody
 * renamed the file meanwhile; by the lease its content is the same. */
static bool is_believable(const struct entry *e) {
        struct stat st;

        return fstat(e->fd, &st) >= 0 &&
               stamp_check(&e->stamp, &st, &e->stamp.generation) == STAMP_VALID;
}

uint64_t stamper_run(struct stamper *stamper, uint64_t now) {
        uint64_t next = USEC_INFINITY;
        struct entry *e;

        while ((e = TAILQ_FIRST(&stamper->cooling))) {
                if (e->due_usec > now) {
                        next = e->due_usec;
                        break;
                }
                TAILQ_REMOVE(&stamper->cooling, e, link);
                /* Asked for anew: a writer that was let in but has not come to break the lease yet
                 * makes this fail, while the lease still seems to hold (fcntl(2), F_SETLEASE). */
                if (clock_set_back(e) || lease_take(e->fd) < 0)
                        withdraw(e);
                else if (in_window(e)) {
                        e->due_usec = due_after(COOL_USEC);
                        TAILQ_INSERT_TAIL(&stamper->cooling, e, link);
                } else if (!is_believable(e) && e->tries < TRIES_MAX) {
                        e->tries++;
                        entry_write(e);
                } else {
                        stamper->stats->stamps_written++;
                        if (e->wanted && stamper->on_keep(stamper->userdata, e->fd, &e->stamp))
                                entry_spare(e);
                        else
                                entry_end(e);
                }
        }
        write_gathered(stamper, now);
        e = TAILQ_FIRST(&stamper->gathering);
        if (e)
                next = MIN(next, e->due_usec);
        /* Or when one that is in the ring ends. */
        e = TAILQ_FIRST(&stamper->queued);
        if (e)
                next = MIN(next, e->due_usec + STUCK_USEC);
        return next;
}

unsigned stamper_pending(const struct stamper *stamper) {
        return stamper->pending;
}

unsigned stamper_pending_in(const struct stamper *stamper, const char *store) {
        const struct entry *e;
        unsigned n = 0;

        LIST_FOREACH(e, &stamper->all, sibling)
                if (streq(e->store, store))
                        n++;
        return n;
}

int stamper_new(struct ring *ring, struct stats *stats, struct journal *journal,
                stamper_close_fn on_close, stamper_keep_fn on_keep, void *userdata,
                struct stamper **ret) {
        struct stamper *stamper = calloc(1, sizeof(*stamper));

        if (!stamper)
                return -ENOMEM;
        stamper->ring = ring;
        stamper->stats = stats;
        stamper->journal = journal;
        stamper->on_close = on_close;
        stamper->on_keep = on_keep;
        stamper->userdata = userdata;
        TAILQ_INIT(&stamper->gathering);
        TAILQ_INIT(&stamper->queued);
        TAILQ_INIT(&stamper->cooling);
        TAILQ_INIT(&stamper->spare);
        *ret = stamper;
        return 0;
}

struct stamper *stamper_free(struct stamper *stamper) {
        struct entry *e;

        if (!stamper)
                return NULL;
        assert(stamper->pending == 0);
        while ((e = TAILQ_FIRST(&stamper->spare))) {
                TAILQ_REMOVE(&stamper->spare, e, link);
                free(e);
        }
        free(stamper);
        return NULL;
}
