/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Path to store and place. Owns nothing.
 *
 * A path under a store's root is judged by its place there; where stores lie in each other, it
 * belongs to the innermost. Any other path (opened through a mount of another namespace, a bind
 * mount, a chroot, or by file handle: then it is "/") still came from a mark of ours, so it is taken
 * for mail unless, in every format that is in use, its folder and name say otherwise; local users
 * can't get around the scan by choosing where they look from.
 */

#include "daemon/stores.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/policy.h"
#include "daemon/proc-fd.h"

#define DELETED " (deleted)"

/* The part of path from root's own name on, or NULL if it is not below root. The name counts: a store
 * may be a single folder called cur. */
static const char *below(const char *path, const char *root) {
        const char *rest = startswith(path, root), *name = strrchr(root, '/');

        return rest && *rest == '/' ? path + (name - root) + 1 : NULL;
}

/* Of all stores the one whose policy lets least through. */
static const struct config_store *strictest(const struct config *config) {
        const struct config_store *best = &config->stores[0];
        int best_score = -1;

        for (size_t i = 0; i < config->n_stores; i++) {
                const struct config_store *s = &config->stores[i];
                int score = !policy_allows(s, VERDICT_INFECTED) * 4 +
                            (s->on_error == ON_FAILURE_DENY) * 2 +
                            (s->on_unscannable == ON_FAILURE_DENY);

                if (score > best_score) {
                        best = s;
                        best_score = score;
                }
        }
        return best;
}

/* Whether a file was bound to the name that it is opened by, so that the name says nothing. */
static bool is_bound(int fd) {
        struct statx stx;

        return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0 ||
               !(stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
               stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static void read_path(int fd, const struct stat *st, char path[static PATH_MAX]) {
        size_t n;

        proc_fd_path(fd, path);
        n = strlen(path);
        if (st->st_nlink == 0 && n > strlen(DELETED) && streq(path + n - strlen(DELETED), DELETED))
                path[n - strlen(DELETED)] = '\0';
}

/* Where no store's root is known, nor therefore its format: control is what is so in all of them. */
static enum place place_unrooted(const struct config *config, const char *path, uint64_t size) {
        for (size_t i = 0; i < config->n_stores; i++)
                if (format_place_unrooted(config->stores[i].format, path, size) != PLACE_CONTROL)
                        return PLACE_ITEM;
        return PLACE_CONTROL;
}

/* The innermost store above a path, or NULL; and the path from its name on. */
static const struct config_store *find_store(const struct config *config, const char *path,
                                             const char **ret_rest) {
        const struct config_store *store = NULL;
        size_t innermost = 0;

        for (size_t i = 0; i < config->n_stores; i++) {
                const struct config_store *s = &config->stores[i];
                const char *rest = below(path, s->path);

                if (rest && strlen(s->path) > innermost) {
                        innermost = strlen(s->path);
                        store = s;
                        *ret_rest = rest;
                }
        }
        return store;
}

/* Names of mounts are asked for only where they matter: fd is -EBADF, and bound known, or the file's. */
static void ask(const struct config *config, int fd, bool bound, const char *path, uint64_t size,
                struct stores_answer *ret) {
        const struct config_store *store;
        const char *rest = NULL;

        store = find_store(config, path, &rest);
        if (!store && config->other)
                store = find_store(config->other, path, &rest);
        *ret = (struct stores_answer){ .store = store, .rooted = store };
        if (store) {
                ret->place = format_place(store->format, rest, size);
                ret->fixed = ret->place == format_place(store->format, rest, UINT64_MAX) &&
                             (ret->place == PLACE_ITEM || !(fd >= 0 ? is_bound(fd) : bound));
                return;
        }
        ret->store = strictest(config);
        ret->place =
                (fd >= 0 ? is_bound(fd) : bound) ? PLACE_ITEM : place_unrooted(config, path, size);
}

void stores_ask(const struct config *config, int fd, const struct stat *st,
                char path[static PATH_MAX], struct stores_answer *ret) {
        read_path(fd, st, path);
        ask(config, fd, false, path, (uint64_t)st->st_size, ret);
}

void stores_ask_path(const struct config *config, const char *path, uint64_t size, bool bound,
                     struct stores_answer *ret) {
        ask(config, -EBADF, bound, path, size, ret);
}

const struct config_store *stores_find(const struct config *config, int fd, const struct stat *st,
                                       char path[static PATH_MAX], enum place *ret_place) {
        struct stores_answer answer;

        stores_ask(config, fd, st, path, &answer);
        *ret_place = answer.place;
        return answer.store;
}

enum job_form stores_form(enum store_format format) {
        if (!format_is_mail(format))
                return JOB_RAW;
        if (format == STORE_FORMAT_MBOX)
                return JOB_MBOX;
        return format == STORE_FORMAT_SDBOX || format == STORE_FORMAT_MDBOX ? JOB_DBOX
                                                                            : JOB_MESSAGE;
}
