/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A round: where the stores are now, by the mount table, and what of it has no marks yet. Tells the log and
 * the gate's thread what became of each store. Must not read what the kernel tells of folders.
 */

#include "daemon/places-private.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>

#define TRIES 20 /* of a store's round, while mounts come and go */

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

struct guarded *places_find(struct marked_store *s, const char *path) {
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
                places_note_changes(m, fd, true);
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
                              : places_mark_tree(m, s->config, place->path, AT_FDCWD, place->path,
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
                places_mark_failed(m, place->path, errno);
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

/* What was mounted below the store and is no more. */
static void drop_places_gone(struct places *m, struct marked_store *s, const struct scope *scope) {
        for (size_t k = s->n; k > 0; k--) {
                size_t i = 0;

                while (i < scope->n && !streq(scope->places[i].path, s->places[k - 1].path))
                        i++;
                if (i == scope->n)
                        place_drop(m, s, &s->places[k - 1]);
        }
}

static void set_state(struct places *m, struct marked_store *s, enum store_state state,
                      bool mounted) {
        if (state == s->state && !mounted)
                return;
        s->state = state;
        if (!s->leaves)
                m->on_state(m->userdata, s->config->name, state, mounted);
}

/* Where the store is, to be explained in errors or, once, in the log. */
static int find_scope(struct places *m, struct marked_store *s, const struct scope_mounts *mounts,
                      struct scope *ret) {
        FILE *errors = m->errors;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (!errors && !(errors = open_memstream(&text, &size)))
                return -ENOMEM;
        r = scope_find(s->config, mounts, m->own, ELEMENTSOF(m->own), errors, ret);
        if (errors != m->errors) {
                fclose(errors);
                if (text && text[0] != '\0' && (!s->complaint || !streq(s->complaint, text)))
                        journal_say(m->journal, EVENT_MARK_FAILED, s->config->name, "%s", text);
                free(s->complaint);
                s->complaint = TAKE_PTR(text);
        }
        return r;
}

static void lose(struct places *m, struct marked_store *s) {
        while (s->n > 0)
                place_drop(m, s, &s->places[0]);
        if (!s->lost)
                journal_say(m->journal, EVENT_STORE_LOST, s->config->name,
                            "Store '%s' is not guarded: its folder %s is not there. It will "
                            "be, when the folder comes back.",
                            s->config->name, s->config->path);
        s->lost = true;
        set_state(m, s, STORE_STATE_MISSING, false);
}

/* A place that was marked just now, for the first time or as another one than before. */
static void tell_mounts(struct places *m, const struct marked_store *s,
                        const struct scope_place *place, dev_t dev, bool is_root, bool is_new) {
        const char *name = s->config->name;

        if (!s->told || s->lost)
                return;
        if (!is_root && is_new)
                journal_say(m->journal, EVENT_STORE_MOUNTS, name,
                            "Something was mounted in store '%s', at %s: it is guarded as a part "
                            "of it.",
                            name, place->path);
        else if (is_root && dev != s->dev && s->point && !place->point)
                journal_say(m->journal, EVENT_STORE_MOUNTS, name,
                            "The file system of store '%s' is not mounted any more: what is seen "
                            "at %s is another folder, which is guarded in its place.",
                            name, place->path);
        else if (is_root && dev != s->dev && s->state != STORE_STATE_UNMOUNTED)
                journal_say(m->journal, EVENT_STORE_MOUNTS, name,
                            "Something was mounted over store '%s', or taken off it: what is seen "
                            "at %s is another file system, which is guarded in its place.",
                            name, place->path);
}

/* One that fails leaves the others guarded. mounted: the first, if a mount, is another one now. trust: the
 * table was not read in vain again and again; else no file system is marked as a whole. */
static int mark_places(struct places *m, struct marked_store *s, struct scope *scope, bool trust,
                       bool *mounted) {
        int r = 0;

        for (size_t i = 0; i < scope->n; i++) {
                struct scope_place *place = &scope->places[i];
                struct guarded *g = places_find(s, place->path);
                struct identity identity = {};
                bool is_new = !g;
                int k;

                if (identify(place->path, &identity) < 0)
                        continue; /* gone this moment: its watch makes another round */
                if (identity.mount != place->mount && trust)
                        return -EAGAIN;
                place->filesystem = place->filesystem && identity.mount == place->mount;
                if (g && g->filesystem == place->filesystem &&
                    same_identity(&g->identity, &identity))
                        continue;
                if (g)
                        place_drop(m, s, g);
                k = place_mark(m, s, place, &identity, s->told || s->lost);
                if (k == -EAGAIN)
                        return k;
                if (k < 0)
                        explain_mark(m, s->config, place->path, k);
                else
                        tell_mounts(m, s, place, identity.dev, i == 0, is_new);
                if (i == 0) {
                        *mounted = place->point;
                        s->dev = identity.dev;
                }
                if (r >= 0)
                        r = k;
        }
        return r;
}

/* -EAGAIN: something was mounted or unmounted since the table was read. */
static int store_round(struct places *m, struct marked_store *s, const struct scope_mounts *mounts,
                       bool trust) {
        struct scope scope = {};
        bool mounted = false, point;
        int r = find_scope(m, s, mounts, &scope);

        if (r == -ENOENT) {
                lose(m, s);
                return 0;
        }
        if (r < 0) {
                set_state(m, s, STORE_STATE_FAILED, false);
                return r;
        }
        r = mark_places(m, s, &scope, trust, &mounted);
        if (r != -EAGAIN) {
                point = scope.places[0].point;
                drop_places_gone(m, s, &scope);
                s->lost = false;
                s->told = true;
                s->point = s->point || point;
                set_state(m, s,
                          r < 0                ? STORE_STATE_FAILED
                          : s->point && !point ? STORE_STATE_UNMOUNTED
                                               : STORE_STATE_GUARDED,
                          mounted);
        }
        scope_done(&scope);
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

/* What is short in the system, and so at the next store as well. */
static bool may_pass(int error) {
        return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EAGAIN ||
               error == -EINTR || error == -ENOSPC;
}

int places_round(struct places *m, FILE *errors) {
        bool goes_on = errors && m->config->former;
        struct scope_mounts mounts;
        int r = 0;

        /* It was guarded by, and one store that is not as it was then opens no other one. */
        m->errors = goes_on ? NULL : errors;

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
                        places_mark_failed(m, m->stores[i].config->path, -k);
                if (goes_on && k < 0 && !may_pass(k))
                        k = 0;
                else if (goes_on && k < 0)
                        fprintf(errors, "[store %s] path: failed to mark %s: %s.\n",
                                m->stores[i].config->name, m->stores[i].config->path,
                                error_text(-k));
                if (r >= 0)
                        r = k;
        }
        scope_mounts_done(&mounts);
        m->errors = NULL;
        return r;
}
