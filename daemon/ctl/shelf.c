/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the folder's descriptor and the list of ids. Files are found below the descriptor, by names that
 * are checked, and never through a symbolic link.
 */

#include "daemon/ctl/shelf.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/io.h"

#define LEFTOVER_USEC (UINT64_C(24) * 3600 * USEC_PER_SEC)

/* "ID.meta" or the like; false: not an id. */
static bool file_name(const char *id, const char *suffix, char ret[static NAME_MAX + 1]) {
        int n;

        if (!quarantine_id_valid(id))
                return false;
        n = snprintf(ret, NAME_MAX + 1, "%s%s", id, suffix);
        return n > 0 && n <= NAME_MAX;
}

static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The id, if name is one with the suffix behind it. */
static bool id_of(const char *name, const char *suffix, char ret[static QUARANTINE_ID_SIZE]) {
        size_t n = strlen(name), m = strlen(suffix);

        if (n <= m || n - m >= QUARANTINE_ID_SIZE || !streq(name + n - m, suffix))
                return false;
        memcpy(ret, name, n - m);
        ret[n - m] = '\0';
        return quarantine_id_valid(ret);
}

static int add_id(struct shelf *shelf, const char *id) {
        char **ids = reallocarray(shelf->ids, shelf->n_ids + 1, sizeof(*ids));

        if (!ids)
                return -ENOMEM;
        shelf->ids = ids;
        ids[shelf->n_ids] = strdup(id);
        if (!ids[shelf->n_ids])
                return -ENOMEM;
        shelf->n_ids++;
        return 0;
}

/* Calls each() for every file of the folder; stops at its first negative value. */
static int for_each_file(int folder, int (*each)(void *userdata, const char *name),
                         void *userdata) {
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        struct dirent *entry;
        DIR *dir;

        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                r = -errno;
                close_fd(fd);
                return r;
        }
        while (r >= 0) {
                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        r = -errno;
                        break;
                }
                r = each(userdata, entry->d_name);
        }
        (void)closedir(dir);
        return MIN(r, 0);
}

static int note_meta(void *userdata, const char *name) {
        char id[QUARANTINE_ID_SIZE];

        return id_of(name, SHELF_META, id) ? add_id(userdata, id) : 0;
}

int shelf_open(const char *path, struct shelf *ret) {
        struct shelf shelf = { .folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
        int r;

        if (shelf.folder < 0)
                return -errno;
        r = for_each_file(shelf.folder, note_meta, &shelf);
        if (r < 0) {
                shelf_close(&shelf);
                return r;
        }
        if (shelf.n_ids > 0)
                qsort(shelf.ids, shelf.n_ids, sizeof(*shelf.ids), by_name);
        *ret = shelf;
        return 0;
}

void shelf_close(struct shelf *shelf) {
        for (size_t i = 0; i < shelf->n_ids; i++)
                free(shelf->ids[i]);
        free(shelf->ids);
        shelf->folder = close_fd(shelf->folder);
        *shelf = (struct shelf){ .folder = -EBADF };
}

static int open_file(const struct shelf *shelf, const char *id, const char *suffix,
                     struct stat *ret_st) {
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_MAX + 1];

        if (!file_name(id, suffix, name))
                return -ENOENT;
        fd = openat(shelf->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -EMEDIUMTYPE : -errno;
        if (fstat(fd, ret_st) < 0)
                return -errno;
        return S_ISREG(ret_st->st_mode) ? TAKE_FD(fd) : -EMEDIUMTYPE;
}

int shelf_open_item(const struct shelf *shelf, const char *id) {
        struct stat st;

        return open_file(shelf, id, SHELF_ITEM, &st);
}

int shelf_read(const struct shelf *shelf, const char *id, struct quarantine *ret,
               unsigned *ret_line) {
        _cleanup_free_ char *text = malloc(QUARANTINE_TEXT_MAX + 1);
        _cleanup_close_ int fd = -EBADF;
        ssize_t size;
        struct stat st;

        *ret_line = 0;
        if (!text)
                return -ENOMEM;
        fd = open_file(shelf, id, SHELF_META, &st);
        if (fd < 0)
                return fd;
        size = read_full(fd, text, QUARANTINE_TEXT_MAX + 1);
        if (size < 0)
                return (int)size;
        return quarantine_parse(text, (size_t)size, ret, ret_line);
}

static const char *const suffixes[] = {
        /* First what makes it an item: the rest is then left over, if this is interrupted. */
        SHELF_META,
        SHELF_ITEM,
        SHELF_PLAN,
};

uint64_t shelf_space(const struct shelf *shelf, const char *id) {
        uint64_t space = 0;

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                char name[NAME_MAX + 1];
                struct stat st;

                if (file_name(id, suffixes[i], name) &&
                    fstatat(shelf->folder, name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                        space += (uint64_t)st.st_blocks * 512;
        }
        return space;
}

int shelf_delete(const struct shelf *shelf, const char *id) {
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                char name[NAME_MAX + 1];

                if (!file_name(id, suffixes[i], name))
                        return -ENOENT;
                if (unlinkat(shelf->folder, name, 0) < 0 && errno != ENOENT)
                        return -errno;
        }
        return 0;
}

int shelf_sync(const struct shelf *shelf) {
        return fsync(shelf->folder) < 0 ? -errno : 0;
}

/* ---- What belongs to nothing ---- */

struct leftovers {
        const struct shelf *shelf;
        uint64_t now_usec;
        int n;
};

static bool has_meta(const struct shelf *shelf, const char *id) {
        return shelf->n_ids > 0 &&
               bsearch(&id, shelf->ids, shelf->n_ids, sizeof(*shelf->ids), by_name) != NULL;
}

static bool is_old(const struct stat *st, uint64_t now_usec) {
        uint64_t written = (uint64_t)MAX(st->st_mtim.tv_sec, (time_t)0) * USEC_PER_SEC;

        return written < now_usec && now_usec - written > LEFTOVER_USEC;
}

static int delete_leftover(void *userdata, const char *name) {
        struct leftovers *l = userdata;
        char id[QUARANTINE_ID_SIZE];
        struct stat st;

        /* Whatever else is there is not ours to delete. */
        if (!id_of(name, SHELF_ITEM, id) && !id_of(name, SHELF_PLAN, id))
                return 0;
        if (has_meta(l->shelf, id) ||
            fstatat(l->shelf->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !is_old(&st, l->now_usec))
                return 0;
        if (unlinkat(l->shelf->folder, name, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        l->n++;
        return 0;
}

int shelf_delete_leftovers(const struct shelf *shelf, uint64_t now_usec) {
        struct leftovers l = { .shelf = shelf, .now_usec = now_usec };
        int r = for_each_file(shelf->folder, delete_leftover, &l);

        return r < 0 ? r : l.n;
}
