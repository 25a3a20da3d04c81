/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the sandboxes of all our programs are made of; the lists of what each may do are their own.
 * Functions of the first kind add to a seccomp filter: 0 or negative errno.
 */

#include <seccomp.h>
#include <stddef.h>

#include "store/util.h"

/* System calls, whatever their arguments. By name, since some exist on some architectures only. */
int confinement_allow(scmp_filter_ctx ctx, const char *const *names, size_t n);

/* mmap(2) and mprotect(2), but of memory that can't be executed. */
int confinement_allow_data(scmp_filter_ctx ctx);

/* What a filter begins with: these system calls and data, and the end of the process for calls of another
 * architecture. ctx: NULL is -ENOMEM. */
int confinement_begin(scmp_filter_ctx ctx, const char *const *names, size_t n);

/* These commands of fcntl(2). */
int confinement_allow_fcntl(scmp_filter_ctx ctx, const unsigned *commands, size_t n);

/* Puts the filter, that was made with result r, in force for good, and releases it. 0; or negative errno,
 * with a sentence without a full stop in problem. */
int confinement_load(scmp_filter_ctx ctx, int r, char *problem, size_t size);

/* Writes such a sentence, in which %m is what errno says. Returns error. */
_printf_(4, 5) int confinement_failed(char *problem, size_t size, int error, const char *format,
                                      ...);
