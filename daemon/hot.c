/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the fds of hot files, each with its read lease and the ignore mark of its inode, from
 * hot_keep() to their close. Must not own: verdicts (they are brought), stamps (stamper.c).
 *
 * A file passes through
 *
 *     KEPT      answered, lease held; its fd still counts as an event fd
 *     HOT       marked: readers raise nothing. Counts against max_files from here on
 *     BREAKING  unmarked; a writer waits until the stamp says nothing
 *     CLOSING   unlinked: the last close frees its blocks, which a frozen file system delays
 *
 * Why no change can pass unseen. A writer gets write access first, then raises its event, then breaks
 * the lease; a lease is refused while anybody has write access (kernel, do_dentry_open() and
 * vfs_truncate(); kernel-lease.c, kernel-hot.c). So
 * - a file is HOT only if its lease, asked for anew behind the mark, is granted: no writer has slipped
 *   by; one that comes later meets the lease;
 * - when the mark has been removed and the lease is asked for anew, a refusal says that somebody may
 *   have passed the mark without an event: the stamp is withdrawn before the lease goes. A grant
 *   says that whoever comes will raise one.
 * The mark goes first, the stamp next, the lease last: should the stamp take longer than
 * fs.lease-break-time (45 s: a frozen file system), readers at least raise events again.
 *
 * Which file goes when there are too many: least recently used can't be told, since readers are silent.
 * Files go by age, the oldest first; one that is read on comes back at its very next open, as the
 * youngest, others need two. So those in use stay, but for one event each hot_time.
 */

#include "daemon/hot.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/queue.h>
#include <sys/statvfs.h>

#include "daemon/clock.h"

#define KEPT_MAX  64U                /* files kept in one turn of the loop */
#define WAYS      4U                 /* readers remembered, for each of max_files */
#define SLICE     256U               /* files looked at, or dropped, in one turn */
#define ROUND     20U                /* looks until every file was looked at */
#define LOOK_USEC (USEC_PER_SEC / 4) /* between them: a deleted file keeps its space for 5 s */
#define IDLE_USEC (3 * USEC_PER_SEC) /* without an event of its file system, until a file goes */
#define PLOTS     64U
#define MARK      FAN_MARK_IGNORED_MASK /* without SURV_MODIFY: writes clear it too */

enum state { SPARE, KEPT, HOT, BREAKING, CLOSING };

struct entry {
        TAILQ_ENTRY(entry) link;  /* in spare, kept or files (by age) */
        LIST_ENTRY(entry) bucket; /* while HOT */
        struct hot *hot;
        enum state state;
        int fd;
        bool stamped;
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec changed;
        uint64_t mask, since_usec;
        struct stamper_withdrawal withdrawal;
        struct ring_op close_op;
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(bucket, entry);

struct sighting {
        uint64_t tag, when_usec;
};

/* Of the file systems whose numbers lead to it. */
struct plot {
        unsigned events, seen; /* by now; at the last look */
        uint64_t used_usec;    /* the last look that saw more of them than the one before */
        bool idle;
};

struct hot {
        struct ring *ring;
        struct gate *gate;
        const struct pool *pool;
        struct stamper *stamper;
        struct stats *stats;
        unsigned max_files;
        uint64_t time_usec;
        hot_may_keep_fn may_keep;
        void *userdata;

        struct entry *entries;
        unsigned n_entries, n_buckets;
        struct entry_list spare, kept, files;
        struct bucket *buckets;
        unsigned n;    /* HOT, BREAKING and CLOSING: fds that are ours */
        unsigned busy; /* BREAKING and CLOSING */

        struct generation generation; /* of all files */
        bool draining;                /* it is another one's turn: the files are on their way out */
        bool stopped;
        uint64_t lost; /* of stats.lost, when it was last looked at */
        struct plot plots[PLOTS];
        unsigned cursor;    /* the next entry to look at */
        unsigned unlooked;  /* entries that must be looked at in this turn and the next ones */
        uint64_t look_usec; /* when the next look is due */

        /* max_files sets of WAYS, which are one line of the CPU's cache */
        struct sighting *sightings;
};

/* ---- Who is worth it ---- */

static uint64_t mix(uint64_t h) {
        h = (h ^ h >> 32) * UINT64_C(0xD6E8FEB86659FD93);
        return h ^ h >> 32;
}

static uint64_t file_hash(dev_t dev, ino_t ino) {
        return mix((uint64_t)ino * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)dev);
}

/* The note on tag, or the oldest of those in its place. */
static struct sighting *sighting_of(struct hot *hot, uint64_t tag) {
        struct sighting *set = &hot->sightings[tag % hot->max_files * WAYS], *oldest = set;

        for (unsigned i = 0; i < WAYS; i++) {
                if (set[i].tag == tag)
                        return &set[i];
                if (set[i].when_usec < oldest->when_usec)
                        oldest = &set[i];
        }
        return oldest;
}

/* Notes that it was asked for; whether it was before. */
static bool note_sighting(struct hot *hot, dev_t dev, ino_t ino, const struct timespec *changed) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC_COARSE);
        uint64_t tag = mix(file_hash(dev, ino) ^
                           ((uint64_t)changed->tv_sec << 30 | (uint64_t)changed->tv_nsec));
        struct sighting *s = sighting_of(hot, tag);
        bool again = s->tag == tag && now - s->when_usec < hot->time_usec;

        *s = (struct sighting){ .tag = tag, .when_usec = now };
        return again;
}

static struct plot *plot_of(struct hot *hot, dev_t dev) {
        return &hot->plots[(dev ^ dev >> 8) % PLOTS];
}

void hot_heed(struct hot *hot, const struct stat *st) {
        plot_of(hot, st->st_dev)->events++;
}

bool hot_seen(struct hot *hot, const struct stat *st) {
        return hot->max_files > 0 && note_sighting(hot, st->st_dev, st->st_ino, &st->st_ctim);
}

void hot_ask(struct hot *hot, hot_may_keep_fn may_keep, void *userdata) {
        hot->may_keep = may_keep;
        hot->userdata = userdata;
}

bool hot_keep(struct hot *hot, const struct hot_file *file) {
        struct entry *e = TAILQ_FIRST(&hot->spare);

        if (!e || hot->stopped || hot->draining || gate_paused(hot->gate) ||
            memcmp(file->generation, &hot->generation, sizeof(hot->generation)) != 0 ||
            (hot->may_keep && !hot->may_keep(hot->userdata, file->fd, file->st)))
                return false;
        TAILQ_REMOVE(&hot->spare, e, link);
        *e = (struct entry){
                .hot = hot,
                .state = KEPT,
                .fd = file->fd,
                .stamped = file->stamped,
                .dev = file->st->st_dev,
                .ino = file->st->st_ino,
                .size = file->st->st_size,
                .changed = file->st->st_ctim,
                .mask = file->mask,
        };
        TAILQ_INSERT_TAIL(&hot->kept, e, link);
        return true;
}

/* ---- The end of one ---- */

static void entry_spare(struct entry *e) {
        e->state = SPARE;
        e->fd = -EBADF;
        TAILQ_INSERT_HEAD(&e->hot->spare, e, link);
}

static void closed(struct ring_op *op, int res) {
        struct entry *e = container_of(op, struct entry, close_op);

        /* Of all errors only these leave the fd open (close(2)); it must not be closed twice. */
        if (res == -ECANCELED || res == -ENOMEM)
                close_fd(e->fd);
        e->hot->n--;
        e->hot->busy--;
        entry_spare(e);
}

/* Closes the fd of one that is in no list. The lease goes by name: a worker may have the fd too. */
static void entry_close(struct entry *e) {
        struct io_uring_sqe *sqe;
        struct hot *hot = e->hot;
        struct stat st;

        lease_drop(e->fd);
        if (e->state == KEPT) {
                gate_close(hot->gate, e->fd);
                entry_spare(e);
                return;
        }
        if (e->state == BREAKING)
                hot->busy--;
        if (fstat(e->fd, &st) >= 0 && st.st_nlink > 0) {
                close_fd(e->fd);
                hot->n--;
                entry_spare(e);
                return;
        }
        e->state = CLOSING;
        e->close_op.done = closed;
        hot->busy++;
        sqe = ring_entry(hot->ring);
        io_uring_prep_close(sqe, e->fd);
        io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
        ring_bind(sqe, &e->close_op);
}

static void withdrawn(struct stamper_withdrawal *withdrawal, int error) {
        struct entry *e = container_of(withdrawal, struct entry, withdrawal);

        /* Whatever it says, the lease can't be kept: the kernel itself would end it. */
        if (error < 0)
                e->hot->stats->stamps_failed++;
        entry_close(e);
}

/* Removes the mark of one that is in no list, then finds out whether a writer has passed it. */
static void entry_let_go(struct entry *e) {
        struct hot *hot = e->hot;

        (void)gate_mark(hot->gate, FAN_MARK_REMOVE | MARK, e->mask, e->fd, NULL);
        if (lease_holds(e->fd) && lease_take(e->fd) >= 0) {
                if (e->state == HOT)
                        hot->stats->hot_dropped++;
                entry_close(e);
                return;
        }
        if (e->state == KEPT) {
                gate_disown(hot->gate);
                hot->n++;
        } else
                hot->stats->hot_breaks++;
        e->state = BREAKING;
        hot->busy++;
        if (!e->stamped) {
                entry_close(e);
                return;
        }
        e->withdrawal.done = withdrawn;
        stamper_withdraw(hot->stamper, e->fd, &e->withdrawal);
}

static void drop(struct entry *e) {
        LIST_REMOVE(e, bucket);
        TAILQ_REMOVE(&e->hot->files, e, link);
        entry_let_go(e);
}

/* ---- The begin of one ---- */

static struct bucket *bucket_of(struct hot *hot, dev_t dev, ino_t ino) {
        return &hot->buckets[file_hash(dev, ino) % hot->n_buckets];
}

static struct entry *find(struct hot *hot, dev_t dev, ino_t ino) {
        struct entry *e;

        LIST_FOREACH(e, bucket_of(hot, dev, ino), bucket)
                if (e->dev == dev && e->ino == ino)
                        return e;
        return NULL;
}

/* Whether nothing about the file is other than it was when it was judged. */
static bool unchanged(const struct entry *e) {
        struct stat st;

        return fstat(e->fd, &st) >= 0 && st.st_nlink > 0 && st.st_size == e->size &&
               same_time(&st.st_ctim, &e->changed);
}

/* A stamp can't be withdrawn through a mount that is read-only, and an event fd has its opener's. */
static bool is_writable(int fd) {
        struct statvfs fs;

        return fstatvfs(fd, &fs) >= 0 && !(fs.f_flag & ST_RDONLY);
}

/* The oldest makes room, but not before it had its time, or more files than there is room for would
 * only chase each other out. */
static bool make_room(struct hot *hot, uint64_t now) {
        struct entry *oldest = TAILQ_FIRST(&hot->files);

        if (hot->n >= hot->max_files && oldest && now - oldest->since_usec >= hot->time_usec / 8)
                drop(oldest);
        return hot->n < hot->max_files;
}

static void heat(struct entry *e, uint64_t now) {
        struct hot *hot = e->hot;

        if (find(hot, e->dev, e->ino) || !make_room(hot, now) ||
            (e->stamped && !is_writable(e->fd)) || fcntl(e->fd, F_SETSIG, HOT_SIGNAL) < 0) {
                entry_close(e);
                return;
        }
        /* Where somebody writes the mark's call returns 0 and marks nothing (fanotify_mark(2) does not say so):
         * the lease tells. Before it, too: a lease that is gone has let somebody write, and readers must not be
         * silent even for as long as it takes to find out. One that holds then keeps writers out until we let go. */
        if (!lease_holds(e->fd) ||
            gate_mark(hot->gate, FAN_MARK_ADD | MARK, e->mask, e->fd, NULL) < 0 ||
            !lease_holds(e->fd) || lease_take(e->fd) < 0 || !unchanged(e)) {
                entry_let_go(e);
                return;
        }
        gate_disown(hot->gate);
        plot_of(hot, e->dev)->events++; /* that of its open may have been looked at */
        e->state = HOT;
        e->since_usec = now;
        hot->n++;
        hot->stats->hot++;
        TAILQ_INSERT_TAIL(&hot->files, e, link);
        LIST_INSERT_HEAD(bucket_of(hot, e->dev, e->ino), e, bucket);
}

/* ---- Breaks ---- */

void hot_signal(struct hot *hot, uint32_t signo, int fd) {
        struct entry *e;
        struct stat st;

        if (signo == SIGIO) {
                /* Or it is about a stamp under way; nothing tells the two apart. */
                hot->unlooked = hot->n_entries;
                return;
        }
        if (signo != (uint32_t)HOT_SIGNAL || fstat(fd, &st) < 0)
                return;
        /* By now the number may be another file's. */
        e = find(hot, st.st_dev, st.st_ino);
        if (e && e->fd == fd && !lease_holds(fd))
                drop(e);
}

/* ---- Now and then ---- */

/* Readers are silent, so nobody knows whether a file is still read: it goes by age, and comes back
 * at once if it is. */
static void drop_old(struct hot *hot, uint64_t now) {
        struct entry *e;

        for (unsigned i = 0;
             i < SLICE && (e = TAILQ_FIRST(&hot->files)) && now - e->since_usec >= hot->time_usec;
             i++) {
                (void)note_sighting(hot, e->dev, e->ino, &e->changed);
                drop(e);
        }
}

/* Readers of hot files are silent, but where mail is served something else raises an event now and then: a
 * file that is not hot, an index. Where nothing does, files go, so that an unmount finds none. The kernel
 * tells of no attempt to unmount. */
static void look_who_is_idle(struct hot *hot, uint64_t now) {
        for (unsigned i = 0; i < PLOTS; i++) {
                struct plot *plot = &hot->plots[i];

                if (plot->seen != plot->events) {
                        plot->seen = plot->events;
                        plot->used_usec = now;
                        plot->idle = false;
                } else if (!plot->idle && now - plot->used_usec >= IDLE_USEC) {
                        plot->idle = true;
                        hot->unlooked = hot->n_entries;
                }
        }
}

/* Deleted, renamed, or modified by one who read, which takes the mark away (O_RDONLY | O_TRUNC,
 * utimensat(2)); or a broken lease, should its signal have been lost. */
static void look(struct hot *hot, unsigned n) {
        for (; n > 0; n--) {
                struct entry *e = &hot->entries[hot->cursor];

                hot->cursor = (hot->cursor + 1) % hot->n_entries;
                if (e->state != HOT)
                        continue;
                if (plot_of(hot, e->dev)->idle) {
                        (void)note_sighting(hot, e->dev, e->ino, &e->changed);
                        drop(e);
                } else if (!lease_holds(e->fd) || !unchanged(e))
                        drop(e);
        }
}

static void drop_some(struct hot *hot, unsigned n) {
        struct entry *e;

        for (; n > 0 && (e = TAILQ_FIRST(&hot->files)); n--)
                drop(e);
}

/* New signatures may know what the old ones called clean. Returns whether it is through. */
static bool drain(struct hot *hot) {
        const struct generation *running = pool_generation(hot->pool);

        if (!hot->draining && running &&
            memcmp(running, &hot->generation, sizeof(hot->generation)) == 0)
                return true;
        hot->draining = true;
        drop_some(hot, SLICE);
        if (!TAILQ_EMPTY(&hot->files))
                return false;
        if (running) {
                hot->generation = *running;
                hot->draining = false;
        }
        return true;
}

bool hot_has(struct hot *hot, const struct stat *st) {
        return find(hot, st->st_dev, st->st_ino);
}

bool hot_is_current(const struct hot *hot) {
        const struct generation *running = pool_generation(hot->pool);

        return running && !hot->draining &&
               memcmp(running, &hot->generation, sizeof(hot->generation)) == 0;
}

uint64_t hot_run(struct hot *hot, uint64_t now) {
        struct entry *e;
        bool again;

        while ((e = TAILQ_FIRST(&hot->kept))) {
                TAILQ_REMOVE(&hot->kept, e, link);
                heat(e, now);
        }
        again = !drain(hot);
        /* The kernel had no fd or no memory for an event. */
        if (hot->stats->lost != hot->lost) {
                hot->lost = hot->stats->lost;
                hot_drop_all(hot);
        }
        if (TAILQ_EMPTY(&hot->files)) {
                hot->unlooked = 0;
                return USEC_INFINITY;
        }
        drop_old(hot, now);
        if (hot->look_usec <= now) {
                hot->look_usec = now + LOOK_USEC;
                look_who_is_idle(hot, now);
                look(hot, hot->n_entries / ROUND + 1);
        }
        if (hot->unlooked > 0) {
                unsigned n = MIN(hot->unlooked, SLICE);

                look(hot, n);
                hot->unlooked -= n;
        }
        return again || hot->unlooked > 0 ? now : hot->look_usec;
}

/* Those that did not get so far. An answer names its event by the fd: it goes first. */
static void drop_kept(struct hot *hot) {
        struct entry *e;

        gate_flush(hot->gate);
        while ((e = TAILQ_FIRST(&hot->kept))) {
                TAILQ_REMOVE(&hot->kept, e, link);
                entry_close(e);
        }
}

void hot_drop_all(struct hot *hot) {
        drop_kept(hot);
        drop_some(hot, hot->n_entries);
}

void hot_drop_dev(struct hot *hot, dev_t dev) {
        drop_kept(hot);
        for (unsigned i = 0; i < hot->n_entries; i++)
                if (hot->entries[i].state == HOT && hot->entries[i].dev == dev)
                        drop(&hot->entries[i]);
}

void hot_stop(struct hot *hot) {
        hot->stopped = true;
        hot_drop_all(hot);
}

bool hot_busy(const struct hot *hot) {
        return hot->busy > 0;
}

/* ---- The object ---- */

int hot_new(struct ring *ring, struct gate *gate, const struct pool *pool, struct stamper *stamper,
            struct stats *stats, unsigned max_files, uint64_t time_usec, struct hot **ret) {
        struct hot *hot = calloc(1, sizeof(*hot));

        if (!hot)
                return -ENOMEM;
        hot->ring = ring;
        hot->gate = gate;
        hot->pool = pool;
        hot->stamper = stamper;
        hot->stats = stats;
        hot->max_files = max_files;
        hot->time_usec = time_usec;
        TAILQ_INIT(&hot->spare);
        TAILQ_INIT(&hot->kept);
        TAILQ_INIT(&hot->files);
        hot->n_entries = max_files > 0 ? max_files + KEPT_MAX : 0;
        hot->n_buckets = max_files / 2 + 1;
        hot->entries = calloc(MAX(hot->n_entries, 1U), sizeof(*hot->entries));
        hot->buckets = calloc(hot->n_buckets, sizeof(*hot->buckets));
        hot->sightings = calloc((size_t)max_files * WAYS + 1, sizeof(*hot->sightings));
        if (!hot->entries || !hot->buckets || !hot->sightings) {
                hot_free(hot);
                return -ENOMEM;
        }
        for (unsigned i = 0; i < hot->n_entries; i++) {
                hot->entries[i].hot = hot;
                entry_spare(&hot->entries[i]);
        }
        *ret = hot;
        return 0;
}

struct hot *hot_free(struct hot *hot) {
        if (!hot)
                return NULL;
        assert(hot->n == 0);
        free(hot->entries);
        free(hot->buckets);
        free(hot->sightings);
        free(hot);
        return NULL;
}
