/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the process may do: write to files of all users, and nothing else. */

#define CONFINE_PROBLEM_MAX 256

/* Keeps two capabilities and a list of system calls, for good. 0 or negative errno with a sentence. */
int confine(char problem[static CONFINE_PROBLEM_MAX]);
