/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is still true of a file of many items. Owns nothing; changes the spans, the clients and the
 * tail of a file.
 *
 * The kernel tells that a file was written to, and by whom, but not where. Where a process may have
 * written is known by what it was let at (PRE_ACCESS comes before writes too): whenever anything has
 * changed, every range that anybody was let at lately is taken for changed. What nobody was let at has
 * to stem from something that was not asked for (truncate(2) of kernels without the event, a clock
 * that was set, another host): then all is.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "daemon/clock.h"
#include "daemon/many-private.h"

#define PAGE        ((uint64_t)4096)
#define TOUCHES_MAX 16
#define SETTLE_USEC (20 * USEC_PER_MSEC)

/* ---- Events ---- */

static struct client *find_client(struct many_file *file, pid_t pid) {
        for (size_t i = 0; i < file->n_clients; i++)
                if (file->clients[i].pid == pid)
                        return &file->clients[i];
        return NULL;
}

size_t many_key_bucket(const struct changes_key *key) {
        uint64_t h = key->fsid ^ (uint64_t)key->type;

        for (size_t i = 0; i < key->size; i++)
                h = (h ^ key->handle[i]) * UINT64_C(0x100000001b3);
        return (size_t)(h ^ h >> 32) % MANY_BUCKETS;
}

struct many_file *many_find_key(struct many *many, const struct changes_key *key) {
        struct many_file *file;

        if (key->size == 0)
                return NULL;
        LIST_FOREACH(file, &many->key_buckets[many_key_bucket(key)], key_bucket)
                if (changes_key_equal(&file->key, key))
                        return file;
        return NULL;
}

static void modified(void *userdata, const struct changes_key *key, pid_t pid) {
        struct many_file *file = many_find_key(userdata, key);
        const struct client *client;

        if (!file || remedies_is_own(file->many->p.remedies, pid))
                return;
        file->modified = true;
        /* 0: of another pid namespace. */
        client = pid > 0 ? find_client(file, pid) : NULL;
        if (!client)
                file->strangers = true;
        else if (client->early)
                file->early = true;
        file->writer = file->writer == 0 || file->writer == pid ? pid : -1;
}

/* ---- Clients ---- */

/* Of the job under way: what it says of this range may be of yesterday. */
static void touch(struct many_file *file, uint64_t offset, uint64_t size) {
        uint64_t end = size > UINT64_MAX - offset ? UINT64_MAX : offset + size;

        for (size_t i = 0; i < file->n_touched; i++) {
                struct range *r = &file->touched[i];
                uint64_t r_end =
                        r->size > UINT64_MAX - r->offset ? UINT64_MAX : r->offset + r->size;

                if (offset > r_end || end < r->offset)
                        continue;
                r->offset = MIN(r->offset, offset);
                r->size = MAX(r_end, end) - r->offset;
                return;
        }
        if (file->n_touched < TOUCHED_MAX)
                file->touched[file->n_touched++] = (struct range){ offset, size };
        else
                file->touched_all = true;
}

/* Nothing is known any more, not even where items begin. */
static void forget_all(struct many_file *file) {
        spans_done(&file->spans);
        file->touched_all = true;
        file->tail_writer = 0;
        file->mover = 0;
}

static void touch_recent(struct many_file *file, const struct client *client) {
        for (size_t i = 0; i < RECENT_MAX; i++)
                if (client->recent[i].size > 0)
                        touch(file, client->recent[i].offset, client->recent[i].size);
}

/* For one more client. Sessions come and go: of a process that ended all that it wrote was told, and
 * the next look knows it for a stranger's if it was not asked for yet. Only then one that still runs. */
static struct client *find_place(struct many_file *file) {
        struct client *oldest, *more;

        if (file->n_clients < CLIENTS_MAX && file->clients[file->n_clients - 1].pid > 0) {
                more = reallocarray(file->clients, 2 * file->n_clients, sizeof(*more));
                if (more) {
                        memset(more + file->n_clients, 0, file->n_clients * sizeof(*more));
                        file->clients = more;
                        file->n_clients *= 2;
                }
        }
        oldest = &file->clients[0];
        for (size_t i = 0; i < file->n_clients; i++) {
                struct client *c = &file->clients[i];

                if (c->pid == 0)
                        return c;
                if (c->used < oldest->used)
                        oldest = c;
        }
        for (size_t i = 0; i < file->n_clients; i++)
                if (kill(file->clients[i].pid, 0) < 0 && errno == ESRCH) {
                        if (file->mover == file->clients[i].pid)
                                file->mover = 0;
                        file->clients[i] = (struct client){};
                        return &file->clients[i];
                }
        return oldest;
}

/* When a process began, proc(5), stat: the 22nd field, in clock ticks since boot. False: it is not known. */
static bool find_begin(pid_t pid, uint64_t *ret_ticks) {
        char path[sizeof("/proc//stat") + 3 * sizeof(int)], text[1024];
        _cleanup_close_ int fd = -EBADF;
        unsigned long long ticks = 0;
        const char *p;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
        if (n <= 0)
                return false;
        text[n] = '\0';
        p = strrchr(text, ')'); /* the name may hold anything */
        if (!p || sscanf(p,
                         ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                         "%*d %*d %*d %llu",
                         &ticks) != 1)
                return false;
        *ret_ticks = ticks;
        return true;
}

/* Whether a process was there before the marks: what it has open since then raises no events, so that
 * it may write where it was never let at. */
static bool is_early(struct many *many, pid_t pid) {
        pid_t *late = &many->late[(unsigned)pid % LATE_MAX];
        uint64_t ticks;

        if (*late == pid)
                return false;
        if (many->guarding_ticks == 0 || !find_begin(pid, &ticks) || ticks <= many->guarding_ticks)
                return true;
        *late = pid;
        return false;
}

void many_note_access(struct many_file *file, const struct gate_event *event) {
        struct client *client;

        /* Reads alone, on kernels that do not tell of writes. What a process of another pid namespace (0)
         * writes is a stranger's. */
        if (!event->has_range || event->pid <= 0)
                return;
        client = find_client(file, event->pid);
        if (!client) {
                client = find_place(file);
                /* It may still have something under way. */
                touch_recent(file, client);
                *client = (struct client){
                        .pid = event->pid,
                        .early = is_early(file->many, event->pid),
                };
        }
        client->used = ++file->uses;
        /* No bytes: all of them (FICLONE, ftruncate(2)). */
        client->recent[client->next++ % RECENT_MAX] =
                event->size == 0 ? (struct range){ 0, UINT64_MAX }
                                 : (struct range){ event->offset, event->size };
}

/* ---- The look ---- */

/* Whether the change time alone moved, by a stamp of ours. */
static bool only_stamped(const struct many_file *file, const struct stat *st) {
        char text[STAMP_SIZE_MAX + 1];
        struct stamp stamp;
        ssize_t n;

        if (file->modified || file->size != (uint64_t)st->st_size ||
            !same_time(&file->mtime, &st->st_mtim))
                return false;
        n = fgetxattr(file->fd, STAMP_XATTR, text, sizeof(text));
        return n > 0 && stamp_parse(text, (size_t)n, &stamp) == 0 &&
               stamp_check(&stamp, st, &file->generation) == STAMP_VALID;
}

/* What was known of the tail, before more came. */
static void ask_tail(const struct many_file *file, struct spans_answer *ret) {
        *ret = (struct spans_answer){ .verdict = VERDICT_CLEAN, .complete = true };
        if (file->size > file->tail_from)
                spans_ask(&file->spans, file->tail_from, file->size - file->tail_from, ret);
}

/* Whether the bytes that came to the end are all of one process that is known here. Behind a tail that
 * was judged another one begins; who goes on with one that is infected needs to be let at it. */
static void note_tail(struct many_file *file, const struct spans_answer *tail, bool clean) {
        pid_t writer = file->writer > 0 && find_client(file, file->writer) ? file->writer : -1;

        if (file->tail_writer == 0 ||
            (tail->complete && (tail->verdict == VERDICT_CLEAN || file->tail_writer != writer))) {
                file->tail_writer = writer;
                file->tail_from = file->size;
                file->tail_touches = 0;
                file->tail_shared = false;
                file->tail_clean = clean;
        } else if (file->tail_writer != writer)
                file->tail_writer = -1;
}

void many_settle_tail(struct many_file *file) {
        struct spans_answer tail;

        if (file->tail_writer == 0)
                return;
        ask_tail(file, &tail);
        if (tail.complete && tail.verdict == VERDICT_CLEAN)
                file->tail_writer = 0;
}

static bool known_clean(const struct many_file *file, uint64_t from, uint64_t to) {
        struct spans_answer answer;

        spans_ask(&file->spans, from, to - from, &answer);
        return answer.complete && answer.verdict == VERDICT_CLEAN;
}

/* The end of what is known to be clean from a byte on that is. */
static uint64_t clean_until(const struct many_file *file, uint64_t from) {
        uint64_t known = from + 1, end = file->size;

        while (known < end) {
                uint64_t middle = known + (end - known + 1) / 2;

                if (known_clean(file, from, middle))
                        known = middle;
                else
                        end = middle - 1;
        }
        return known;
}

/* Where it begins that leads up to that byte. */
static uint64_t clean_since(const struct many_file *file, uint64_t to) {
        uint64_t begin = 0, known = to;

        while (begin < known) {
                uint64_t middle = begin + (known - begin) / 2;

                if (known_clean(file, middle, to + 1))
                        known = middle;
                else
                        begin = middle + 1;
        }
        return known;
}

/* Before the spans are touched: who wrote, and where nobody else did since it was clean. Everybody is
 * let at one range at a time, so that the last is where it was. */
static void note_mover(struct many_file *file) {
        const struct client *client =
                file->ranges && file->modified && !file->strangers && file->writer > 0
                        ? find_client(file, file->writer)
                        : NULL;
        uint64_t offset;

        if (!client || file->mover != client->pid) {
                file->mover = client ? client->pid : 0;
                file->moved_from = file->moved_to = 0;
        }
        if (!client)
                return;
        offset = client->recent[(client->next - 1) % RECENT_MAX].offset;
        if (offset < file->size && (offset < file->moved_from || offset >= file->moved_to) &&
            known_clean(file, offset, offset + 1)) {
                file->moved_from = clean_since(file, offset);
                file->moved_to = clean_until(file, offset);
        } else if (file->moved_to > 0 && file->moved_to < file->size &&
                   known_clean(file, file->moved_to, file->moved_to + 1))
                file->moved_to = clean_until(file, file->moved_to);
}

void many_drain(struct many *many) {
        changes_drain(many->p.changes, modified, many);
}

/* Nothing was judged. Unlike forget_all(): what was written, and by whom, is still known; and what was
 * infected, for the time until it is judged again. That was allowed counts as clean in spans. */
void many_forget_verdicts(struct many_file *file) {
        for (size_t i = 0; i < NOTES_MAX && file->notes; i++) {
                struct note *note = &file->notes[i];

                if (note->size > 0 && note->released &&
                    known_clean(file, note->offset, note->offset + note->size))
                        (void)spans_set(&file->spans, note->offset, note->size, SPAN_FRESH,
                                        VERDICT_INFECTED, REASON_NONE);
                note->old = true;
                if (note->verdict != VERDICT_INFECTED)
                        note->size = 0;
        }
        spans_outdate(&file->spans);
        file->released = false;
}

/* Verdicts of other signatures are none. */
static void follow_generation(struct many_file *file) {
        const struct generation *running = pool_generation(file->many->p.pool);

        if (!running || memcmp(running, &file->generation, sizeof(*running)) == 0)
                return;
        many_forget_verdicts(file);
        file->old_stamp = file->old_stamp || file->stamped;
        file->stamped = file->older = false;
        file->generation = *running;
}

/* What is allowed though it is infected may have changed. */
static void follow_allow_list(struct many_file *file) {
        uint64_t version = allow_list_version(file->many->p.allow_list);

        if (version == file->allow_version)
                return;
        file->allow_version = version;
        if (file->stamped)
                return; /* none of it is infected */
        many_forget_verdicts(file);
}

/* Whether what was there is where it was: the one who made the file grow was let at its end last (of
 * a write with O_APPEND the kernel tells the file position, which is another one at the first). Ranges
 * may also be inserted and cut out (fallocate(2)), and all that lies behind them moves. */
static bool only_grew(struct many_file *file, uint64_t size) {
        const struct client *client = file->writer > 0 ? find_client(file, file->writer) : NULL;

        if (size == file->size)
                return true;
        return size > file->size && client &&
               client->recent[(client->next - 1) % RECENT_MAX].offset >= file->size / PAGE * PAGE;
}

/* Something was written. */
static void note_changes(struct many_file *file, uint64_t size) {
        uint64_t page = file->size / PAGE * PAGE;
        bool clean = spans_was_clean(&file->spans, page, file->size - page);
        struct spans_answer tail;

        ask_tail(file, &tail);
        note_mover(file);
        if (!file->ranges || file->strangers || (!only_grew(file, size) && file->mover == 0))
                forget_all(file);
        else {
                /* Known writers, or times that were set. Digests tell soon what is still the same; a
                 * job that is under way need only look again where somebody was. */
                spans_touch_all(&file->spans);
                if (file->judging)
                        for (size_t i = 0; i < file->n_clients; i++)
                                touch_recent(file, &file->clients[i]);
                if (size < file->size || file->early || !file->modified)
                        file->touched_all = true;
        }
        if (size > file->size)
                note_tail(file, &tail, clean);
        else if (size < file->tail_from)
                file->tail_writer = 0;
        else if (file->modified && file->writer != file->tail_writer)
                file->tail_shared = true;
        file->moved_to = MIN(file->moved_to, size);
        spans_resize(&file->spans, size);
        file->stamped = file->expired = false;
        file->changed_usec = now_usec();
        many_proof_void(file);
}

bool many_time_is_settled(const struct many_file *file, const struct stat *st) {
        uint64_t changed = (uint64_t)st->st_ctim.tv_sec * USEC_PER_SEC +
                           (uint64_t)st->st_ctim.tv_nsec / NSEC_PER_USEC;

        return gate_kernel(file->many->p.gate)->pre_access ||
               changed + SETTLE_USEC < clock_usec(CLOCK_REALTIME_COARSE);
}

void many_look(struct many_file *file, const struct stat *st) {
        uint64_t size = (uint64_t)st->st_size;

        follow_generation(file);
        follow_allow_list(file);
        many_drain(file->many);
        many_proof_look(file);
        if (!file->modified && size == file->size && same_time(&st->st_mtim, &file->mtime) &&
            same_time(&st->st_ctim, &file->ctime))
                return;
        if (!only_stamped(file, st))
                note_changes(file, size);
        file->size = size;
        file->mtime = st->st_mtim;
        file->ctime = many_time_is_settled(file, st) ? st->st_ctim : (struct timespec){};
        file->modified = file->strangers = file->early = false;
        file->writer = 0;
}

void many_look_withdrawn(struct many_file *file) {
        struct stat st;

        many_drain(file->many);
        if (fstat(file->fd, &st) >= 0 && !file->modified && file->size == (uint64_t)st.st_size &&
            same_time(&file->mtime, &st.st_mtim))
                file->ctime = st.st_ctim;
}

void many_look_cured(struct many_file *file, uint64_t offset, uint64_t size) {
        /* The remedy leaves the modification time as it was. */
        many_look_withdrawn(file);
        spans_touch(&file->spans, offset, size);
        touch(file, offset, size);
        for (size_t i = 0; i < NOTES_MAX && file->notes; i++)
                if (file->notes[i].offset == offset)
                        file->notes[i].size = 0;
}

void many_look_now(struct many_file *file) {
        struct stat st;

        if (fstat(file->fd, &st) >= 0)
                many_look(file, &st);
        else
                forget_all(file);
}

/* ---- Writers ---- */

/* Whether a process has the whole file, or its end, locked for writing: mail servers read mail under
 * locks for reading. */
static bool locked_by(const struct many_file *file, pid_t pid, uint64_t offset) {
        struct flock lock = {
                .l_type = F_RDLCK,
                .l_whence = SEEK_SET,
                .l_start = (off_t)offset,
        };

        return pid > 0 && fcntl(file->fd, F_GETLK, &lock) >= 0 && lock.l_type == F_WRLCK &&
               lock.l_pid == pid;
}

/* Whether a process moves messages, as when one is removed from an mbox: what it reads then is what was
 * clean, or what it wrote itself, and torn, so that to judge it at each step would take for ever. */
static bool moves(const struct many_file *file, const struct gate_event *event) {
        uint64_t end =
                event->size > UINT64_MAX - event->offset ? UINT64_MAX : event->offset + event->size;
        struct spans_answer answer;

        if (file->mover != event->pid || event->offset < file->moved_from ||
            MIN(end, file->size) > file->moved_to || event->offset >= file->moved_to)
                return false;
        spans_ask(&file->spans, event->offset, event->size, &answer);
        return answer.verdict != VERDICT_INFECTED && locked_by(file, event->pid, event->offset);
}

bool many_goes_on_writing(struct many_file *file, const struct gate_event *event) {
        uint64_t last_page = file->size / PAGE * PAGE;
        uint64_t tail_page = file->tail_from / PAGE * PAGE;
        struct spans_answer answer;

        /* Those of other pid namespaces can't be told from each other (0), nor from nobody. */
        if (!event->has_range || event->size == 0 || event->pid <= 0)
                return false;
        if (moves(file, event))
                return true;
        if (file->tail_writer == event->pid) {
                /* What it did not write itself on the tail's first page was clean. */
                bool own = file->tail_clean || file->tail_from % PAGE == 0;

                if (event->offset >= last_page && !file->tail_shared)
                        return own || last_page > file->tail_from;
                if (event->offset >= tail_page && event->size <= PAGE &&
                    file->tail_touches < TOUCHES_MAX && !file->tail_shared && own) {
                        file->tail_touches++;
                        return true;
                }
                /* Dovecot reads again what it appended to an mbox, to bring its index up to date, and
                 * that by the lock it wrote under. If it could not, nobody could use the mailbox any
                 * more, and no mail would come in. */
                if (event->offset >= tail_page && own && locked_by(file, event->pid, event->offset))
                        return true;
        }
        spans_ask(&file->spans, event->offset, event->size, &answer);
        return event->offset >= last_page && answer.verdict != VERDICT_INFECTED &&
               locked_by(file, event->pid, event->offset);
}

bool many_only_cuts(const struct many_file *file, const struct gate_event *event) {
        struct statfs fs;

        /* There is no FICLONE on ext4. */
        return event->access == GATE_READ && event->has_range && event->size == 0 &&
               ((fstatfs(file->fd, &fs) >= 0 && (unsigned long)fs.f_type == EXT4_SUPER_MAGIC) ||
                locked_by(file, event->pid, 0));
}
