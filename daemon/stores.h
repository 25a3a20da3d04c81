/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Finds the store that a file belongs to, and whether it holds mail there, from what the kernel
 * tells of an open file: no path is ever opened or looked up.
 */

#include <limits.h>
#include <sys/stat.h>

#include "daemon/config.h"

/* path holds the kernel's name of fd (readlink of /proc/self/fd/N, see proc(5)): absolute in our
 * own mount namespace when the file can be reached there; " (deleted)" is cut off. "" when there
 * is none. Returns the store (never NULL: a file of unknown place belongs to the strictest store)
 * and sets *ret_place. */
const struct config_store *stores_find(const struct config *config, int fd, const struct stat *st,
                                       char path[static PATH_MAX], enum place *ret_place);
