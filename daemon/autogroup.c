/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing: fds are their callers'. Only system calls: children of the gate use it before they exec. */

#include "daemon/autogroup.h"

#include <fcntl.h>
#include <stdio.h>

#include "store/util.h"

int autogroup_open(pid_t pid) {
        char path[sizeof("/proc//autogroup") + 3 * sizeof(int)] = "/proc/self/autogroup";
        int fd;

        if (pid > 0)
                (void)snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

void autogroup_step_back(int fd, bool back) {
        if (fd >= 0)
                (void)!write(fd, back ? "19" : "0", back ? 2 : 1);
}
