/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. */

#include "daemon/child.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "store/util.h"

bool child_was_started(void) {
        socklen_t size = sizeof(int);
        int type = 0;

        return getsockopt(CHILD_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
               type == SOCK_SEQPACKET;
}

int child_prepare_fds(bool keep_socket) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0)
                return -errno;
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if ((fd != STDERR_FILENO || fcntl(fd, F_GETFD) < 0) && null != fd &&
                    dup2(null, fd) < 0)
                        return -errno;
        /* With the socket there, it is none of ours. */
        if (null > STDERR_FILENO)
                close_fd(null);
        if (keep_socket && fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        return close_range(keep_socket ? CHILD_FD + 1 : CHILD_FD, ~0U, 0) < 0 ? -errno : 0;
}
