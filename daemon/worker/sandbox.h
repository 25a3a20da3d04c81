/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What loader and workers take away from themselves. Functions return 0 or negative errno, and say
 * why in problem, a sentence without a full stop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_PROBLEM_MAX 256

/* First of all in the process: it dies with its parent, leaves no core, can't be traced, can't gain
 * privileges, is the kernel's first choice when memory runs out, and is not ended by the signals
 * that end a service: its life is its socket's. */
int sandbox_process(char problem[static SANDBOX_PROBLEM_MAX]);

/* Again after fork, in the child of parent: -ECHILD when that is gone already. */
int sandbox_child(pid_t parent);

/* -EPERM when the process is root or has any capability. */
int sandbox_unprivileged(char problem[static SANDBOX_PROBLEM_MAX]);

/* The kernel lacks landlock (or it is not enabled) unless this is > 0. */
int sandbox_landlock_abi(void);

/* Allows files only below database (to read; -EBADF: none) and folder (all that a file can be used
 * for, but to execute). Without landlock in the kernel: nothing, and 0. */
int sandbox_files(int database, const char *folder, char problem[static SANDBOX_PROBLEM_MAX]);

/* System calls of the loader: no sockets but the ones it has, no programs, no tracing, no memory
 * that is made executable. pool: and what it and its workers need to ask a pool of clamd servers. Others
 * fail with EPERM. */
int sandbox_calls_loader(bool pool, char problem[static SANDBOX_PROBLEM_MAX]);

/* System calls of a worker: what libclamav and the C library need for a scan, and the channel; and the
 * socket to a pool of clamd servers (-EBADF: none), who are handed content as memory.
 * Others kill the process, so that they are noticed. */
int sandbox_calls_worker(int channel, int pool, char problem[static SANDBOX_PROBLEM_MAX]);

/* Bytes of address space that the process which called sandbox_process() has in use; 0: unknown. */
uint64_t sandbox_address_space(void);

/* Bounds of a worker's resources; address_space is what it begins with. */
struct sandbox_limits {
        uint64_t address_space, max_file_size, max_scan_size;
        unsigned max_recursion;
};
int sandbox_limits(const struct sandbox_limits *limits, char problem[static SANDBOX_PROBLEM_MAX]);
