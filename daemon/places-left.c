/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Marks of the process before that nothing needs any more: it had another configuration, or marked the
 * same store in another way. Behind the first round, so that nothing is without marks meanwhile. What the
 * kernel tells of the group is gone by, not what anybody wrote down.
 */

#include "daemon/places-private.h"

#include <fcntl.h>

#include "daemon/fdinfo.h"
#include "daemon/proc-fd.h"

struct left {
        struct places *places;
        struct scope_mounts mounts;
        unsigned n;
        bool nameless; /* there are folders that can't be opened by what the kernel tells of them (overlayfs) */
};

static uint64_t dev_of(const struct left *left, const char *path) {
        for (size_t i = left->mounts.n; i > 0; i--)
                if (streq(left->mounts.mounts[i - 1].path, path))
                        return left->mounts.mounts[i - 1].dev;
        return 0;
}

static bool is_guarded(const struct left *left, uint64_t dev) {
        const struct places *m = left->places;

        for (size_t i = 0; i < m->n_stores; i++)
                for (size_t k = 0; k < m->stores[i].n; k++)
                        if (m->stores[i].places[k].filesystem &&
                            dev_of(left, m->stores[i].places[k].path) == dev)
                                return true;
        return false;
}

static void unmark(struct left *left, unsigned how, const struct fdinfo_mark *mark,
                   const char *path) {
        if (gate_mark(left->places->gate, FAN_MARK_REMOVE | how, mark->mask, AT_FDCWD, path) < 0)
                return;
        (void)fanotify_mark(left->places->group, FAN_MARK_REMOVE | how,
                            how == FAN_MARK_FILESYSTEM ? MASK_NEWS
                                                       : MASK_N | MASK_NEWS | FAN_EVENT_ON_CHILD,
                            AT_FDCWD, path);
        left->n++;
}

/* Whether a folder, as it is seen through this mount, is in a store; *ret_fd names it. */
static bool belongs(const struct left *left, const struct fdinfo_mark *mark, const char *mount_path,
                    int *ret_fd) {
        _cleanup_close_ int mount = open(mount_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char path[PATH_MAX];
        int fd = mount < 0 ? -errno : fdinfo_open(mark, mount);

        if (fd < 0)
                return false;
        close_fd(*ret_fd);
        *ret_fd = fd;
        proc_fd_path(fd, path);
        return places_belong(left->places, path).store;
}

static void on_mark(void *userdata, const struct fdinfo_mark *mark) {
        char link[PROC_FD_MAX];
        struct left *left = userdata;
        _cleanup_close_ int fd = -EBADF;

        if (mark->mask == 0 || (mark->filesystem && is_guarded(left, mark->dev)))
                return;
        for (size_t i = left->mounts.n; i > 0; i--) {
                const struct scope_mount *mount = &left->mounts.mounts[i - 1];

                if (mount->dev != mark->dev)
                        continue;
                if (mark->filesystem) {
                        unmark(left, FAN_MARK_FILESYSTEM, mark, mount->path);
                        return;
                }
                if (belongs(left, mark, mount->path, &fd))
                        return;
        }
        if (fd < 0) {
                left->nameless = true;
                return;
        }
        unmark(left, FAN_MARK_INODE, mark, proc_fd_link(fd, link));
}

/* By their paths, then: in the stores that are no more. */
static void drop_nameless(struct places *m, const struct config *former) {
        for (size_t i = 0; i < former->n_stores; i++) {
                const struct config_store *store = &former->stores[i];
                unsigned n;

                if (places_stays(m, store))
                        continue;
                n = places_unmark_tree(m, store, store->path);
                if (n > 0)
                        journal_say(m->journal, EVENT_STORE_LEFT, NULL,
                                    "Store '%s' is not guarded any more: it is in the "
                                    "configuration no longer (%u folders).",
                                    store->name, n);
        }
}

void places_drop_left(struct places *m, const struct config *former) {
        struct left left = { .places = m };
        _cleanup_free_ char *text = NULL;

        /* A store that could not be marked lives by those. */
        for (size_t i = 0; i < m->n_stores; i++)
                if (m->stores[i].state == STORE_STATE_FAILED)
                        return;

        if (!gate_is_kept(m->gate) || fdinfo_read(gate_group(m->gate), &text) < 0 ||
            scope_mounts_read(NULL, &left.mounts) < 0)
                return;
        fdinfo_marks(text, on_mark, &left);
        scope_mounts_done(&left.mounts);
        if (left.n > 0)
                journal_say(m->journal, EVENT_TAKEN_OVER, NULL,
                            "%u marks of the storescand before were taken off: no store has them "
                            "in this configuration.",
                            left.n);
        if (left.nameless && former)
                drop_nameless(m, former);
}
