/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon as a whole: makes its parts in the order in which they need each other, runs the loop
 * of the gate thread, ends them.
 */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/legacy.h"

struct manager;

/* Looks at signatures and configuration on disk; the log tells what came of it. */
void manager_reload(struct manager *manager);

struct manager_start {
        struct config *config;   /* taken */
        const char *config_path; /* what is read again; NULL: the standard places */
        const char *refused; /* why config is not what is there, but the one before; NULL: it is */
        struct keep *keep;   /* what was kept, as keep_take() found it; taken */
        struct legacy *legacy; /* of that, or NULL; taken */
};

/* Runs until SIGTERM or SIGINT. What keeps it from starting goes to errors as sentences with the fix. 0
 * after an orderly end; -ENOEXEC when this configuration, these signatures or this kernel can't do, so
 * that trying again is of no use; another negative errno for failures that may pass, which, where marks were
 * taken over, are all but those of lasting.h. */
int manager_run(const struct manager_start *begin, FILE *errors);
