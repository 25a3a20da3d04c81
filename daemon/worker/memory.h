/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the process's malloc is asked for beyond malloc(3). The meson option tcmalloc chooses it:
 * libclamav makes some hundred allocations a message, and scans are 5 to 8 % faster with tcmalloc
 * than with glibc's malloc (tests/bench/open, row unscanned); small-maps.h takes another tenth away.
 */

/* Once, at the start of the process: a scan takes and gives back the same memory again and again, and
 * it is cheaper to keep some of it than to ask the kernel each time. */
void memory_tune(void);

/* Gives free memory back to the system: after a content that took much of it. */
void memory_trim(void);
