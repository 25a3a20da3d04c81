/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* storescan-stamp: what its verbs share. Each verb is one function, named by the table in
 * storescan-stamp.c. */

#include "daemon/config.h"
#include "daemon/keys.h"

/* Exit statuses, documented in storescan-stamp(1). */
enum {
        EXIT_STAMPED = 0, /* sign: written, or verify: one stamp is good */
        EXIT_REFUSED = 1, /* sign: infected, nothing is written; verify: no stamp is good */
        EXIT_USAGE = 2,
        EXIT_TEMPORARY = 75, /* EX_TEMPFAIL: no answer, try again later; nothing is written */
};

struct tool {
        const char *config, *keys, *key, *xattr; /* NULL: not given */
};

/* The configuration, for one worker; with stores, or not needing any. Negative errno: told. */
int settings_load(const struct tool *tool, bool stores, struct config **ret);

/* A copy of a message in memory. */
struct mapped {
        int fd;
        const uint8_t *data;
        size_t size;
};
int mapped_file(int fd, struct mapped *ret); /* fd stays the caller's */
int mapped_input(struct mapped *ret);        /* standard input, read to its end */
void mapped_close(struct mapped *mapped);

int tool_sign(const struct tool *tool);
int tool_xattr(const struct tool *tool, const char *path);
int tool_verify(const struct tool *tool, const char *path);
