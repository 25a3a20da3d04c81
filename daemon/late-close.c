/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns one io_uring of the process, in which nothing can be done, since it is never enabled: its table of
 * registered files is what is used of it. The kernel takes a ring down, with that table, by a thread of its
 * own, when its fd is closed.
 *
 * The fds of a process that ends are closed from the highest to the lowest (task_work_run() in the kernel, since
 * 4.4). Were the ring's above those that it holds, these would lose that hold first.
 */

#include "daemon/late-close.h"

#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "store/util.h"

#define HELD_MAX 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ring = -EBADF;
static int held[HELD_MAX]; /* fds; -1: none */

static int set(unsigned place, int fd) {
        struct io_uring_files_update update = { .offset = place, .fds = (uintptr_t)&fd };

        return syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES_UPDATE, &update, 1) < 0
                       ? -errno
                       : 0;
}

void late_close_begin(void) {
        struct io_uring_params params = { .flags = IORING_SETUP_R_DISABLED };

        if (ring >= 0)
                return;
        for (unsigned i = 0; i < HELD_MAX; i++)
                held[i] = -1;
        ring = (int)syscall(SYS_io_uring_setup, 1, &params);
        if (ring >= 0 &&
            syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, held, HELD_MAX) < 0)
                ring = close_fd(ring);
}

void late_close_hold(int fd) {
        if (fd < 0)
                return;
        (void)pthread_mutex_lock(&lock);
        for (unsigned i = 0; ring >= 0 && i < HELD_MAX; i++)
                if (held[i] < 0) {
                        if (set(i, fd) >= 0)
                                held[i] = fd;
                        break;
                }
        (void)pthread_mutex_unlock(&lock);
}

int late_close(int fd) {
        (void)pthread_mutex_lock(&lock);
        for (unsigned i = 0; ring >= 0 && fd >= 0 && i < HELD_MAX; i++)
                if (held[i] == fd) {
                        (void)set(i, -1);
                        held[i] = -1;
                }
        (void)pthread_mutex_unlock(&lock);
        return close_fd(fd);
}
