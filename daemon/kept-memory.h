/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory that outlives the process, by its fd (keep.h): zeroed at first, of a size that nobody can change, so
 * that no reader of it gets SIGBUS. What the process before wrote there is material, not truth.
 */

#include <stddef.h>

/* 0 or negative errno. Pages that are never written to take no memory. */
int kept_memory_new(const char *name, size_t size, int *ret_fd, void **ret_memory);

/* Maps what was kept. fd stays the caller's. 0; -EBADMSG: that is no such memory; other negative errno. */
int kept_memory_take(int fd, size_t size, void **ret_memory);
