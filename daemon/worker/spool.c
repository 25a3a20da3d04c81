/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the names of folders, and their removal. Follows no symbolic link: what is in them may have
 * been written by a process that hostile mail took over. */

#include "daemon/worker/spool.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "store/util.h"

#define TREE_DEPTH_MAX 64

int spool_check_tmpdir(const char *path) {
        struct statfs st;

        if (statfs(path, &st) < 0)
                return -errno;
        return st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC ? 0 : -EMEDIUMTYPE;
}

static bool dot(const char *name) {
        return streq(name, ".") || streq(name, "..");
}

static int remove_entry(int parent, const char *name, unsigned depth);

static int remove_children(DIR *dir, unsigned depth) {
        int r = 0;

        /* Removing while reading may hide entries: again, until there was nothing. */
        for (bool more = true; more && r == 0;) {
                const struct dirent *de;

                more = false;
                rewinddir(dir);
                while (r == 0 && (de = readdir(dir)))
                        if (!dot(de->d_name)) {
                                r = remove_entry(dirfd(dir), de->d_name, depth);
                                more = true;
                        }
        }
        return r;
}

static int remove_entry(int parent, const char *name, unsigned depth) {
        _cleanup_close_ int fd = -EBADF;
        DIR *dir;
        int r;

        if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        if (depth == 0)
                return -ELOOP;
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == EACCES) {
                /* A folder that was made unreadable, by us or by whoever took us over. */
                (void)!fchmodat(parent, name, 0700, 0);
                fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        (void)!fchmod(fd, 0700);
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void)TAKE_FD(fd);
        r = remove_children(dir, depth - 1);
        (void)closedir(dir);
        if (r < 0)
                return r;
        return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int spool_remove(const char *tmpdir, const char *name) {
        _cleanup_close_ int fd = open(tmpdir, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : remove_entry(fd, name, TREE_DEPTH_MAX);
}

void spool_name(char ret[static SPOOL_NAME_MAX], const char *what, unsigned number, pid_t pid) {
        (void)snprintf(ret, SPOOL_NAME_MAX, "%s%u-%d", what, number, (int)pid);
}

void spool_remove_stale(const char *tmpdir) {
        DIR *dir = opendir(tmpdir);
        const struct dirent *de;

        if (!dir)
                return;
        while ((de = readdir(dir))) {
                unsigned number;
                char what;
                int pid, n = 0;

                if (sscanf(de->d_name, "%c%u-%d%n", &what, &number, &pid, &n) != 3 ||
                    de->d_name[n] != '\0' || (what != 'w' && what != 'l') || pid <= 0)
                        continue;
                if (kill(pid, 0) < 0 && errno == ESRCH)
                        (void)remove_entry(dirfd(dir), de->d_name, TREE_DEPTH_MAX);
        }
        (void)closedir(dir);
}

int spool_open(struct spool *spool, const char *tmpdir, const char *name) {
        struct statfs fs;
        struct stat st;
        int r;

        spool->dir = NULL;
        if (snprintf(spool->path, sizeof(spool->path), "%s/%s", tmpdir, name) >=
            (int)sizeof(spool->path))
                return -ENAMETOOLONG;
        if (mkdir(spool->path, 0700) < 0) {
                if (errno != EEXIST)
                        return -errno;
                /* Of a process that had our number before us. */
                r = spool_remove(tmpdir, name);
                if (r < 0)
                        return r;
                if (mkdir(spool->path, 0700) < 0)
                        return -errno;
        }
        spool->dir = opendir(spool->path);
        if (!spool->dir || fstat(dirfd(spool->dir), &st) < 0 || fstatfs(dirfd(spool->dir), &fs) < 0)
                return -errno;
        spool->device = st.st_dev;
        spool->inode = st.st_ino;
        /* A folder of tmpfs has the size of its entries. */
        spool->empty_size = fs.f_type == TMPFS_MAGIC ? st.st_size : -1;
        return 0;
}

void spool_close(struct spool *spool) {
        if (spool->dir)
                (void)closedir(spool->dir);
        spool->dir = NULL;
}

int spool_check(const struct spool *spool) {
        struct statfs fs;
        struct stat st;

        if (stat(spool->path, &st) < 0 || statfs(spool->path, &fs) < 0)
                return -errno;
        if (st.st_ino != spool->inode || st.st_dev != spool->device)
                return -ENOENT;
        /* 0 of 0: a file system that was given no limit. */
        if ((fs.f_blocks > 0 && fs.f_bavail == 0) || (fs.f_files > 0 && fs.f_ffree == 0))
                return -ENOSPC;
        return 0;
}

int spool_tidy(struct spool *spool) {
        struct stat st;

        if (fstat(dirfd(spool->dir), &st) == 0 && st.st_size == spool->empty_size)
                return 0;
        return remove_children(spool->dir, TREE_DEPTH_MAX);
}
