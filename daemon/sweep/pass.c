/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the state and what is being worked on. An item is given to the openers when hours, load and rate
 * allow, and is done, in the order of the walk, when it is known whether the next pass has to look at it
 * again: its stamp was seen; or its change time has moved, as by a stamp that was written; or it is
 * noted as an exception. Only then do position and counters, which are saved together, go on. What was
 * on its way when the process was killed is opened again, and answered by its new stamp.
 */

#include "daemon/sweep/pass.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/walk.h"

#define SAVE_USEC   (2 * USEC_PER_SEC)
#define TELL_USEC   (USEC_PER_SEC / 2)
#define LOOK_USEC   USEC_PER_SEC
#define SETTLE_USEC (2 * USEC_PER_SEC) /* for a stamp to be written in */
#define AGAIN_USEC  (20 * USEC_PER_MSEC)
#define HOLD_USEC   USEC_PER_SEC /* after a scan that failed, and twice as long after the next */
#define HOLD_MAX    (60 * USEC_PER_SEC)
#define ALIVE_USEC  USEC_PER_SEC /* for the socket's end to be seen when the gate died */

/* What becomes of an item that is not opened. */
enum tag { TAG_NONE, TAG_CURRENT, TAG_LEFT_OUT, TAG_EMPTY, TAG_GONE, TAG_FOLDER };

struct pass {
        struct pass_parts p;
        struct sweep_rules rules;
        struct sweep_state state;
        char text[SWEEP_SLOT_SIZE];
        struct order *order;
        struct opening next; /* comes next, when it may */
        bool has_next, walked, stopped, lost, changed;

        struct sweep_rate rate;
        struct sweep_progress progress;
        enum sweep_activity activity;
        bool rests; /* works, but begins nothing at the moment */
        uint64_t begun_usec, saved_usec, told_usec, looked_usec;
        uint64_t hold_usec, held_usec; /* nothing is given until then, and for how long that was */
        _Atomic(uint64_t) total;       /* 0: still counting */
};

static uint64_t wall_msec(void) {
        return clock_usec(CLOCK_REALTIME) / USEC_PER_MSEC;
}

static uint64_t msec_of(const struct timespec *ts) {
        return ts->tv_sec < 0 ? 0 : (uint64_t)ts->tv_sec * 1000 + (uint64_t)ts->tv_nsec / 1000000;
}

/* ---- The state ---- */

static int save(struct pass *pass, uint64_t now) {
        size_t n;

        pass->state.sequence++;
        pass->state.updated_msec = wall_msec();
        pass->state.total = atomic_load(&pass->total);
        n = sweep_state_format(&pass->state, pass->text);
        if (pwrite(pass->p.state_fd, pass->text, n, (off_t)sweep_state_offset(&pass->state)) !=
                    (ssize_t)n ||
            fdatasync(pass->p.state_fd) < 0)
                return errno > 0 ? -errno : -ENOSPC;
        pass->saved_usec = now;
        pass->changed = false;
        return 0;
}

static int load_state(struct pass *pass) {
        const size_t size = (size_t)SWEEP_SLOTS * SWEEP_SLOT_SIZE;
        _cleanup_free_ char *data = malloc(size);
        ssize_t n = data ? pread(pass->p.state_fd, data, size, 0) : 0;
        int r;

        if (!data)
                return -ENOMEM;
        if (n < 0)
                return -errno;
        r = sweep_state_choose(data, (size_t)n, &pass->state);
        return r == -ENOENT ? 0 : r;
}

/* ---- Talk ---- */

static void tell(struct pass *pass, int error) {
        uint64_t done = pass->state.counters.done, total = atomic_load(&pass->total);
        struct sweep_message m = { .kind = SWEEP_PROGRESS };

        m.progress.activity = pass->activity;
        m.progress.error = (uint32_t)-error;
        m.progress.started_msec = pass->state.started_msec;
        m.progress.total = total;
        m.progress.rate_milli = (uint64_t)(pass->progress.rate * 1000);
        m.progress.eta = sweep_progress_eta(&pass->progress, done, total);
        m.progress.taken_msec = (now_usec() - pass->begun_usec) / USEC_PER_MSEC;
        m.progress.counters = pass->state.counters;
        (void)send(pass->p.sock, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void listen_to_gate(struct pass *pass) {
        struct sweep_message m;

        for (;;) {
                ssize_t n = recv(pass->p.sock, &m, sizeof(m), MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n <= 0 || !sweep_message_check(&m, (size_t)n, true)) {
                        pass->lost = true;
                        return;
                }
                if (m.kind == SWEEP_STOP)
                        pass->stopped = true;
                if (m.kind == SWEEP_GENERATION) {
                        pass->rules.generation = m.generation;
                        pass->state.mixed = true;
                }
        }
}

/* ---- Which items ---- */

static enum place place_of(const struct pass *pass, const char *path, uint64_t size) {
        _cleanup_free_ char *full = NULL;

        if (asprintf(&full, "%s/%s", pass->p.begin->begin.name, path) < 0) {
                full = NULL;
                return PLACE_ITEM; /* rather open one too many */
        }
        return format_place((enum store_format)pass->p.begin->begin.format, full, size);
}

/* Whether an item has to do with the pass, and how. */
static bool classify(const struct pass *pass, struct opening *o) {
        const uint64_t within = pass->p.begin->begin.received_within_usec / USEC_PER_MSEC;
        _cleanup_free_ char *path = NULL;
        uint64_t now = wall_msec();
        struct stat st;

        o->tag = TAG_FOLDER;
        if (o->item.error != 0)
                return true;
        path = order_path(&o->item);
        if (!path || place_of(pass, path, UINT64_MAX) != PLACE_ITEM)
                return !path;
        if (fstatat(o->item.folder->fd, o->item.name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                o->tag = TAG_GONE;
                return true;
        }
        if (!S_ISREG(st.st_mode) || place_of(pass, path, (uint64_t)st.st_size) != PLACE_ITEM)
                return false;
        o->dev = st.st_dev;
        o->ino = st.st_ino;
        o->ctime_msec = msec_of(&st.st_ctim);
        if (st.st_size == 0)
                o->tag = TAG_EMPTY;
        else if (within > 0 && msec_of(&st.st_mtim) + within < now)
                o->tag = TAG_LEFT_OUT;
        else if (!pass->p.begin->begin.all &&
                 sweep_state_covers(&pass->state, &pass->rules, path, o->ctime_msec, now))
                o->tag = TAG_CURRENT;
        else {
                o->tag = TAG_NONE;
                o->wanted = true;
        }
        return true;
}

/* The next item of the walk into pass->next. 0 or -ENOMEM. */
static int fetch(struct pass *pass) {
        while (!pass->has_next && !pass->walked) {
                int r;

                pass->next = (struct opening){};
                r = order_next(pass->order, &pass->next.item);
                if (r < 0)
                        return r;
                pass->walked = r == 0;
                pass->has_next = r > 0 && classify(pass, &pass->next);
                if (r > 0 && !pass->has_next) {
                        folder_release(pass->next.item.folder);
                        free(pass->next.item.name);
                        return 0; /* others have their turn between */
                }
        }
        return 0;
}

/* ---- What came back ---- */

static void count_outcome(struct sweep_counters *c, const struct opening *o) {
        unsigned known = o->outcome >= SWEEP_OUTCOME_KNOWN && o->outcome < SWEEP_OUTCOME_JUDGED;
        enum verdict verdict;

        c->denied += o->opened == OPENED_DENIED;
        if (o->outcome < SWEEP_OUTCOME_KNOWN) {
                c->unasked += o->opened == OPENED_YES;
                c->undecided += o->opened == OPENED_DENIED;
                return;
        }
        c->known += known;
        c->judged += !known;
        verdict = (enum verdict)(o->outcome - (known ? SWEEP_OUTCOME_KNOWN : SWEEP_OUTCOME_JUDGED));
        c->infected += verdict == VERDICT_INFECTED;
        c->unscannable += verdict == VERDICT_UNSCANNABLE;
        c->undecided += verdict == VERDICT_UNKNOWN;
}

/* Whether the next pass may go by the change time of an item: it has seen its stamp, or will look at it
 * again. False: it must be noted; *ret_later: or that can't be said yet. */
static bool is_settled(const struct pass *pass, const struct opening *o, uint64_t now,
                       bool *ret_later) {
        bool judged = o->outcome > SWEEP_OUTCOME_JUDGED; /* VERDICT_UNKNOWN is the first */
        struct stat st;

        /* The gate died, maybe: what was opened then was not judged. */
        *ret_later = o->wanted && o->outcome == SWEEP_OUTCOME_NONE && o->opened != OPENED_GONE &&
                     now < o->done_usec + ALIVE_USEC;
        if (*ret_later)
                return false;
        if (!o->wanted || o->opened == OPENED_GONE ||
            (o->outcome > SWEEP_OUTCOME_KNOWN && o->outcome < SWEEP_OUTCOME_JUDGED))
                return true;
        if (fstatat(o->item.folder->fd, o->item.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            msec_of(&st.st_ctim) >= pass->state.started_msec)
                return true;
        *ret_later = judged && now < o->done_usec + SETTLE_USEC;
        return false;
}

static void commit(struct pass *pass, const struct opening *o, bool settled) {
        struct sweep_counters *c = &pass->state.counters;
        _cleanup_free_ char *path = order_path(&o->item);

        if (o->tag == TAG_FOLDER || !path) {
                c->failed++;
                pass->state.except.overflow = true; /* who knows what is in it */
        } else
                c->done++;
        if (o->wanted)
                count_outcome(c, o);
        c->current += o->tag == TAG_CURRENT;
        c->left_out += o->tag == TAG_LEFT_OUT;
        c->unasked += o->tag == TAG_EMPTY;
        c->gone += o->tag == TAG_GONE || o->opened == OPENED_GONE;
        c->failed += o->opened == OPENED_FAILED;
        if (path && !settled)
                sweep_except_add(&pass->state.except, path);
        if (path && strlen(path) <= SWEEP_PATH_MAX)
                (void)strcpy(pass->state.position, path);
        pass->changed = true;
}

/* While the engine fails, not all that is left is to be counted as undecided. */
static void hold(struct pass *pass, const struct opening *o, uint64_t now) {
        if (o->outcome == SWEEP_OUTCOME_JUDGED) { /* + VERDICT_UNKNOWN */
                if (now < pass->hold_usec)
                        return;
                pass->held_usec =
                        pass->held_usec == 0 ? HOLD_USEC : MIN(pass->held_usec * 2, HOLD_MAX);
                pass->hold_usec = now + pass->held_usec;
        } else if (o->outcome > SWEEP_OUTCOME_JUDGED)
                pass->held_usec = 0;
}

/* Takes what is back and can be done with; whether the oldest is to be looked at again soon. */
static bool take_back(struct pass *pass, uint64_t now) {
        const struct opening *o;

        while ((o = openers_oldest(pass->p.openers))) {
                bool later, settled = is_settled(pass, o, now, &later);

                if (!settled && later)
                        return true;
                hold(pass, o, now);
                commit(pass, o, settled);
                openers_take(pass->p.openers);
        }
        return false;
}

/* ---- When ---- */

/* Hours and load, once a second. */
static void look_around(struct pass *pass, uint64_t now) {
        const struct sweep_message *m = pass->p.begin;
        time_t wall = (time_t)(wall_msec() / 1000);
        struct tm tm;

        if (pass->looked_usec > 0 && now < pass->looked_usec + LOOK_USEC)
                return;
        pass->looked_usec = now;
        pass->activity = SWEEP_WORKS;
        pass->rests = false;
        if (localtime_r(&wall, &tm) &&
            day_window_wait(&m->begin.window,
                            (unsigned)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec)) > 0)
                pass->activity = SWEEP_AWAITS_WINDOW;
        else
                switch (load_judge(pass->p.load, m->begin.max_pressure, m->begin.max_load, now)) {
                case SWEEP_LOAD_LOW: break;
                case SWEEP_LOAD_UNKNOWN: pass->rests = true; break;
                case SWEEP_LOAD_HIGH:
                case _SWEEP_LOAD_MAX:
                default: pass->activity = SWEEP_AWAITS_LOAD;
                }
}

/* Gives the openers what they may have. How long until the next, or negative errno. */
static int64_t give_out(struct pass *pass, uint64_t now) {
        uint64_t wait = LOOK_USEC;
        /* Not for ever: the gate and what comes back have their turn. */
        unsigned n = 0;

        while (pass->activity == SWEEP_WORKS && !pass->rests && now >= pass->hold_usec &&
               openers_have_room(pass->p.openers)) {
                int r = fetch(pass);

                if (r < 0)
                        return r;
                if (pass->has_next) {
                        if (pass->next.wanted && !sweep_rate_take(&pass->rate, now, &wait))
                                return (int64_t)MIN(wait, LOOK_USEC);
                        openers_give(pass->p.openers, &pass->next);
                        pass->has_next = false;
                }
                if (pass->walked)
                        break;
                if (++n == 256)
                        return 0;
        }
        return (int64_t)LOOK_USEC;
}

/* ---- The pass ---- */

static int finish(struct pass *pass) {
        listen_to_gate(pass); /* other signatures came before the answers that they gave */
        atomic_store(&pass->total, pass->state.counters.done);
        sweep_state_finish(&pass->state, wall_msec());
        pass->activity = SWEEP_ENDED;
        return save(pass, now_usec());
}

static int turn(struct pass *pass, bool *ret_ended) {
        struct pollfd fds[] = {
                { .fd = pass->p.sock, .events = POLLIN },
                { .fd = openers_fd(pass->p.openers), .events = POLLIN },
        };
        uint64_t now = now_usec(), count;
        int64_t wait;
        bool soon;
        int r = 0;

        listen_to_gate(pass);
        look_around(pass, now);
        soon = take_back(pass, now);
        sweep_progress_note(&pass->progress, pass->state.counters.done, now);
        if (pass->stopped || pass->lost) {
                if (pass->stopped)
                        pass->state.status = SWEEP_STOPPED;
                *ret_ended = true;
                return save(pass, now);
        }
        wait = give_out(pass, now);
        if (wait < 0)
                return (int)wait;
        if (pass->walked && openers_pending(pass->p.openers) == 0) {
                *ret_ended = true;
                return finish(pass);
        }
        if (pass->changed && now >= pass->saved_usec + SAVE_USEC)
                r = save(pass, now);
        if (r < 0)
                return r;
        if (now >= pass->told_usec + TELL_USEC) {
                pass->told_usec = now;
                tell(pass, 0);
        }
        if (soon)
                wait = MIN(wait, (int64_t)AGAIN_USEC);
        else if (openers_oldest(pass->p.openers))
                wait = 0; /* nobody opens it, nor tells when it is back */
        if (poll(fds, ELEMENTSOF(fds), (int)((wait + 999) / 1000)) > 0 && fds[1].revents)
                (void)!read(fds[1].fd, &count, sizeof(count));
        return 0;
}

int pass_run(struct pass *pass) {
        bool ended = false;
        int r = save(pass, now_usec());

        while (r >= 0 && !ended)
                r = turn(pass, &ended);
        if (r < 0)
                pass->activity = SWEEP_BROKE;
        tell(pass, r);
        return r;
}

/* ---- How much there is ---- */

struct count {
        const struct sweep_message *begin;
        uint64_t n;
};

static int count_folder(void *userdata, int fd, const char *path) {
        const struct count *count = userdata;
        const char *below = strchr(path, '/');

        (void)fd;
        for (const char *p = count->begin->begin.nested; below && *p; p += strlen(p) + 1)
                if (streq(p, below + 1))
                        return -EXDEV;
        return 0;
}

static void count_file(void *userdata, int parent, const char *name, const char *path) {
        struct count *count = userdata;

        (void)parent;
        (void)name;
        if (format_place((enum store_format)count->begin->begin.format, path, UINT64_MAX) ==
            PLACE_ITEM)
                count->n++;
}

static void count_error(void *userdata, const char *path, int error) {
        (void)userdata;
        (void)path;
        (void)error;
}

void *pass_count(void *userdata) {
        struct pass *pass = userdata;
        struct count count = { .begin = pass->p.begin };
        const struct walk walk = {
                .folder = count_folder,
                .file = count_file,
                .error = count_error,
                .userdata = &count,
        };

        if (atomic_load(&pass->total) == 0 &&
            walk_tree(&walk, pass->p.root, ".", pass->p.begin->begin.name) >= 0)
                atomic_store(&pass->total, count.n);
        return NULL;
}

int pass_new(const struct pass_parts *parts, struct pass **ret) {
        _cleanup_free_ struct pass *pass = calloc(1, sizeof(*pass));
        const struct sweep_message *m = parts->begin;
        int root, r;

        if (!pass)
                return -ENOMEM;
        pass->p = *parts;
        pass->rules = (struct sweep_rules){
                .generation = m->begin.generation,
                .partial = m->begin.received_within_usec > 0,
                .strict = m->begin.strict,
        };
        pass->rate.per_second = m->begin.rate;
        pass->begun_usec = now_usec();
        r = load_state(pass);
        if (r < 0)
                return r;
        if (m->begin.anew || pass->state.status == SWEEP_NEVER ||
            pass->state.status == SWEEP_FINISHED)
                sweep_state_begin(&pass->state, &pass->rules, wall_msec());
        else
                sweep_state_resume(&pass->state, &pass->rules, wall_msec());
        atomic_store(&pass->total, pass->state.total);
        root = openat(parts->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return -errno;
        r = order_new(root, pass->state.position, m->begin.nested, &pass->order);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(pass);
        return 0;
}
