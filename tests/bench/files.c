/* SPDX-License-Identifier: Apache-2.0 */

/* Walks a folder by nftw(3), which opens folders only: nothing is read, so nothing is scanned. */

#include "tests/bench/files.h"

#include <ftw.h>

#include "store/util.h"

/* nftw(3) hands nothing on to its function. */
static struct files found;
static size_t allocated;

static int add(const char *path, const struct stat *st, int type, struct FTW *where) {
        char **paths;

        if (type != FTW_F || !S_ISREG(st->st_mode))
                return 0;
        if (found.n == allocated) {
                allocated = allocated ? allocated * 2 : 1024;
                paths = reallocarray(found.paths, allocated, sizeof(*paths));
                if (!paths)
                        return -1;
                found.paths = paths;
        }
        found.paths[found.n] = strdup(path);
        return found.paths[found.n++] ? 0 : -1;
}

static int compare_paths(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int files_find(const char *path, size_t most, struct files *ret) {
        found = (struct files){};
        allocated = 0;
        if (nftw(path, add, 16, FTW_PHYS) < 0)
                return errno > 0 ? -errno : -ENOMEM;
        if (found.n == 0)
                return -ENOENT;
        qsort(found.paths, found.n, sizeof(*found.paths), compare_paths);
        found.n = MIN(found.n, most);
        *ret = found;
        return 0;
}
