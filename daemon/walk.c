/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An explicit stack of open folders instead of recursion: depth costs one fd a level and no stack,
 * and a folder that is renamed during the walk is still the same folder. Owns the stack while it
 * runs, nothing else.
 */

#include "daemon/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "store/util.h"

#ifndef XFS_SUPER_MAGIC
#        define XFS_SUPER_MAGIC 0x58465342
#endif

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME)

struct level {
        DIR *dir;
        size_t path_length; /* of this folder, in path */
};

struct state {
        const struct walk *walk;
        struct level *levels;
        size_t n, allocated;
        uint64_t mount;  /* btrfs subvolumes differ in st_dev, yet are no mounts of their own */
        bool links_tell; /* a folder without others in it can be told by its links */
        char path[PATH_MAX];
};

/* Which mount a folder is on; 0 when the kernel does not tell (before 5.8). */
static uint64_t mount_of(int fd) {
        struct statx stx;

        return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0 && stx.stx_mask & STATX_MNT_ID
                       ? stx.stx_mnt_id
                       : 0;
}

/* Where a folder has two links and one more for each folder in it, or 1 if these are too many to count;
 * others, as btrfs and overlayfs, have 1 always, or what their server says. */
static bool counts_links(int fd) {
        struct statfs fs;

        return fstatfs(fd, &fs) == 0 && (fs.f_type == EXT4_SUPER_MAGIC ||
                                         fs.f_type == XFS_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC);
}

/* No folder is in it. A mailbox of 100,000 messages need not be read for that. */
static bool is_leaf(const struct state *s, int fd) {
        struct stat st;

        return s->links_tell && !s->walk->file && fstat(fd, &st) == 0 && st.st_nlink == 2;
}

static int open_folder(int parent, const char *name) {
        int fd = openat(parent, name, FOLDER_FLAGS);

        /* O_NOATIME is for owners and CAP_FOWNER. */
        if (fd < 0 && errno == EPERM)
                fd = openat(parent, name, FOLDER_FLAGS & ~O_NOATIME);
        return fd < 0 ? -errno : fd;
}

/* Appends a name to path at length; past PATH_MAX the rest is left out: it is for messages. */
static size_t append(struct state *s, size_t length, const char *name) {
        int n = snprintf(s->path + length, sizeof(s->path) - length, "/%s", name);

        return MIN(length + (size_t)MAX(n, 0), sizeof(s->path) - 1);
}

/* Takes fd. */
static int push(struct state *s, int folder, size_t path_length) {
        _cleanup_close_ int fd = folder;
        struct level *grown;
        DIR *dir;

        if (s->n == s->allocated) {
                grown = reallocarray(s->levels, s->allocated * 2 + 16, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                s->levels = grown;
                s->allocated = s->allocated * 2 + 16;
        }
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void)TAKE_FD(fd);
        s->levels[s->n++] = (struct level){ .dir = dir, .path_length = path_length };
        return 0;
}

/* Opens, announces and enters one folder below parent; what goes wrong is told and passed over. */
static void enter(struct state *s, int parent, const char *name, size_t path_length) {
        const struct walk *walk = s->walk;
        int fd = open_folder(parent, name), r;

        if (fd < 0) {
                /* Gone, or no folder any more: nothing to miss. */
                if (fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
                        walk->error(walk->userdata, s->path, -fd);
                return;
        }
        if (mount_of(fd) != s->mount || walk->folder(walk->userdata, fd, s->path) < 0) {
                close_fd(fd);
                return;
        }
        /* Asked behind the announcement, as it would be read: who wants to know of folders that come
         * from then on does. */
        if (is_leaf(s, fd)) {
                close_fd(fd);
                return;
        }
        r = push(s, fd, path_length);
        if (r < 0)
                walk->error(walk->userdata, s->path, -r);
}

/* Whether an entry is a folder; else whether it is a regular file. */
static bool is_folder(int parent, const struct dirent *de, bool *ret_file) {
        struct stat st;

        if (de->d_type != DT_UNKNOWN) {
                *ret_file = de->d_type == DT_REG;
                return de->d_type == DT_DIR;
        }
        if (fstatat(parent, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                st.st_mode = 0;
        *ret_file = S_ISREG(st.st_mode);
        return S_ISDIR(st.st_mode);
}

static void step(struct state *s) {
        struct level *top = &s->levels[s->n - 1];
        const struct dirent *de;
        size_t length;
        bool file;

        errno = 0;
        de = readdir(top->dir);
        if (!de) {
                s->path[top->path_length] = '\0';
                if (errno != 0)
                        s->walk->error(s->walk->userdata, s->path, errno);
                closedir(top->dir);
                s->n--;
                return;
        }
        if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                return;
        length = append(s, top->path_length, de->d_name);
        if (is_folder(dirfd(top->dir), de, &file))
                enter(s, dirfd(top->dir), de->d_name, length);
        else if (file && s->walk->file)
                s->walk->file(s->walk->userdata, dirfd(top->dir), de->d_name, s->path);
}

int walk_tree(const struct walk *walk, int parent, const char *name, const char *path) {
        _cleanup_free_ struct state *s = calloc(1, sizeof(*s));
        int fd, r;

        if (!s)
                return -ENOMEM;
        s->walk = walk;
        snprintf(s->path, sizeof(s->path), "%s", path);

        fd = open_folder(parent, name);
        if (fd < 0)
                return fd;
        s->mount = mount_of(fd);
        s->links_tell = counts_links(fd);
        r = walk->folder(walk->userdata, fd, path);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        r = push(s, fd, strlen(s->path));
        while (s->n > 0)
                step(s);
        free(s->levels);
        return r;
}
