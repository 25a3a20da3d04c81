/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gathers names from a store, for format_guess() to judge. Owns nothing that outlives a call. Must
 * not open files: that would wait for a storescand that runs.
 *
 * The walk is bounded in all directions. What is left of the names that may be looked at is shared
 * out evenly among the folders still to see, so that neither a folder of a million messages nor the
 * first user's source code hides what lies beside it.
 */

#include "daemon/detect.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/util.h"

#define NAMES_MAX      16384 /* of a store */
#define FOLDER_MAX     512   /* of one folder */
#define FOLDER_MIN     32    /* share of the smallest, while there is something to share */
#define DEPTH_MAX      12
#define ROOT_NAME(dir) (strrchr((dir), '/') + 1)

struct look {
        const char *root;
        const char *const *except;
        size_t n_except;
        dev_t dev;
        char **paths; /* from the root's name on; folders with a slash behind */
        size_t n, allocated;
};

static void look_done(struct look *look) {
        for (size_t i = 0; i < look->n; i++)
                free(look->paths[i]);
        free(look->paths);
}

static int add_path(struct look *look, const char *folder, const char *name, bool is_folder) {
        if (look->n == look->allocated) {
                size_t n = 2 * look->allocated + 64;
                char **grown = reallocarray(look->paths, n, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                look->paths = grown;
                look->allocated = n;
        }
        if (asprintf(&look->paths[look->n], "%s/%s%s", folder, name, is_folder ? "/" : "") < 0)
                return -ENOMEM;
        look->n++;
        return 0;
}

/* Whether the folder, from the root's name on, is another store. */
static bool is_excepted(const struct look *look, const char *folder) {
        size_t head = (size_t)(ROOT_NAME(look->root) - look->root);

        for (size_t i = 0; i < look->n_except; i++)
                if (strncmp(look->except[i], look->root, head) == 0 &&
                    streq(look->except[i] + head, folder))
                        return true;
        return false;
}

static bool is_dots(const char *name) {
        return streq(name, ".") || streq(name, "..");
}

/* Which files and folders there are in dir: up to limit. Others (links, sockets) are passed over. */
static int list_folder(struct look *look, DIR *dir, const char *folder, size_t limit) {
        const struct dirent *entry;

        for (size_t seen = 0; seen < limit && look->n < NAMES_MAX && (entry = readdir(dir));) {
                unsigned char type = entry->d_type;
                struct stat st;
                int r;

                if (is_dots(entry->d_name))
                        continue;
                seen++;
                if (type == DT_UNKNOWN &&
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        type = S_ISDIR(st.st_mode)   ? DT_DIR
                               : S_ISREG(st.st_mode) ? DT_REG
                                                     : DT_UNKNOWN;
                if (type != DT_DIR && type != DT_REG)
                        continue;
                r = add_path(look, folder, entry->d_name, type == DT_DIR);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int look_at(struct look *look, int parent, const char *name, const char *folder,
                   unsigned depth, size_t *budget);

/* Goes down into the folders that list_folder() found: those from index first up to last. */
static int look_below(struct look *look, int fd, const char *folder, size_t first, unsigned depth,
                      size_t *budget) {
        size_t last = look->n, left = 0;

        for (size_t i = first; i < last; i++)
                left += look->paths[i][strlen(look->paths[i]) - 1] == '/';
        for (size_t i = first; i < last; i++) {
                _cleanup_free_ char *below = strdup(look->paths[i]);
                size_t n, share;
                int r;

                if (!below)
                        return -ENOMEM;
                n = strlen(below);
                if (below[n - 1] != '/')
                        continue;
                below[n - 1] = '\0';
                share = *budget / left;
                share = MAX(share, (size_t)FOLDER_MIN);
                left--;
                *budget -= MIN(*budget, share);
                r = look_at(look, fd, below + strlen(folder) + 1, below, depth + 1, &share);
                *budget += share;
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

/* folder is the path of name from the root's name on; *budget what may still be looked at. */
static int look_at(struct look *look, int parent, const char *name, const char *folder,
                   unsigned depth, size_t *budget) {
        size_t first = look->n;
        struct stat st;
        DIR *dir;
        int fd, r;

        if (is_excepted(look, folder))
                return 0;
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                (void)close_fd(fd);
                return r;
        }
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (depth > 0 && st.st_dev != look->dev)
                r = 0;
        else {
                look->dev = st.st_dev;
                r = list_folder(look, dir, folder, MIN(*budget, (size_t)FOLDER_MAX));
                *budget -= MIN(*budget, look->n - first);
                if (r >= 0 && depth < DEPTH_MAX)
                        r = look_below(look, fd, folder, first, depth, budget);
        }
        (void)closedir(dir);
        return r;
}

/* What the gathered names tell; takes over those that are told of. */
static int judge(struct look *look, struct detected ret[static 2]) {
        struct format_guess guess[2] = {};
        int r;

        if (!look->paths)
                return -ENODATA;
        r = format_guess((const char *const *)look->paths, look->n, guess);
        if (r == -ENOENT)
                return -ENODATA;
        ret[0] = (struct detected){ guess[0].format, TAKE_PTR(look->paths[guess[0].by]) };
        if (r == -ENOTUNIQ)
                ret[1] = (struct detected){ guess[1].format, TAKE_PTR(look->paths[guess[1].by]) };
        return r;
}

int detect_format(const char *root, const char *const *except, size_t n_except,
                  struct detected ret[static 2]) {
        struct look look = { .root = root, .except = except, .n_except = n_except };
        size_t budget = NAMES_MAX;
        int r;

        r = look_at(&look, AT_FDCWD, root, ROOT_NAME(root), 0, &budget);
        if (r >= 0)
                r = judge(&look, ret);
        look_done(&look);
        return r;
}
