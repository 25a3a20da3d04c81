/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon as a whole: makes its parts in the order in which they need each other, runs the loop
 * of the gate thread, ends them.
 */

#include <stdio.h>

#include "daemon/config.h"

/* Runs until SIGTERM or SIGINT. config_path is what SIGHUP checks (NULL: the standard places). What
 * keeps it from starting goes to errors as sentences with the fix. 0 after an orderly end, or
 * negative errno. */
int manager_run(const struct config *config, const char *config_path, FILE *errors);
