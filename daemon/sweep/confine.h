/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shuts storescan-sweep in: it may list folders and open files for reading, and write to what it has
 * open already. */

#define CONFINE_PROBLEM_MAX 256

/* The lowest CPU and idle disk priority, of all threads that are still to come. */
void confine_priority(void);

/* Files: nothing beyond root (where the kernel has landlock). 0 or negative errno, with the reason. */
int confine_files(int root, char problem[static CONFINE_PROBLEM_MAX]);

/* System calls, of all threads. Likewise. */
int confine_calls(char problem[static CONFINE_PROBLEM_MAX]);
