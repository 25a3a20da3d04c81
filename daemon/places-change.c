/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stores that come and go while the others are guarded. Must not take a mark off anything that a store
 * which stays has marked, too: where that can't be told, marks stay until a restart.
 */

#include "daemon/places-private.h"

#include <fcntl.h>
#include <linux/magic.h>

#include "daemon/walk.h"

/* ---- Coming ---- */

/* Whether the marks of a store are those that another configuration of it needs. */
static bool needs_same_marks(const struct places *m, const struct marked_store *s,
                             const struct config *config, const struct config_store *store) {
        return streq(s->config->path, store->path) && s->config->format == store->format &&
               s->config->marks == store->marks &&
               places_tell_news(m->config, s->config) == places_tell_news(config, store);
}

/* Takes over what is marked of a store, if it is. */
static void inherit(struct places *m, struct marked_store *heir, const struct config *config) {
        const struct config_store *store = heir->config;

        for (size_t i = 0; i < m->n_stores; i++) {
                struct marked_store *s = &m->stores[i];

                if (!s->config || !needs_same_marks(m, s, config, store))
                        continue;
                *heir = *s;
                heir->config = store;
                heir->leaves = false;
                *s = (struct marked_store){};
                return;
        }
}

static void use_config(struct places *m, const struct config *config) {
        m->config = config;
        m->own[0] = config->database;
        m->own[1] = config->tmpdir;
        m->own[2] = config->cache_size > 0 ? config->cache_directory : NULL;
        m->own[3] = config->quarantine_directory;
}

int places_change(struct places *m, const struct config *config, FILE *errors) {
        struct marked_store *stores = calloc(config->n_stores + m->n_stores, sizeof(*stores));
        struct scope_mounts mounts;
        size_t n = config->n_stores;
        int r;

        if (!stores)
                return -ENOMEM;
        r = scope_mounts_read(NULL, &mounts);
        if (r < 0) {
                free(stores);
                return r;
        }
        for (size_t i = 0; i < config->n_stores; i++) {
                stores[i].config = &config->stores[i];
                inherit(m, &stores[i], config);
        }
        for (size_t i = 0; i < m->n_stores; i++)
                if (m->stores[i].config) {
                        stores[n] = m->stores[i];
                        stores[n++].leaves = true;
                }
        free(m->stores);
        m->stores = stores;
        m->n_stores = n;
        use_config(m, config);

        m->errors = errors;
        for (size_t i = 0; i < config->n_stores; i++) {
                int k;

                if (stores[i].told || stores[i].lost)
                        continue;
                places_watch_above(m, stores[i].config->path);
                m->walking = stores[i].config;
                k = places_store_round(m, &stores[i], &mounts);
                if (r >= 0)
                        r = k;
        }
        m->errors = NULL;
        scope_mounts_done(&mounts);
        return r;
}

/* ---- Going ---- */

static int unmark_folder(void *userdata, int fd, const char *path) {
        struct places *m = userdata;

        if (places_belong(m, path).store)
                return -EEXIST; /* nor is what lies below it ours to unmark */
        if (gate_mark(m->gate, FAN_MARK_REMOVE | FAN_MARK_ONLYDIR,
                      m->walking_mask | FAN_EVENT_ON_CHILD, fd, NULL) >= 0)
                m->marked++;
        if (fanotify_mark(m->group, FAN_MARK_REMOVE | FAN_MARK_ONLYDIR,
                          MASK_N | MASK_NEWS | FAN_EVENT_ON_CHILD, fd, NULL) < 0)
                newcomers_unwatch(m->newcomers, fd);
        return 0;
}

static void unmark_error(void *userdata, const char *path, int error) {
}

unsigned places_unmark_tree(struct places *m, const struct config_store *store, const char *path) {
        const struct walk walk = {
                .folder = unmark_folder,
                .error = unmark_error,
                .userdata = m,
        };

        m->marked = 0;
        places_walk_store(m, store, path);
        (void)walk_tree(&walk, AT_FDCWD, path, path);
        return m->marked;
}

static bool is_btrfs(const char *path) {
        struct statfs fs;

        return statfs(path, &fs) < 0 || fs.f_type == BTRFS_SUPER_MAGIC;
}

/* Whether the marks of a place may be those of another one that stays: one mark on a file system serves
 * all; a folder can be reached through two mounts. */
static bool may_be_shared(const struct places *m, const struct guarded *g) {
        for (size_t i = 0; i < m->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++) {
                        const struct guarded *other = &m->stores[i].places[k];
                        bool same = memcmp(&other->fsid, &g->fsid, sizeof(g->fsid)) == 0;

                        if (other->filesystem != g->filesystem)
                                continue;
                        /* Subvolumes have a file system's identity each, and one mark. */
                        if (g->filesystem && (same || (is_btrfs(g->path) && is_btrfs(other->path))))
                                return true;
                        if (!g->filesystem && same && other->identity.mount != g->identity.mount)
                                return true;
                }
        return false;
}

/* remains: the store is only kept in another way, and its folders have marks that are needed. */
static void unmark_place(struct places *m, const struct config_store *store,
                         const struct guarded *g, bool remains) {
        if (may_be_shared(m, g)) {
                if (remains)
                        return;
                journal_say(m->journal, EVENT_STORE_LEFT, store->name,
                            "Opens below %s are scanned until storescand is restarted: a store "
                            "that stays is on the same file system.",
                            g->path);
                return;
        }
        if (remains && !g->filesystem)
                return;
        if (!g->filesystem) {
                (void)places_unmark_tree(m, store, g->path);
                return;
        }
        places_walk_store(m, store, g->path);
        (void)gate_mark(m->gate, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM, m->walking_mask, AT_FDCWD,
                        g->path);
        (void)fanotify_mark(m->group, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM, MASK_NEWS, AT_FDCWD,
                            g->path);
}

/* A watch is a folder's, not a place's. */
static void forget(struct places *m, struct guarded *g) {
        for (size_t i = 0; i < m->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++)
                        if (m->stores[i].places[k].watch == g->watch)
                                g->watch = -EBADF;
        place_forget(m, g);
}

bool places_stays(const struct places *m, const struct config_store *store) {
        for (size_t i = 0; i < m->n_stores; i++)
                if (streq(m->stores[i].config->path, store->path))
                        return true;
        return false;
}

void places_let_go(struct places *m) {
        size_t n = m->n_stores;

        m->n_stores = m->config->n_stores;
        for (size_t i = m->n_stores; i < n; i++) {
                struct marked_store *s = &m->stores[i];
                bool remains = places_stays(m, s->config);

                for (size_t k = 0; k < s->n; k++) {
                        unmark_place(m, s->config, &s->places[k], remains);
                        forget(m, &s->places[k]);
                }
                if (!remains && s->told)
                        journal_say(m->journal, EVENT_STORE_LEFT, s->config->name,
                                    "Store '%s' is not guarded any more: it is in the "
                                    "configuration no longer.",
                                    s->config->name);
                free(s->places);
                free(s->complaint);
        }
        m->walking = NULL;
        for (size_t i = 0; i < m->n_stores; i++)
                places_watch_above(m, m->stores[i].config->path);
}
