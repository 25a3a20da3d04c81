/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The regular files below a folder, sorted by path; the same list for every program and run. */

#include <stddef.h>
#include <stdint.h>

struct files {
        char **paths;
        size_t n;
};

/* At most that many, the first ones; or all: path may be a file's. -ENOENT when there are none. The
 * paths live as long as the program. */
int files_find(const char *path, size_t most, struct files *ret);

#define FILES_ALL SIZE_MAX
