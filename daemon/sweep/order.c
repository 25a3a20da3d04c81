/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A stack of folders, each with its sorted names. Owns the stack and one hold on each folder in it.
 * The names of the largest folder are all in memory: a hundred bytes a message, nothing beside its
 * index in the mail server.
 */

#include "daemon/sweep/order.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct level {
        struct folder *folder;
        char *bytes; /* of each name: its type, itself, a NUL */
        size_t n_bytes, bytes_allocated;
        size_t *names; /* sorted: where each begins */
        size_t n, names_allocated, next;
        const char *trail; /* the rest of the position from here on; NULL: not on it */
};

struct order {
        struct level *levels;
        size_t n, allocated;
        uint64_t mount;
        char *position;
        const char *nested;
};

void folder_release(struct folder *folder) {
        if (--folder->held > 0)
                return;
        close_fd(folder->fd);
        free(folder);
}

static uint64_t mount_of(int fd) {
        struct statx stx;

        return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0 && stx.stx_mask & STATX_MNT_ID
                       ? stx.stx_mnt_id
                       : 0;
}

/* ---- Names ---- */

/* Makes room for needed elements; what is there doubles. 0 or -ENOMEM. */
static int grow(void **array, size_t *allocated, size_t needed, size_t element) {
        size_t n = MAX(needed, MAX(*allocated * 2, (size_t)64));
        void *more;

        if (needed <= *allocated)
                return 0;
        more = reallocarray(*array, n, element);
        if (!more)
                return -ENOMEM;
        *array = more;
        *allocated = n;
        return 0;
}

static int add_name(struct level *level, unsigned char type, const char *name) {
        size_t length = strlen(name) + 2;

        if (grow((void **)&level->bytes, &level->bytes_allocated, level->n_bytes + length, 1) < 0 ||
            grow((void **)&level->names, &level->names_allocated, level->n + 1,
                 sizeof(*level->names)) < 0)
                return -ENOMEM;
        level->names[level->n++] = level->n_bytes;
        level->bytes[level->n_bytes] = (char)type;
        memcpy(level->bytes + level->n_bytes + 1, name, length - 1);
        level->n_bytes += length;
        return 0;
}

static int compare(const void *a, const void *b, void *bytes) {
        return strcmp((const char *)bytes + *(const size_t *)a + 1,
                      (const char *)bytes + *(const size_t *)b + 1);
}

static int read_names(struct level *level) {
        int fd = fcntl(level->folder->fd, F_DUPFD_CLOEXEC, 3), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *de;

        if (!dir) {
                r = -errno;
                close_fd(fd);
                return r;
        }
        while (r == 0) {
                errno = 0;
                de = readdir(dir);
                if (!de) {
                        r = -errno;
                        break;
                }
                if (de->d_type != DT_DIR && de->d_type != DT_REG && de->d_type != DT_UNKNOWN)
                        continue;
                if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
                        r = add_name(level, de->d_type, de->d_name);
        }
        closedir(dir);
        if (r == 0 && level->n > 0)
                qsort_r(level->names, level->n, sizeof(*level->names), compare, level->bytes);
        return r;
}

/* ---- Folders ---- */

static void level_done(struct level *level) {
        folder_release(level->folder);
        free(level->bytes);
        free(level->names);
}

/* Takes fd. */
static int push(struct order *order, int fd, const char *parent, const char *name,
                const char *trail) {
        struct level level = { .trail = trail };
        size_t length = strlen(parent) + strlen(name) + 2;
        int r;

        level.folder = malloc(sizeof(*level.folder) + length);
        if (!level.folder) {
                close_fd(fd);
                return -ENOMEM;
        }
        level.folder->fd = fd;
        level.folder->held = 1;
        (void)snprintf(level.folder->path, length, "%s%s%s", parent, *parent ? "/" : "", name);
        r = read_names(&level);
        if (r >= 0)
                r = grow((void **)&order->levels, &order->allocated, order->n + 1,
                         sizeof(*order->levels));
        if (r < 0) {
                level_done(&level);
                return r;
        }
        order->levels[order->n++] = level;
        return 0;
}

static bool is_nested(const struct order *order, const struct folder *parent, const char *name) {
        size_t n = strlen(parent->path);

        for (const char *p = order->nested; *p; p += strlen(p) + 1) {
                const char *rest = startswith(p, parent->path);

                if (!rest || (n > 0 && *rest++ != '/'))
                        continue;
                if (streq(rest, name))
                        return true;
        }
        return false;
}

/* 0: entered, or nothing to miss there; else why not. */
static int enter(struct order *order, struct folder *parent, const char *name, const char *trail) {
        int fd;

        if (is_nested(order, parent, name))
                return 0;
        fd = openat(parent->fd, name, FOLDER_FLAGS);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
        if (mount_of(fd) != order->mount) {
                close_fd(fd);
                return 0;
        }
        return push(order, fd, parent->path, name, trail);
}

/* ---- The walk ---- */

/* How a name stands to the position: true: it is behind it, or on the way to it, with what is left of
 * the position for what lies below. */
static bool is_due(const struct level *level, const char *name, const char **ret_trail) {
        size_t n = strcspn(level->trail, "/");
        int c = strncmp(name, level->trail, n);

        *ret_trail = NULL;
        if (c == 0)
                c = name[n] != '\0';
        if (c != 0)
                return c > 0;
        if (level->trail[n] == '\0')
                return false;
        *ret_trail = level->trail + n + 1;
        return true;
}

static bool is_folder(const struct level *level, char type, const char *name) {
        struct stat st;

        if (type != DT_UNKNOWN)
                return type == DT_DIR;
        return fstatat(level->folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISDIR(st.st_mode);
}

static int give(struct folder *folder, const char *name, int error, struct order_item *ret) {
        char *copy = strdup(name);

        if (!copy)
                return -ENOMEM;
        folder->held++;
        *ret = (struct order_item){ .folder = folder, .name = copy, .error = error };
        return 1;
}

int order_next(struct order *order, struct order_item *ret) {
        while (order->n > 0) {
                struct level *top = &order->levels[order->n - 1];
                const char *name, *trail = NULL;
                char type;
                int r;

                if (top->next == top->n) {
                        level_done(top);
                        order->n--;
                        continue;
                }
                type = top->bytes[top->names[top->next]];
                name = top->bytes + top->names[top->next] + 1;
                top->next++;
                if (top->trail && !is_due(top, name, &trail))
                        continue;
                if (!is_folder(top, type, name))
                        return give(top->folder, name, 0, ret);
                r = enter(order, top->folder, name, trail);
                if (r == -ENOMEM)
                        return r;
                /* The stack may have moved, but nothing was put on it. */
                if (r < 0)
                        return give(order->levels[order->n - 1].folder, name, -r, ret);
        }
        return 0;
}

char *order_path(const struct order_item *item) {
        const char *folder = item->folder->path;
        char *path;

        return asprintf(&path, "%s%s%s", folder, *folder ? "/" : "", item->name) < 0 ? NULL : path;
}

int order_new(int root, const char *position, const char *nested, struct order **ret) {
        _cleanup_(order_freep) struct order *order = calloc(1, sizeof(*order));
        int r;

        if (order)
                order->position = strdup(position);
        if (!order || !order->position) {
                close_fd(root);
                return -ENOMEM;
        }
        order->nested = nested;
        order->mount = mount_of(root);
        r = push(order, root, "", "", *position ? order->position : NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(order);
        return 0;
}

struct order *order_free(struct order *order) {
        if (!order)
                return NULL;
        while (order->n > 0)
                level_done(&order->levels[--order->n]);
        free(order->levels);
        free(order->position);
        free(order);
        return NULL;
}
