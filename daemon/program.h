/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where the programs are that storescand starts. */

#include <stdio.h>

/* Opens (O_PATH) the program that the environment names as variable; else that in the folder beside ours,
 * when we run from the build folder; else the installed one. The fd, or negative errno after one
 * sentence with the fix in errors. */
int program_open(const char *name, const char *folder, const char *variable, FILE *errors);
