/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. */

#include "daemon/proc-fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

const char *proc_fd_link(int fd, char link[static PROC_FD_MAX]) {
        (void)snprintf(link, PROC_FD_MAX, "/proc/self/fd/%d", fd);
        return link;
}

void proc_fd_path(int fd, char path[static PATH_MAX]) {
        char link[PROC_FD_MAX];
        ssize_t n = readlink(proc_fd_link(fd, link), path, PATH_MAX - 1);

        path[MAX(n, 0)] = '\0';
}

int proc_fd_read(int path) {
        const int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
        char link[PROC_FD_MAX];
        struct stat st;
        int fd;

        if (fstat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        proc_fd_link(path, link);
        /* O_NOATIME is for owners and CAP_FOWNER. */
        fd = open(link, flags | O_NOATIME);
        if (fd < 0 && errno == EPERM)
                fd = open(link, flags);
        return fd < 0 ? -errno : fd;
}
