/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns three functions of the C library, as everybody in the process but that library itself calls them: the
 * program's come before a shared object's. Nothing may be scanned meanwhile: libclamav calls clean what it has no
 * temporary files for.
 */

#include "daemon/worker/no-folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/util.h"

/* Libraries are to find them, though all else is hidden. */
#define STANDS_IN __attribute__((visibility("default")))

static bool pretending;

void no_folders(bool pretend) {
        pretending = pretend;
}

STANDS_IN int mkdir(const char *path, mode_t mode) {
        return pretending ? 0 : mkdirat(AT_FDCWD, path, mode);
}

STANDS_IN int chmod(const char *path, mode_t mode) {
        return pretending ? 0 : fchmodat(AT_FDCWD, path, mode, 0);
}

STANDS_IN DIR *opendir(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        DIR *dir;

        if (pretending) {
                errno = ENOENT;
                return NULL;
        }
        fd = open(path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (dir)
                (void)TAKE_FD(fd);
        return dir;
}
