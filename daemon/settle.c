/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the numbers of orphans, as fds of /dev/null, until each is an event of the gate's again; the
 * thread that opens their files. Must not own: verdicts.
 *
 * The number sweep goes beyond what the table knows: the process may have died while it took events off
 * the queue, which nobody has seen. Fds get the lowest number that is free, so these
 * lie not far above the highest that was used.
 */

#include "daemon/settle.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#include "daemon/fan-event.h"
#include "daemon/fdinfo.h"
#include "daemon/policy.h"
#include "daemon/proc-fd.h"
#include "daemon/scope.h"
#include "daemon/silent.h"

#define BEYOND     8192U  /* numbers above the highest known that are tried */
#define FAILED_MAX 65536U /* reads of a group that is given up */

struct reopened {
        int number; /* of the event; ours, too */
        int fd;     /* of its file; negative errno */
        bool aloud; /* reading that raises events */
        struct orphan orphan;
};

struct settle {
        int groups[2]; /* that can't be gone on with, with their marks */
        size_t n_groups;
        bool allow;        /* what is not known */
        gate_last_fn last; /* of whom a group was not gone on with; NULL: allow */
        void *last_userdata;
        unsigned decided, refused; /* orphans that were answered */
        struct reopened *known;
        size_t n_known;
        bool before; /* there was a process before */
        int ignored; /* its ignore marks could not be dropped one by one: negative errno */
        struct orphans *orphans;

        struct settle_parts parts;
        struct scope_mounts mounts;
        bool *wanted; /* which of them have a store on or below them */
        pthread_t thread;
        bool under_way;
        bool over; /* all who are known were judged, or answered */
        int done;  /* eventfd */
        uint64_t count;
        struct ring_op done_op;
};

static bool answer(int group, int number, bool allow) {
        const struct fanotify_response response = {
                .fd = number,
                .response = allow ? FAN_ALLOW : FAN_DENY,
        };
        ssize_t n;

        do
                n = write(group, &response, sizeof(response));
        while (n < 0 && errno == EINTR);
        return n == sizeof(response); /* else there is none of that number */
}

/* ---- Numbers ---- */

/* Puts /dev/null under it, so that no event gets it. */
static int reserve(int null, int number) {
        int fd = fcntl(null, F_DUPFD_CLOEXEC, number);

        if (fd == number)
                return 0;
        close_fd(fd);
        return fd < 0 ? -errno : -EEXIST;
}

static void remember(struct settle *s, int null, int number, const struct orphan *orphan) {
        struct reopened *grown = reallocarray(s->known, s->n_known + 1, sizeof(*grown));

        if (grown)
                s->known = grown;
        if (!grown || null < 0 || reserve(null, number) < 0)
                return;
        grown[s->n_known++] = (struct reopened){
                .number = number,
                .fd = -EBADF,
                .orphan = *orphan,
        };
}

static bool is_known(const struct settle *s, int number) {
        /* In the order of their numbers. */
        return s->n_known > 0 && s->known[s->n_known - 1].number == number;
}

/* Answers every number there may be, or takes it. */
static void sweep(struct settle *s, int group, struct orphans *orphans, int null, unsigned end) {
        for (unsigned n = 0; n < end; n++) {
                enum orphan_state state = ORPHAN_NONE;
                struct orphan orphan;
                bool decided;

                if (orphans)
                        state = orphans_look(orphans, (int)n, &orphan);
                if (state == ORPHAN_KNOWN) {
                        remember(s, null, (int)n, &orphan);
                        if (is_known(s, (int)n))
                                continue;
                }
                decided = state == ORPHAN_ALLOW || state == ORPHAN_DENY;
                if (answer(group, (int)n, decided ? state == ORPHAN_ALLOW : s->allow)) {
                        if (decided)
                                s->decided++;
                        else
                                s->refused++;
                }
                if (orphans && state != ORPHAN_NONE)
                        orphans_set(orphans, (int)n, ORPHAN_NONE);
        }
}

/* ---- Ignore marks ---- */

struct ignored {
        int group;
        struct scope_mounts mounts;
        bool folders; /* are marked one by one */
        unsigned failed;
};

static void count_folder(void *userdata, const struct fdinfo_mark *mark) {
        struct ignored *i = userdata;

        i->folders = i->folders || (!mark->filesystem && mark->mask != 0);
}

static void drop_ignored(void *userdata, const struct fdinfo_mark *mark) {
        struct ignored *i = userdata;
        int error = -ENOENT;

        if (mark->filesystem || mark->ignored == 0)
                return;
        for (size_t k = i->mounts.n; k > 0 && error < 0; k--) {
                _cleanup_close_ int mount = -EBADF, fd = -EBADF;
                char link[PROC_FD_MAX];

                if (i->mounts.mounts[k - 1].dev != mark->dev)
                        continue;
                mount = open(i->mounts.mounts[k - 1].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                fd = mount < 0 ? -errno : fdinfo_open(mark, mount);
                if (fd == -ESTALE)
                        return; /* the file is gone, and its mark with it */
                if (fd < 0)
                        continue;
                error = fanotify_mark(i->group, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK,
                                      mark->ignored, AT_FDCWD, proc_fd_link(fd, link)) < 0
                                ? -errno
                                : 0;
        }
        if (error < 0)
                i->failed++;
}

/* A file that was hot had a lease, too; it went with the process, and nothing tells of writers. */
static int drop_ignore_marks(int group) {
        struct ignored ignored = { .group = group };
        _cleanup_free_ char *text = NULL;
        int r = fdinfo_read(group, &text);

        if (r < 0)
                return r;
        fdinfo_marks(text, count_folder, &ignored);
        if (!ignored.folders)
                return fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, "/") < 0 ? -errno : 0;
        r = scope_mounts_read(NULL, &ignored.mounts);
        if (r < 0)
                return r;
        fdinfo_marks(text, drop_ignored, &ignored);
        scope_mounts_done(&ignored.mounts);
        return ignored.failed > 0 ? -ENOENT : 0;
}

/* ---- The begin ---- */

/* Whether the process before died when it had one group kept by both names: what retires it would take the marks
 * of the one to go on with. Flags are those of what both are fds of. */
static bool is_same(int a, int b) {
        int before = a < 0 || b < 0 ? -1 : fcntl(b, F_GETFL), after;

        if (before < 0 || fcntl(a, F_SETFL, before ^ O_NONBLOCK) < 0)
                return false;
        after = fcntl(b, F_GETFL);
        (void)fcntl(a, F_SETFL, before);
        return after != before;
}

int settle_begin(struct keep *keep, const struct config *config, struct orphans **ret_orphans,
                 struct settle **ret) {
        struct settle *s = calloc(1, sizeof(*s));
        struct orphans *orphans = NULL;
        struct rlimit limit = {};
        unsigned end;
        int null;

        if (!s)
                return -ENOMEM;
        s->done = -EBADF;
        s->allow = policy_allows_unknown(config);
        *ret_orphans = NULL;
        *ret = s;
        if (is_same(keep->fds[KEEP_BEFORE], keep->fds[KEEP_GATE]))
                keep->fds[KEEP_BEFORE] = close_fd(keep->fds[KEEP_BEFORE]);
        if (keep->fds[KEEP_BEFORE] >= 0)
                s->groups[s->n_groups++] = TAKE_FD(keep->fds[KEEP_BEFORE]);
        if (keep->fds[KEEP_GATE] < 0)
                return 0;
        s->before = true;

        (void)getrlimit(RLIMIT_NOFILE, &limit);
        end = (unsigned)MIN(limit.rlim_max, (rlim_t)INT32_MAX);
        if (keep->fds[KEEP_ORPHANS] >= 0 && orphans_take(keep->fds[KEEP_ORPHANS], &orphans) >= 0) {
                keep_move(keep, orphans_end(orphans));
                orphans->fd = TAKE_FD(keep->fds[KEEP_ORPHANS]);
                end = MIN(end, orphans_end(orphans) + BEYOND);
        }
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null >= 0 && orphans) {
                int moved = fcntl(null, F_DUPFD_CLOEXEC, orphans_end(orphans));

                close_fd(null);
                null = moved;
        }
        sweep(s, keep->fds[KEEP_GATE], orphans, null, end);
        close_fd(null);
        /* The process before may have died while it retired it. */
        if (s->n_groups > 0)
                sweep(s, s->groups[0], NULL, -EBADF, end);
        s->ignored = drop_ignore_marks(keep->fds[KEEP_GATE]);
        /* Rather no marks on folders, until they are placed again, than some that hide what is in them. */
        if (s->ignored < 0)
                (void)fanotify_mark(keep->fds[KEEP_GATE], FAN_MARK_FLUSH, 0, AT_FDCWD, "/");
        *ret_orphans = s->orphans = orphans;
        return 0;
}

static void tell_refused(struct settle *s) {
        if (s->refused == 0 || !s->parts.journal)
                return;
        s->parts.stats->orphans += s->refused;
        s->parts.stats->orphans_refused += s->refused;
        journal_say(s->parts.journal, EVENT_ORPHANS_REFUSED, NULL,
                    "%u opens that the storescand before left without an answer were %s: of which "
                    "files is not known.",
                    s->refused, s->allow ? "allowed, by on_error" : "denied");
        s->refused = 0;
}

/* ---- A group that can't be gone on with ---- */

bool settle_give_up(struct settle *s, int group) {
        s->groups[s->n_groups++] = group;
        for (size_t i = 0; i < s->n_known; i++) {
                s->refused += answer(group, s->known[i].number, s->allow);
                orphans_set(s->orphans, s->known[i].number, ORPHAN_NONE);
                close_fd(s->known[i].number);
        }
        s->n_known = 0;
        return s->n_groups == 1;
}

void settle_ask_last(struct settle *s, gate_last_fn last, void *userdata) {
        s->last = last;
        s->last_userdata = userdata;
}

static void answer_last(struct settle *s, int group, const struct fanotify_event_metadata *event) {
        const struct gate_event e = {
                .fd = event->fd,
                .pid = event->pid,
                .access = event->mask & FAN_OPEN_PERM ? GATE_OPEN : GATE_READ,
        };
        bool allow;

        if (e.fd < 0)
                return; /* the kernel has denied it */
        allow = s->last ? s->last(s->last_userdata, &e) : s->allow;
        s->refused += answer(group, e.fd, allow) && !allow;
        close_fd(e.fd);
}

static void retire(struct settle *s, int group) {
        unsigned failed = 0;
        char buf[256];
        ssize_t size;

        (void)fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/");
        (void)fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, "/");
        (void)fcntl(group, F_SETFL, O_NONBLOCK);
        /* An event of an access has its range behind it. One that no fd could be made for is a failed read before
         * FAN_REPORT_FD_ERROR (6.13): others stand behind it, whom the close would let through. */
        while ((size = read(group, buf, sizeof(buf))) > 0 ||
               (size < 0 && errno != EAGAIN && ++failed < FAILED_MAX)) {
                const char *at = buf;
                size_t left = (size_t)MAX(size, 0);
                union fan_event event;

                while (fan_event_next(&at, &left, &event))
                        answer_last(s, group, &event.metadata);
        }
        close_fd(group);
}

bool settle_retire(struct settle *s) {
        size_t n = s->n_groups;

        while (s->n_groups > 0)
                retire(s, s->groups[--s->n_groups]);
        tell_refused(s);
        return n > 0;
}

/* ---- The end ---- */

bool settle_busy(const struct settle *s) {
        return s->under_way;
}

/* The thread may be at it still: what it has opened stays, and so do the numbers. */
void settle_end(struct settle *s, int group) {
        (void)settle_retire(s);
        for (size_t i = 0; i < s->n_known && !s->over; i++) {
                s->refused += answer(group, s->known[i].number, s->allow);
                orphans_set(s->orphans, s->known[i].number, ORPHAN_NONE);
        }
        s->over = true;
        tell_refused(s);
}

/* ---- Those whose file is known ---- */

static int open_on(const struct changes_key *key, const struct scope_mount *on, bool *ret_aloud) {
        _cleanup_close_ int mount = -EBADF, path = -EBADF;
        struct fdinfo_mark named = { .type = key->type, .size = key->size };
        struct statfs fs;
        uint64_t fsid;

        mount = open(on->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (mount < 0 || fstatfs(mount, &fs) < 0)
                return -errno;
        memcpy(&fsid, &fs.f_fsid, sizeof(fsid));
        if (fsid != key->fsid)
                return -EXDEV;
        memcpy(named.handle, key->handle, key->size);
        path = fdinfo_open(&named, mount);
        return path < 0 ? path : silent_read(path, ret_aloud);
}

/* Only file systems with a store on them: others may hang, and are none of our business. */
static bool has_store(const struct config *config, const char *path) {
        for (size_t i = 0; i < config->n_stores; i++) {
                const char *store = config->stores[i].path;

                if (scope_is_below(store, path) || scope_is_below(path, store))
                        return true;
        }
        return false;
}

static void *reopen(void *userdata) {
        struct settle *s = userdata;
        const uint64_t one = 1;

        for (size_t i = 0; i < s->n_known; i++)
                for (size_t k = s->mounts.n; k > 0 && s->known[i].fd < 0; k--)
                        if (s->wanted[k - 1])
                                s->known[i].fd =
                                        open_on(&s->known[i].orphan.key, &s->mounts.mounts[k - 1],
                                                &s->known[i].aloud);
        (void)!write(s->done, &one, sizeof(one));
        return NULL;
}

/* It becomes an event of the gate's, under its old number. */
static void judge(struct settle *s, struct reopened *r) {
        struct gate_event event = {
                .fd = r->number,
                .pid = r->orphan.pid,
                .access = (enum gate_access)r->orphan.access,
                .offset = r->orphan.offset,
                .size = r->orphan.size,
                .has_range = r->orphan.has_range,
                .aloud = r->aloud,
                .since_usec = r->orphan.since_usec,
        };

        gate_adopt(s->parts.gate);
        if (r->fd < 0 || dup3(r->fd, r->number, O_CLOEXEC) < 0) {
                s->refused++;
                gate_answer(s->parts.gate, r->number, s->allow, false);
        } else
                s->parts.judge(s->parts.judge_userdata, &event);
        r->fd = close_fd(r->fd);
}

static void reopened(struct ring_op *op, int res) {
        struct settle *s = container_of(op, struct settle, done_op);

        (void)res;
        (void)pthread_join(s->thread, NULL);
        s->under_way = false;
        for (size_t i = 0; i < s->n_known && !s->over; i++)
                judge(s, &s->known[i]);
        s->over = true;
        tell_refused(s);
}

int settle_start(struct settle *s, const struct settle_parts *parts) {
        struct io_uring_sqe *sqe;
        int r;

        s->parts = *parts;
        if (!s->before)
                return 0;
        s->parts.stats->orphans += s->decided + s->n_known;
        journal_say(
                s->parts.journal, EVENT_TAKEN_OVER, NULL,
                "Marks and waiting opens of the storescand before were taken over: %u opens had "
                "their answer decided, %zu are judged again.%s",
                s->decided, s->n_known,
                s->ignored < 0 ? " Folders were without marks for a moment: what hid files in "
                                 "them could not be found one by one."
                               : "");
        tell_refused(s);
        if (s->n_known == 0)
                return 0;
        /* Here, since the configuration may change while the thread runs. */
        r = scope_mounts_read(NULL, &s->mounts);
        if (r < 0)
                return r;
        s->wanted = calloc(s->mounts.n + 1, sizeof(*s->wanted));
        if (!s->wanted)
                return -ENOMEM;
        for (size_t i = 0; i < s->mounts.n; i++)
                s->wanted[i] = has_store(s->parts.config, s->mounts.mounts[i].path);
        s->done = eventfd(0, EFD_CLOEXEC);
        if (s->done < 0)
                return -errno;
        r = pthread_create(&s->thread, NULL, reopen, s);
        if (r != 0)
                return -r;
        s->under_way = true;
        s->done_op.done = reopened;
        sqe = ring_entry(s->parts.ring);
        io_uring_prep_read(sqe, s->done, &s->count, sizeof(s->count), 0);
        ring_bind(sqe, &s->done_op);
        return 0;
}

struct settle *settle_free(struct settle *s) {
        if (!s || s->under_way)
                return s;
        while (s->n_groups > 0)
                close_fd(s->groups[--s->n_groups]);
        close_fd(s->done);
        scope_mounts_done(&s->mounts);
        free(s->wanted);
        free(s->known);
        free(s);
        return NULL;
}
