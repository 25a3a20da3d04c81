/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: group N, the inotify watches, the mount table's fd, and the list of what is marked.
 *
 * - Group N marks every folder that P marks one by one, before the folder is listed: whatever
 *   appears in it later is told, whatever was there before is found by the walk. Where N can't, a
 *   watch of newcomers.c does the same. It also tells of mail that is delivered to stores where that
 *   is scanned at once.
 * - An inotify watch lies on every root and every folder above it: roots that go, come back or are
 *   unmounted (IN_UNMOUNT; all marks of the file system are gone then) make a new round.
 * - A poll on mountinfo tells of mounts (proc(5)).
 *
 * Opening folders raises no permission event. Must not open files.
 */

#include "daemon/places-private.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>

#include "daemon/fdinfo.h"
#include "daemon/proc-fd.h"
#include "daemon/walk.h"

#define TRIES 20 /* of a store's round, while mounts come and go */

/* ---- Marks ---- */

static void mark_failed(struct places *m, const char *path, int error) {
        m->failed++;
        journal_say(
                m->journal, EVENT_MARK_FAILED, m->walking ? m->walking->name : NULL,
                "Failed to mark folder %s (%s): opens in it, or in folders that come into it, pass "
                "unscanned until this is mended and storescand restarted.",
                path, error_text(error));
}

static void walk_error(void *userdata, const char *path, int error) {
        mark_failed(userdata, path, error);
}

/* Files of many items: their changes are told as well. Where they can't be, every change of a file's
 * times is taken for one of all of it. */
static void note_changes(struct places *m, int fd, bool filesystem) {
        struct stat st;

        (void)(filesystem ? changes_mark_filesystem(m->changes, fd)
                          : changes_mark_folder(m->changes, fd));
        if (fstat(fd, &st) >= 0)
                gate_note_access(m->gate, st.st_dev, m->walking_mask & ~MASK_P);
}

/* Files of many items are judged when somebody reads in them. */
bool places_tell_news(const struct config *config, const struct config_store *store) {
        return config_proactive(config, store) && format_items(store->format) == ITEMS_ONE;
}

static int mark_folder(void *userdata, int fd, const char *path) {
        struct places *m = userdata;
        bool news = m->walking && places_tell_news(m->config, m->walking);
        int r;

        /* What lies in it must be gated, even where new folders in it would go unnoticed. */
        r = gate_mark(m->gate, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
                      m->walking_mask | FAN_EVENT_ON_CHILD, fd, NULL);
        if (r < 0) {
                mark_failed(m, path, -r);
                return r;
        }
        m->marked++;
        if (m->walking_mask != MASK_P)
                note_changes(m, fd, false);
        if (fanotify_mark(m->group, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
                          news ? MASK_N | MASK_NEWS | FAN_EVENT_ON_CHILD : MASK_N, fd, NULL) < 0) {
                r = newcomers_watch(m->newcomers, fd, m->walking_mount, news);
                if (r < 0)
                        mark_failed(m, path, -r);
        }
        return 0;
}

static void find_file(void *userdata, int parent, const char *name, const char *path) {
        struct places *m = userdata;

        (void)parent;
        (void)name;
        m->on_file(m->userdata, m->walking_mount, path, PLACES_FOUND);
}

/* For files of many items every access is told. Before there are marks, so that no open is without. */
void places_walk_store(struct places *m, const struct config_store *store, const char *mount) {
        _cleanup_close_ int fd = -EBADF;

        m->walking = store;
        m->walking_mask = MASK_P;
        if (!store || format_items(store->format) != ITEMS_MANY)
                return;
        fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        m->walking_mask |= fd >= 0 ? gate_probe_access(m->gate, fd) : FAN_ACCESS_PERM;
}

/* Marks the folders from name below parent down; with find, files that lie there already are told. */
static int mark_tree(struct places *m, const struct config_store *store, const char *mount,
                     int parent, const char *name, const char *path, bool find) {
        const struct walk walk = {
                .folder = mark_folder,
                .file = find ? find_file : NULL,
                .error = walk_error,
                .userdata = m,
        };

        m->marked = m->failed = 0;
        m->walking_mount = mount;
        places_walk_store(m, store, mount);
        return walk_tree(&walk, parent, name, path);
}

/* ---- Places ---- */

static int identify_at(int fd, const char *path, int flags, struct identity *ret) {
        struct statx stx;

        if (statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &stx) < 0)
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

static int identify(const char *path, struct identity *ret) {
        return identify_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, ret);
}

static bool same_identity(const struct identity *a, const struct identity *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}

void place_forget(struct places *m, struct guarded *g) {
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

static void place_drop(struct places *m, struct marked_store *s, struct guarded *g) {
        place_forget(m, g);
        *g = s->places[--s->n];
}

/* What is mounted on the path between the look at it and the marks must not get them: it could hold the
 * system. -EAGAIN: something was. */
static int mark_filesystem(struct places *m, const struct config_store *store, const char *path,
                           const struct identity *identity) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        struct identity opened;
        int r = fd < 0 ? -errno : identify_at(fd, "", AT_EMPTY_PATH, &opened);

        if (r < 0)
                return r;
        if (!same_identity(&opened, identity))
                return -EAGAIN;
        places_walk_store(m, store, path);
        if (m->walking_mask != MASK_P)
                note_changes(m, fd, true);
        if (places_tell_news(m->config, store) &&
            fanotify_mark(m->group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK_NEWS, fd, NULL) < 0)
                journal_say(m->journal, EVENT_NEWS_FAILED, store->name,
                            "New mail in store '%s' is scanned when it is read, not before: the "
                            "file system of %s does not tell of it (%s).",
                            store->name, path, error_text(errno));
        return gate_mark(m->gate, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, m->walking_mask, fd, NULL);
}

/* Puts the marks of one place. again: they were there before, so files that have come meanwhile
 * are looked at. */
static int place_mark(struct places *m, struct marked_store *s, const struct scope_place *place,
                      const struct identity *identity, bool again) {
        struct guarded *grown;
        struct statfs sfs;
        int r;

        if (statfs(place->path, &sfs) < 0)
                return -errno;
        r = place->filesystem ? mark_filesystem(m, s->config, place->path, identity)
                              : mark_tree(m, s->config, place->path, AT_FDCWD, place->path,
                                          place->path, again);
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
        /* Without a watch it would go unnoticed that the marks went with an unmount. */
        if (grown[s->n++].watch < 0)
                mark_failed(m, place->path, errno);
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

static void explain_mark(const struct places *m, const struct config_store *store, const char *path,
                         int error) {
        if (!m->errors)
                return;
        fprintf(m->errors, "[store %s] path: failed to mark %s: %s.\n", store->name, path,
                error_text(-error));
}

/* -EAGAIN: something was mounted or unmounted since the table was read. trust: it was not read in vain
 * again and again; else no file system is marked as a whole. */
static int store_round(struct places *m, struct marked_store *s, const struct scope_mounts *mounts,
                       bool trust) {
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
                if (text && text[0] != '\0' && (!s->complaint || !streq(s->complaint, text)))
                        journal_say(m->journal, EVENT_MARK_FAILED, s->config->name, "%s", text);
                free(s->complaint);
                s->complaint = TAKE_PTR(text);
        }
        if (r == -ENOENT) {
                while (s->n > 0)
                        place_drop(m, s, &s->places[0]);
                if (!s->lost)
                        journal_say(
                                m->journal, EVENT_STORE_LOST, s->config->name,
                                "Store '%s' is not guarded: its folder %s is not there. It will "
                                "be, when the folder comes back.",
                                s->config->name, s->config->path);
                s->lost = true;
                return 0;
        }
        if (r < 0)
                return r;

        /* One that fails leaves the others guarded. */
        for (size_t i = 0; i < scope.n; i++) {
                struct scope_place *place = &scope.places[i];
                struct guarded *g = place_find(s, place->path);
                struct identity identity;
                int k;

                if (identify(place->path, &identity) < 0)
                        continue; /* gone this moment: its watch makes another round */
                if (identity.mount != place->mount && trust) {
                        r = -EAGAIN;
                        break;
                }
                place->filesystem = place->filesystem && identity.mount == place->mount;
                if (g && g->filesystem == place->filesystem &&
                    same_identity(&g->identity, &identity))
                        continue;
                if (g)
                        place_drop(m, s, g);
                k = place_mark(m, s, place, &identity, s->told || s->lost);
                if (k == -EAGAIN) {
                        r = k;
                        break;
                }
                if (k < 0)
                        explain_mark(m, s->config, place->path, k);
                if (r >= 0)
                        r = k;
        }
        scope_done(&scope);
        if (r == -EAGAIN)
                return r;
        s->lost = false;
        s->told = true;
        return r;
}

int places_store_round(struct places *m, struct marked_store *s, struct scope_mounts *mounts) {
        int r = store_round(m, s, mounts, true);

        for (unsigned n = 1; r == -EAGAIN && n <= TRIES; n++) {
                scope_mounts_done(mounts);
                r = scope_mounts_read(NULL, mounts);
                if (r >= 0)
                        r = store_round(m, s, mounts, n < TRIES);
        }
        return r;
}

void places_watch_above(struct places *m, const char *path) {
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

int places_round(struct places *m, FILE *errors) {
        struct scope_mounts mounts;
        int r = 0;

        m->errors = errors;

        for (size_t i = 0; i < m->n_stores; i++)
                places_watch_above(m, m->stores[i].config->path);
        r = scope_mounts_read(NULL, &mounts);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->n_stores; i++) {
                int k;

                m->walking = m->stores[i].config;
                k = places_store_round(m, &m->stores[i], &mounts);

                if (k < 0 && !m->errors)
                        mark_failed(m, m->stores[i].config->path, -k);
                if (r >= 0)
                        r = k;
        }
        scope_mounts_done(&mounts);
        m->errors = NULL;
        return r;
}

/* ---- What the kernel tells ---- */

/* Events were lost: the next round marks everything again. */
static void forget_identities(struct places *m) {
        for (size_t i = 0; i < m->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++)
                        memset(&m->stores[i].places[k].identity, 0,
                               sizeof(m->stores[i].places[k].identity));
}

/* A root's own watch that ends takes the place's identity with it. */
void places_take_watches(struct places *m) {
        char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t n;

        while ((n = read(m->inotify, buf, sizeof(buf))) > 0) {
                const char *p = buf;

                while (p < buf + n) {
                        const struct inotify_event *e = (const void *)p;

                        p += sizeof(*e) + e->len;
                        if (e->mask & IN_Q_OVERFLOW)
                                forget_identities(m);
                        if (!(e->mask & (IN_UNMOUNT | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)))
                                continue;
                        for (size_t i = 0; i < m->n_stores; i++)
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
}

struct belongs places_belong(const struct places *m, const char *path) {
        struct belongs best = {};

        for (size_t i = 0; i < m->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++) {
                        const struct config_store *store = m->stores[i].config;
                        const struct guarded *g = &m->stores[i].places[k];
                        const char *rest = startswith(path, g->path);

                        if (!g->filesystem && rest && (*rest == '\0' || *rest == '/') &&
                            (!best.store || strlen(store->path) > strlen(best.store->path)))
                                best = (struct belongs){ store, g->path };
                }
        return best;
}

/* Of two that it may belong to: better told too much of than too little. */
static void belongs_perhaps(struct belongs *to, const struct config_store *store,
                            const char *mount) {
        if (!to->store || format_items(store->format) == ITEMS_MANY)
                *to = (struct belongs){ store, mount };
}

/* A folder came into a marked one: marks it and all below. */
static void folder_came(struct places *m, const struct belongs *to, int parent, const char *name) {
        char path[PATH_MAX];
        size_t n;

        proc_fd_path(parent, path);
        n = strlen(path);
        snprintf(path + n, sizeof(path) - n, "/%s", name);
        (void)mark_tree(m, to->store, to->mount, parent, name, path, true);
}

/* A file came into a folder, or was written to there: tells of it if it is mail that is to be scanned
 * before anybody asks. */
static void file_came(struct places *m, int parent, const char *name, enum places_news news) {
        const struct config_store *store = NULL;
        const char *rest, *mount = NULL;
        char path[PATH_MAX];
        size_t n;

        proc_fd_path(parent, path);
        n = strlen(path);
        if ((size_t)snprintf(path + n, sizeof(path) - n, "/%s", name) >= sizeof(path) - n)
                return;
        for (size_t i = 0; i < m->n_stores; i++) {
                const struct config_store *s = m->stores[i].config;

                rest = startswith(path, s->path);
                if (!rest || *rest != '/' || (store && strlen(s->path) < strlen(store->path)))
                        continue;
                store = s;
                mount = NULL;
                for (size_t k = 0; k < m->stores[i].n; k++) {
                        const char *place = m->stores[i].places[k].path;

                        rest = startswith(path, place);
                        if (rest && *rest == '/' && (!mount || strlen(place) > strlen(mount)))
                                mount = place;
                }
        }
        /* As stores.c has it: the name of the store's folder counts. */
        if (mount && places_tell_news(m->config, store) &&
            format_place(store->format, path + (strrchr(store->path, '/') - store->path) + 1,
                         UINT64_MAX) == PLACE_ITEM)
                m->on_file(m->userdata, mount, path, news);
}

/* The same, told by group N: the folder is named by a handle. */
static void file_came_by_handle(struct places *m, const struct fanotify_event_info_fid *info,
                                enum places_news news) {
        struct file_handle *handle = (struct file_handle *)(uintptr_t)info->handle;
        const char *name = (const char *)handle->f_handle + handle->handle_bytes;
        fsid_t fsid;

        memcpy(&fsid, &info->fsid, sizeof(fsid));
        for (size_t i = 0; i < m->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++) {
                        const struct guarded *g = &m->stores[i].places[k];
                        _cleanup_close_ int mount = -EBADF, parent = -EBADF;

                        if (!places_tell_news(m->config, m->stores[i].config) ||
                            memcmp(&g->fsid, &fsid, sizeof(fsid)) != 0)
                                continue;
                        mount = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (mount >= 0)
                                parent = open_by_handle_at(mount, handle,
                                                           O_PATH | O_DIRECTORY | O_CLOEXEC);
                        if (parent < 0)
                                continue; /* gone already */
                        file_came(m, parent, name, news);
                        return;
                }
}

/* The same for folders, told by group N. */
static void folder_came_by_handle(struct places *m, const struct fanotify_event_info_fid *info) {
        struct file_handle *handle = (struct file_handle *)(uintptr_t)info->handle;
        const char *name = (const char *)handle->f_handle + handle->handle_bytes;
        _cleanup_close_ int parent = -EBADF;
        struct belongs perhaps = {};
        char path[PATH_MAX];
        fsid_t fsid;

        memcpy(&fsid, &info->fsid, sizeof(fsid));
        for (size_t i = 0; i < m->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++) {
                        const struct guarded *g = &m->stores[i].places[k];
                        _cleanup_close_ int mount = -EBADF;
                        struct belongs to;
                        int fd;

                        if (g->filesystem || memcmp(&g->fsid, &fsid, sizeof(fsid)) != 0)
                                continue;
                        mount = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (mount < 0)
                                continue;
                        fd = open_by_handle_at(mount, handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (fd < 0)
                                continue; /* gone already */
                        close_fd(parent);
                        parent = fd;
                        /* Through another mount of the file system, the path leads elsewhere. */
                        proc_fd_path(parent, path);
                        to = places_belong(m, path);
                        if (to.store) {
                                folder_came(m, &to, parent, name);
                                return;
                        }
                        belongs_perhaps(&perhaps, m->stores[i].config, g->path);
                }
        if (perhaps.store)
                folder_came(m, &perhaps, parent, name);
}

/* The same, told by a watch. */
static void came_by_watch(void *userdata, int parent, const char *name, const char *mount,
                          enum newcomers_what what) {
        struct places *m = userdata;
        char path[PATH_MAX];
        struct belongs to;

        if (what != NEWCOMERS_FOLDER) {
                file_came(m, parent, name,
                          what == NEWCOMERS_CREATED ? PLACES_CREATED : PLACES_DELIVERED);
                return;
        }
        proc_fd_path(parent, path);
        to = places_belong(m, path);
        for (size_t i = 0; i < m->n_stores && !to.store; i++)
                if (place_find(&m->stores[i], mount))
                        belongs_perhaps(&to, m->stores[i].config, mount);
        if (!to.store)
                return; /* that place is guarded no more */
        folder_came(m, &to, parent, name);
}

void places_take_newcomers(struct places *m) {
        if (!newcomers_take(m->newcomers, came_by_watch, m))
                return;
        forget_identities(m);
        (void)places_round(m, NULL);
}

bool places_take_group(struct places *m) {
        char buf[8192] __attribute__((aligned(8)));
        ssize_t n = read(m->group, buf, sizeof(buf));
        size_t left = n > 0 ? (size_t)n : 0;

        for (const struct fanotify_event_metadata *e = (const void *)buf; FAN_EVENT_OK(e, left);
             e = FAN_EVENT_NEXT(e, left)) {
                const struct fanotify_event_info_fid *info = (const void *)(e + 1);

                if (e->event_len <= sizeof(*e) + sizeof(*info) ||
                    info->hdr.info_type != FAN_EVENT_INFO_TYPE_DFID_NAME)
                        continue;
                if (e->mask & FAN_ONDIR)
                        folder_came_by_handle(m, info);
                else
                        file_came_by_handle(m, info,
                                            e->mask & (FAN_MOVED_TO | FAN_CLOSE_WRITE)
                                                    ? PLACES_DELIVERED
                                                    : PLACES_CREATED);
        }
        return n > 0;
}

/* ---- The object ---- */

int places_group_fd(const struct places *places) {
        return places->group;
}

int places_watch_fd(const struct places *places) {
        return places->inotify;
}

int places_newcomers_fd(const struct places *places) {
        return newcomers_fd(places->newcomers);
}

int places_mounts_fd(const struct places *places) {
        return places->mountinfo;
}

int places_open_news(int kept, FILE *errors) {
        int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_CLOEXEC | FAN_NONBLOCK |
                                       FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                               O_RDONLY | O_CLOEXEC);

        if (fd < 0) {
                fd = -errno;
                fprintf(errors,
                        "Failed to open a fanotify group with file handles: %s; storescand needs "
                        "Linux 6.1.\n",
                        strerror(-fd));
                return fd;
        }
        (void)fdinfo_prefer(kept, &fd);
        return fd;
}

int places_new(const struct places_parts *parts, FILE *errors, struct places **ret) {
        _cleanup_(places_freep) struct places *places = calloc(1, sizeof(*places));
        const struct config *config = parts->config;
        int r;

        if (!places)
                return -ENOMEM;
        places->config = config;
        places->gate = parts->gate;
        places->changes = parts->changes;
        places->journal = parts->journal;
        places->on_file = parts->on_file;
        places->userdata = parts->userdata;
        places->own[0] = config->database;
        places->own[1] = config->tmpdir;
        places->own[2] = config->cache_size > 0 ? config->cache_directory : NULL;
        places->own[3] = config->quarantine_directory;
        places->group = parts->news;
        places->inotify = places->mountinfo = -EBADF;
        r = newcomers_new(&places->newcomers);
        if (r < 0) {
                fprintf(errors, "Failed to watch folders by inotify: %s.\n", strerror(-r));
                return r;
        }
        places->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (places->inotify >= 0)
                places->mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (places->mountinfo < 0) {
                r = -errno;
                fprintf(errors,
                        "Failed to set up the watching of folders and mounts (inotify, mountinfo): "
                        "%s.\n",
                        strerror(-r));
                return r;
        }
        places->stores = calloc(config->n_stores, sizeof(*places->stores));
        if (!places->stores)
                return -ENOMEM;
        places->n_stores = config->n_stores;
        for (size_t i = 0; i < config->n_stores; i++)
                places->stores[i].config = &config->stores[i];
        *ret = TAKE_PTR(places);
        return 0;
}

struct places *places_free(struct places *places) {
        if (!places)
                return NULL;
        for (size_t i = 0; places->stores && i < places->n_stores; i++) {
                for (size_t k = 0; k < places->stores[i].n; k++)
                        free(places->stores[i].places[k].path);
                free(places->stores[i].places);
                free(places->stores[i].complaint);
        }
        free(places->stores);
        newcomers_free(places->newcomers);
        close_fd(places->inotify);
        close_fd(places->mountinfo);
        free(places);
        return NULL;
}
