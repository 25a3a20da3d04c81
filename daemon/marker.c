/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: group N, the watches on store roots, the mount table's fd, the thread. Hands found files to
 * the gate thread over a socket pair, a few at a time. Must not own: verdicts, or any wait of the
 * gate thread. Its opens of folders raise no permission event, those of files do: the gate answers
 * its own process at once.
 *
 * - Group N marks every folder that P marks one by one, before the folder is listed: whatever
 *   appears in it later is told, whatever was there before is found.
 * - An inotify watch lies on every root and every folder above it: roots that go, come back or are
 *   unmounted (IN_UNMOUNT; all marks of the file system are gone then) make a new round.
 * - A poll on mountinfo tells of mounts (proc(5)).
 */

#include "daemon/marker.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "daemon/scope.h"
#include "daemon/walk.h"

#define REMOTE_MAX 64
#define FOUND_MAX 16384   /* more files than these found at once wait for their first reader */
#define FOUND_AT_ONCE 32  /* files at the gate */

#define MASK_P FAN_OPEN_PERM
#define MASK_N (FAN_CREATE | FAN_MOVED_TO | FAN_ONDIR)

/* What makes the folder at a path still the same one. */
struct identity {
        dev_t dev;
        ino_t ino;
        uint64_t mount;
        struct statx_timestamp born;
};

struct guarded {
        char *path;
        bool filesystem;
        struct identity identity;
        fsid_t fsid;
        int watch;
};

struct marked_store {
        const struct config_store *config;
        struct guarded *places;
        size_t n;
        bool told, lost;
};

struct found {
        STAILQ_ENTRY(found) link;
        char path[];
};

struct message {
        enum { MESSAGE_PLACED, MESSAGE_FOUND } type;
        int error, fd;
};

struct marker {
        const struct config *config;
        const struct gate *gate;
        struct journal *journal;
        struct marker_events events;
        FILE *errors;
        const char *own[2];

        /* The gate thread's. */
        struct ring *ring;
        struct ring_op receive_op;
        bool receiving, freed;
        struct message message;
        int gate_sock;

        /* Shared. */
        pthread_t thread;
        int sock, wake;
        _Atomic(bool) stop;
        _Atomic(unsigned) at_gate;
        _Atomic(unsigned) n_remote;
        dev_t remote[REMOTE_MAX];

        /* The thread's. */
        int group, inotify, mountinfo;
        struct marked_store *stores;
        STAILQ_HEAD(, found) found;
        unsigned n_found;
        unsigned marked, failed; /* in the walk under way */
        const char *walking;     /* name of its store */
        bool finding;
};

/* ---- Marks ---- */

static void mark_failed(struct marker *m, const char *path, int error) {
        m->failed++;
        journal_say(m->journal, EVENT_MARK_FAILED, m->walking,
                    "Failed to mark folder %s (%s): opens in it pass unscanned until this is mended "
                    "and storescand restarted.", path, strerrordesc_np(error));
}

static void walk_error(void *userdata, const char *path, int error) {
        mark_failed(userdata, path, error);
}

static int mark_folder(void *userdata, int fd, const char *path) {
        struct marker *m = userdata;
        int r;

        if (fanotify_mark(m->group, FAN_MARK_ADD | FAN_MARK_ONLYDIR, MASK_N, fd, NULL) < 0) {
                r = -errno;
                mark_failed(m, path, -r);
                return r;
        }
        r = gate_mark(m->gate, FAN_MARK_ADD | FAN_MARK_ONLYDIR, MASK_P | FAN_EVENT_ON_CHILD, fd, NULL);
        if (r < 0) {
                mark_failed(m, path, -r);
                return r;
        }
        m->marked++;
        return 0;
}

static void find_file(void *userdata, int parent, const char *name, const char *path) {
        struct marker *m = userdata;
        struct found *f;

        (void)parent;
        (void)name;
        if (m->n_found == FOUND_MAX || strlen(path) == PATH_MAX - 1)
                return;
        f = malloc(sizeof(*f) + strlen(path) + 1);
        if (!f)
                return;
        strcpy(f->path, path);
        STAILQ_INSERT_TAIL(&m->found, f, link);
        m->n_found++;
}

/* Marks the folders from name below parent down; with find, files that lie there already are
 * judged as well. */
static int mark_tree(struct marker *m, const char *store, int parent, const char *name,
                     const char *path, bool find) {
        const struct walk walk = {
                .folder = mark_folder,
                .file = find ? find_file : NULL,
                .error = walk_error,
                .userdata = m,
        };

        m->marked = m->failed = 0;
        m->walking = store;
        return walk_tree(&walk, parent, name, path);
}

/* ---- Places ---- */

static int identify(const char *path, struct identity *ret) {
        struct statx stx;

        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
                  &stx) < 0)
                return -errno;
        if (!S_ISDIR(stx.stx_mode))
                return -ENOTDIR;
        memset(ret, 0, sizeof(*ret));
        ret->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
        ret->ino = stx.stx_ino;
        ret->mount = stx.stx_mnt_id;
        ret->born.tv_sec = stx.stx_btime.tv_sec;
        ret->born.tv_nsec = stx.stx_btime.tv_nsec;
        return 0;
}

static void set_remote(struct marker *m, dev_t dev, const char *store, const char *path) {
        unsigned n = atomic_load(&m->n_remote);

        if (n == REMOTE_MAX || marker_is_remote(m, dev))
                return;
        m->remote[n] = dev;
        atomic_store(&m->n_remote, n + 1);
        journal_say(m->journal, EVENT_STORE_GUARDED, store,
                    "Store '%s': %s is on a network or FUSE file system, where others may write "
                    "unseen: stamps are not used there.", store, path);
}

static void place_forget(struct marker *m, struct guarded *g) {
        if (g->watch >= 0)
                (void)inotify_rm_watch(m->inotify, g->watch);
        free(g->path);
}

static struct guarded *place_find(struct marked_store *s, const char *path) {
        for (size_t i = 0; i < s->n; i++)
                if (streq(s->places[i].path, path))
                        return &s->places[i];
        return NULL;
}

static void place_drop(struct marker *m, struct marked_store *s, struct guarded *g) {
        place_forget(m, g);
        *g = s->places[--s->n];
}

/* Puts the marks of one place. again: they were there before, so files that have come meanwhile
 * are looked at. */
static int place_mark(struct marker *m, struct marked_store *s, const struct scope_place *place,
                      const struct identity *identity, bool again) {
        struct guarded *grown;
        struct statfs sfs;
        int r;

        if (place->remote)
                set_remote(m, identity->dev, s->config->name, place->path);
        if (statfs(place->path, &sfs) < 0)
                return -errno;
        r = place->filesystem ? gate_mark(m->gate, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK_P,
                                          AT_FDCWD, place->path) :
                                mark_tree(m, s->config->name, AT_FDCWD, place->path, place->path, again);
        if (r < 0)
                return r;

        grown = reallocarray(s->places, s->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        s->places = grown;
        grown[s->n] = (struct guarded){
                .path = strdup(place->path),
                .filesystem = place->filesystem,
                .identity = *identity,
                .fsid = sfs.f_fsid,
                .watch = inotify_add_watch(m->inotify, place->path,
                                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR),
        };
        if (!grown[s->n].path)
                return -ENOMEM;
        s->n++;
        if (place->filesystem)
                journal_say(m->journal, EVENT_STORE_GUARDED, s->config->name,
                            "Store '%s' is guarded: one mark on the file system of %s.",
                            s->config->name, place->path);
        else
                journal_say(m->journal, EVENT_STORE_GUARDED, s->config->name,
                            "Store '%s' is guarded: %u folders marked from %s down, %u failed.",
                            s->config->name, m->marked, place->path, m->failed);
        return 0;
}

static void explain_mark(const struct marker *m, const struct config_store *store, const char *path,
                         int error) {
        const char *why = strerrordesc_np(-error);

        if (!m->errors)
                return;
        if (error == -EXDEV)
                why = "this kernel can't watch folders of a btrfs subvolume (Linux 6.8 can); give the "
                      "store a file system of its own";
        else if (error == -ENODEV || error == -EOPNOTSUPP)
                why = "its file system has no file handles, so new folders would go unnoticed; give "
                      "the store a file system of its own";
        fprintf(m->errors, "[store %s] path: failed to mark %s: %s.\n", store->name, path, why);
}

static int store_round(struct marker *m, struct marked_store *s, const struct scope_mounts *mounts) {
        struct scope scope = {};
        FILE *errors = m->errors;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (!errors && !(errors = open_memstream(&text, &size)))
                return -ENOMEM;
        r = scope_find(s->config, mounts, m->own, ELEMENTSOF(m->own), errors, &scope);
        if (errors != m->errors) {
                fclose(errors);
                if (text[0] != '\0')
                        journal_say(m->journal, EVENT_MARK_FAILED, s->config->name, "%s", text);
        }
        if (r == -ENOENT) {
                while (s->n > 0)
                        place_drop(m, s, &s->places[0]);
                if (!s->lost)
                        journal_say(m->journal, EVENT_STORE_LOST, s->config->name,
                                    "Store '%s' is not guarded: its folder %s is not there. It will "
                                    "be, when the folder comes back.",
                                    s->config->name, s->config->path);
                s->lost = true;
                return 0;
        }
        if (r < 0)
                return r;

        for (size_t i = 0; i < scope.n && r >= 0; i++) {
                const struct scope_place *place = &scope.places[i];
                struct guarded *g = place_find(s, place->path);
                struct identity identity;

                if (identify(place->path, &identity) < 0)
                        continue; /* gone this moment: its watch makes another round */
                if (g && g->filesystem == place->filesystem &&
                    memcmp(&g->identity, &identity, sizeof(identity)) == 0)
                        continue;
                if (g)
                        place_drop(m, s, g);
                r = place_mark(m, s, place, &identity, s->told || s->lost);
                if (r < 0)
                        explain_mark(m, s->config, place->path, r);
        }
        s->lost = false;
        s->told = true;
        scope_done(&scope);
        return r;
}

/* Watches the folders above a root, so that its coming back is told. */
static void watch_above(struct marker *m, const char *path) {
        char above[PATH_MAX];
        char *slash;

        snprintf(above, sizeof(above), "%s", path);
        while ((slash = strrchr(above, '/'))) {
                slash[slash == above] = '\0';
                (void)inotify_add_watch(m->inotify, above,
                                        IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                                IN_DELETE_SELF | IN_ONLYDIR | IN_MASK_ADD);
                if (slash == above)
                        return;
        }
}

/* Brings marks in line with what is there now. */
static int marker_round(struct marker *m) {
        struct scope_mounts mounts;
        int r = 0;

        for (size_t i = 0; i < m->config->n_stores; i++)
                watch_above(m, m->config->stores[i].path);
        r = scope_mounts_read(NULL, &mounts);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->config->n_stores; i++) {
                int k = store_round(m, &m->stores[i], &mounts);

                if (k < 0 && !m->errors)
                        mark_failed(m, m->config->stores[i].path, -k);
                if (r >= 0)
                        r = k;
        }
        scope_mounts_done(&mounts);
        return r;
}

/* ---- What the kernel tells ---- */

/* Whether anything was told; a root's own watch that ends takes the place's identity with it. */
static bool drain_inotify(struct marker *m) {
        char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool any = false;
        ssize_t n;

        while ((n = read(m->inotify, buf, sizeof(buf))) > 0) {
                const char *p = buf;

                any = true;
                while (p < buf + n) {
                        const struct inotify_event *e = (const void *)p;

                        p += sizeof(*e) + e->len;
                        if (!(e->mask & (IN_UNMOUNT | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)))
                                continue;
                        for (size_t i = 0; i < m->config->n_stores; i++)
                                for (size_t k = 0; k < m->stores[i].n; k++) {
                                        struct guarded *g = &m->stores[i].places[k];

                                        if (g->watch != e->wd)
                                                continue;
                                        memset(&g->identity, 0, sizeof(g->identity));
                                        if (e->mask & IN_IGNORED)
                                                g->watch = -EBADF;
                                }
                }
        }
        return any;
}

/* A folder came into a marked one: marks it and all below. */
static void folder_came(struct marker *m, const struct fanotify_event_info_fid *info) {
        struct file_handle *handle = (struct file_handle *)(uintptr_t)info->handle;
        const char *name = (const char *)handle->f_handle + handle->handle_bytes;
        char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)], path[PATH_MAX];
        fsid_t fsid;
        ssize_t n;

        memcpy(&fsid, &info->fsid, sizeof(fsid));
        for (size_t i = 0; i < m->config->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++) {
                        const struct guarded *g = &m->stores[i].places[k];
                        _cleanup_close_ int mount = -EBADF, parent = -EBADF;

                        if (g->filesystem || memcmp(&g->fsid, &fsid, sizeof(fsid)) != 0)
                                continue;
                        mount = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (mount < 0)
                                continue;
                        parent = open_by_handle_at(mount, handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (parent < 0)
                                continue; /* gone already */
                        snprintf(link, sizeof(link), "/proc/self/fd/%d", parent);
                        n = readlink(link, path, sizeof(path) - 1);
                        path[MAX(n, 0)] = '\0';
                        n = MAX(n, 0);
                        snprintf(path + n, sizeof(path) - (size_t)n, "/%s", name);
                        (void)mark_tree(m, m->stores[i].config->name, parent, name, path, true);
                        return;
                }
}

static bool drain_group(struct marker *m) {
        char buf[8192] __attribute__((aligned(8)));
        ssize_t n = read(m->group, buf, sizeof(buf));
        size_t left = n > 0 ? (size_t)n : 0;

        for (const struct fanotify_event_metadata *e = (const void *)buf; FAN_EVENT_OK(e, left);
             e = FAN_EVENT_NEXT(e, left)) {
                const struct fanotify_event_info_fid *info = (const void *)(e + 1);

                if (e->mask & FAN_ONDIR && e->event_len > sizeof(*e) + sizeof(*info) &&
                    info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME)
                        folder_came(m, info);
        }
        return n > 0;
}

/* ---- Found files ---- */

static void send_message(struct marker *m, const struct message *message) {
        while (send(m->sock, message, sizeof(*message), MSG_NOSIGNAL) < 0 && errno == EINTR)
                ;
}

/* Gives found files to the gate while it takes them. */
static void hand_over(struct marker *m) {
        struct found *f;

        while (atomic_load(&m->at_gate) < FOUND_AT_ONCE && (f = STAILQ_FIRST(&m->found)) &&
               !atomic_load(&m->stop)) {
                int flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOATIME;
                struct message message = { .type = MESSAGE_FOUND };

                message.fd = open(f->path, flags);
                if (message.fd < 0 && errno == EPERM)
                        message.fd = open(f->path, flags & ~O_NOATIME);
                STAILQ_REMOVE_HEAD(&m->found, link);
                m->n_found--;
                free(f);
                if (message.fd < 0)
                        continue;
                atomic_fetch_add(&m->at_gate, 1);
                send_message(m, &message);
        }
}

/* ---- The thread ---- */

static void *marker_thread(void *userdata) {
        struct marker *m = userdata;
        struct message placed = { .type = MESSAGE_PLACED, .error = marker_round(m) };
        uint64_t count;

        m->errors = NULL;
        send_message(m, &placed);
        while (!atomic_load(&m->stop)) {
                struct pollfd fds[] = {
                        { .fd = m->group, .events = POLLIN },
                        { .fd = m->inotify, .events = POLLIN },
                        { .fd = m->mountinfo, .events = POLLPRI },
                        { .fd = m->wake, .events = POLLIN },
                };

                if (poll(fds, ELEMENTSOF(fds), -1) < 0)
                        continue;
                if (fds[3].revents)
                        (void)!read(m->wake, &count, sizeof(count));
                if (fds[1].revents | fds[2].revents) {
                        (void)drain_inotify(m);
                        (void)marker_round(m);
                }
                while (!atomic_load(&m->stop) && drain_group(m))
                        ;
                hand_over(m);
        }
        return NULL;
}

/* ---- The gate thread's side ---- */

static void receive(struct marker *m) {
        struct io_uring_sqe *sqe = ring_entry(m->ring);

        io_uring_prep_recv(sqe, m->gate_sock, &m->message, sizeof(m->message), 0);
        ring_bind(sqe, &m->receive_op);
        m->receiving = true;
}

static void received(struct ring_op *op, int res) {
        struct marker *m = container_of(op, struct marker, receive_op);
        struct message message = m->message;

        m->receiving = false;
        if (m->freed || res == 0)
                return;
        receive(m);
        if (res != sizeof(message))
                return;
        if (message.type == MESSAGE_PLACED)
                m->events.placed(m->events.userdata, message.error);
        else
                m->events.found(m->events.userdata, message.fd);
}

static void wake(struct marker *m) {
        const uint64_t one = 1;

        (void)!write(m->wake, &one, sizeof(one));
}

void marker_found_done(struct marker *m) {
        if (atomic_fetch_sub(&m->at_gate, 1) == FOUND_AT_ONCE / 2)
                wake(m);
}

bool marker_is_remote(const struct marker *m, dev_t dev) {
        unsigned n = atomic_load_explicit(&m->n_remote, memory_order_acquire);

        for (unsigned i = 0; i < n; i++)
                if (m->remote[i] == dev)
                        return true;
        return false;
}

static void marker_destroy(struct marker *m) {
        struct found *f;

        while ((f = STAILQ_FIRST(&m->found))) {
                STAILQ_REMOVE_HEAD(&m->found, link);
                free(f);
        }
        for (size_t i = 0; m->stores && i < m->config->n_stores; i++) {
                for (size_t k = 0; k < m->stores[i].n; k++)
                        free(m->stores[i].places[k].path);
                free(m->stores[i].places);
        }
        free(m->stores);
        close_fd(m->group);
        close_fd(m->inotify);
        close_fd(m->mountinfo);
        close_fd(m->wake);
        close_fd(m->sock);
        close_fd(m->gate_sock);
        free(m);
}

int marker_new(struct ring *ring, const struct config *config, const struct gate *gate,
               struct journal *journal, const struct marker_events *events, FILE *errors,
               struct marker **ret) {
        struct marker *m = calloc(1, sizeof(*m));
        int pair[2] = { -EBADF, -EBADF }, r;

        if (!m)
                return -ENOMEM;
        m->config = config;
        m->gate = gate;
        m->journal = journal;
        m->events = *events;
        m->errors = errors;
        m->own[0] = config->database;
        m->own[1] = config->tmpdir;
        m->ring = ring;
        m->receive_op.done = received;
        STAILQ_INIT(&m->found);
        m->group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_CLOEXEC | FAN_NONBLOCK |
                                         FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                                 O_RDONLY | O_CLOEXEC);
        m->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        m->mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        m->stores = calloc(config->n_stores, sizeof(*m->stores));
        r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
        m->sock = pair[0];
        m->gate_sock = pair[1];
        if (r < 0 || m->group < 0 || m->inotify < 0 || m->mountinfo < 0 || m->wake < 0 || !m->stores) {
                r = r < 0 ? r : errno > 0 ? -errno : -ENOMEM;
                fprintf(errors, "Failed to set up the watching of folders and mounts (fanotify with "
                                "file handles, inotify, mountinfo): %s; storescand needs Linux 6.1.\n",
                        strerror(-r));
                marker_destroy(m);
                return r;
        }
        for (size_t i = 0; i < config->n_stores; i++)
                m->stores[i].config = &config->stores[i];
        receive(m);
        r = pthread_create(&m->thread, NULL, marker_thread, m);
        if (r != 0) {
                m->freed = true; /* leaked with its receive: the program ends */
                return -r;
        }
        *ret = m;
        return 0;
}

struct marker *marker_free(struct marker *m) {
        if (!m)
                return NULL;
        atomic_store(&m->stop, true);
        wake(m);
        /* The thread may be inside of an open that waits for the gate's own answer. */
        for (unsigned i = 0; i < 20; i++) {
                if (pthread_tryjoin_np(m->thread, NULL) == 0) {
                        m->freed = true;
                        (void)shutdown(m->gate_sock, SHUT_RDWR);
                        for (unsigned k = 0; k < 20 && m->receiving; k++)
                                (void)ring_wait(m->ring, 50 * USEC_PER_MSEC);
                        if (!m->receiving)
                                marker_destroy(m);
                        return NULL;
                }
                (void)ring_wait(m->ring, 50 * USEC_PER_MSEC);
        }
        return NULL; /* stuck in a dead file system: it keeps its memory until the process ends */
}
