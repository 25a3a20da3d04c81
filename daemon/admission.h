/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether this kernel does what nothing infected being served depends on: tried, in a few milliseconds,
 * on a file in memory that nobody else has. tests/system/TEST-29-kernel.sh looks at much more, and
 * on real file systems.
 */

#include <stdbool.h>
#include <stddef.h>

#define ADMISSION_MAX 16

struct admission_result {
        const char *name; /* stable, a word */
        const char *what; /* what is relied on, a clause */
        bool good;
        char detail[160]; /* of what is not good: what happened instead */
};

/* Tries all; results go to ret. Returns their number; or negative errno when none can be tried, -EPERM
 * without CAP_SYS_ADMIN. Makes threads, and blocks SIGIO meanwhile; before events come. */
int admission_run(struct admission_result ret[static ADMISSION_MAX]);
