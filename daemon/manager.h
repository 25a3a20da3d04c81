/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon as a whole: makes its parts in the order in which they need each other, runs the loop
 * of the gate thread, ends them.
 */

#include <stdio.h>

#include "daemon/config.h"

struct manager;

/* Looks at signatures and configuration on disk; the log tells what came of it. */
void manager_reload(struct manager *manager);

/* Runs until SIGTERM or SIGINT. config is taken; config_path is what is read again (NULL: the standard
 * places). What
 * keeps it from starting goes to errors as sentences with the fix. 0 after an orderly end; -ENOEXEC
 * when this configuration, these signatures or this kernel can't do, so that trying again is of no
 * use; another negative errno for failures that may pass. */
int manager_run(struct config *config, const char *config_path, FILE *errors);
