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
 * Opening folders raises no permission event. Must not open files. places-round.c has what a round is.
 */

#include "daemon/places-private.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include "daemon/fan-event.h"
#include "daemon/fdinfo.h"
#include "daemon/late-close.h"
#include "daemon/proc-fd.h"
#include "daemon/walk.h"

/* ---- Marks ---- */

void places_mark_failed(struct places *m, const char *path, int error) {
        m->failed++;
        journal_say(
                m->journal, EVENT_MARK_FAILED, m->walking ? m->walking->name : NULL,
                "Failed to mark folder %s (%s): opens in it, or in folders that come into it, pass "
                "unscanned until this is mended and storescand restarted.",
                path, error_text(error));
}

static void walk_error(void *userdata, const char *path, int error) {
        places_mark_failed(userdata, path, error);
}

void places_note_changes(struct places *m, int fd, bool filesystem) {
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
                places_mark_failed(m, path, -r);
                return r;
        }
        m->marked++;
        if (m->walking_mask != MASK_P)
                places_note_changes(m, fd, false);
        if (fanotify_mark(m->group, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
                          news ? MASK_N | MASK_NEWS | FAN_EVENT_ON_CHILD : MASK_N, fd, NULL) < 0) {
                r = newcomers_watch(m->newcomers, fd, m->walking_mount, news);
                if (r < 0)
                        places_mark_failed(m, path, -r);
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

int places_mark_tree(struct places *m, const struct config_store *store, const char *mount,
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
        (void)places_mark_tree(m, to->store, to->mount, parent, name, path, true);
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
                if (places_find(&m->stores[i], mount))
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
        char buf[8192];
        ssize_t n = read(m->group, buf, sizeof(buf));
        size_t left = n > 0 ? (size_t)n : 0;
        union fan_event event;

        for (const char *at = buf; fan_event_next(&at, &left, &event);) {
                const struct fanotify_event_metadata *e = &event.metadata;
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
        places->on_state = parts->on_state;
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
        late_close_hold(places->inotify);
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
        late_close(places->inotify);
        close_fd(places->mountinfo);
        free(places);
        return NULL;
}
