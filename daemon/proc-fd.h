/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an open fd is called below /proc/self/fd (proc(5)): to ask for its path, and to open it anew. */

#include <limits.h>

#include "store/util.h"

#define PROC_FD_MAX (sizeof("/proc/self/fd/") + 3 * sizeof(int))

/* Returns link. */
const char *proc_fd_link(int fd, char link[static PROC_FD_MAX]);

/* Its path as the kernel tells it; "" if it does not. */
void proc_fd_path(int fd, char path[static PATH_MAX]);

/* Opens for reading what path (O_PATH) leads to, and leaves its access time alone where that is allowed.
 * The fd, or negative errno. Only regular files: opening anything else would be an act of ours
 * (-EMEDIUMTYPE). */
int proc_fd_read(int path);
