/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The regular files below a folder, sorted by path; the same list for every program and run. */

#include <stddef.h>

struct files {
        char **paths;
        size_t n;
};

/* -ENOENT when there are none. The paths live as long as the program. */
int files_find(const char *folder, struct files *ret);
