/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Finds the store that a file belongs to, and whether it holds mail there, from what the kernel
 * tells of an open file: no path is ever opened or looked up.
 */

#include <limits.h>
#include <sys/stat.h>

#include "daemon/config.h"
#include "daemon/proto.h"

/* path holds the kernel's name of fd (readlink of /proc/self/fd/N, see proc(5)): absolute in our
 * own mount namespace when the file can be reached there; " (deleted)" is cut off. "" when there
 * is none. Returns the innermost store that the path lies in (never NULL: a file of unknown place
 * belongs to the strictest store, whose format need not be the file's) and sets *ret_place for the
 * size that it has now: on mbox a lock that grows may turn out to be a mailbox. */
const struct config_store *stores_find(const struct config *config, int fd, const struct stat *st,
                                       char path[static PATH_MAX], enum place *ret_place);

/* The same, telling more of it. */
struct stores_answer {
        const struct config_store *store;
        enum place place;
        bool rooted; /* the path lies in the store: its format is the file's */
        bool fixed;  /* the place depends neither on the file's size nor on a mount of this file */
};
void stores_ask(const struct config *config, int fd, const struct stat *st,
                char path[static PATH_MAX], struct stores_answer *ret);

/* The same of a path as the kernel names it, without a look at the file. bound: the name is a mount of
 * this very file, and says nothing of it. */
void stores_ask_path(const struct config *config, const char *path, uint64_t size, bool bound,
                     struct stores_answer *ret);

/* What workers are to take the content of a file for. */
enum job_form stores_form(enum store_format format);
