/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files whose last close takes long: that of an inotify instance sleeps for 25 ms and more, until the kernel has
 * done with its watches, and so long a process that was killed is not gone, and no other may take its place.
 * One that is held here is closed by a kernel thread, behind the end of the process.
 *
 * From any thread.
 */

/* Before those are opened that are to be held, so that its fd has a lower number. Without it nothing is. */
void late_close_begin(void);

/* Has fd held, for as long as late_close() is not called. It does nothing where it can't. */
void late_close_hold(int fd);

/* Closes one that is held, or any other. Returns -EBADF. */
int late_close(int fd);
