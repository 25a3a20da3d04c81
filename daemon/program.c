/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. Looks up paths: for the start only. */

#include "daemon/program.h"

#include <fcntl.h>
#include <limits.h>

#include "store/util.h"

/* FOLDER/NAME beside our own program; an empty text if that can't be said. */
static void path_beside(const char *name, const char *folder, char ret[static PATH_MAX]) {
        char own[PATH_MAX], *slash;
        ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
        int length;

        ret[0] = '\0';
        if (n <= 0)
                return;
        own[n] = '\0';
        slash = strrchr(own, '/');
        if (!slash)
                return;
        slash[1] = '\0';
        length = snprintf(ret, PATH_MAX, "%s%s/%s", own, folder, name);
        if (length < 0 || length >= PATH_MAX)
                ret[0] = '\0';
}

int program_open(const char *name, const char *folder, const char *variable, FILE *errors) {
        const char *set = secure_getenv(variable);
        char path[PATH_MAX];
        int fd, r;

        if (set)
                (void)snprintf(path, sizeof(path), "%s", set);
        else
                path_beside(name, folder, path);
        fd = path[0] != '\0' ? open(path, O_PATH | O_CLOEXEC) : -EBADF;
        if (fd < 0 && !set) {
                (void)snprintf(path, sizeof(path), "%s/%s", STORESCAN_LIBEXECDIR, name);
                fd = open(path, O_PATH | O_CLOEXEC);
        }
        if (fd < 0) {
                r = -errno;
                fprintf(errors,
                        "Failed to open %s: %s; install storescan, or name the program in the "
                        "environment as %s.\n",
                        path, strerror(-r), variable);
                return r;
        }
        return fd;
}
