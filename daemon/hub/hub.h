/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* storescan-hub as a whole: its parts, its ring thread, signals, start and end. */

#include <stdio.h>

#include "daemon/config.h"

/* Runs until SIGTERM or SIGINT, and ends the process: with status 0; with EX_CONFIG after a mistake
 * that another start would meet again; else with EXIT_FAILURE. One sentence goes to errors then. */
_Noreturn void hub_run(const struct config *config, FILE *errors);
