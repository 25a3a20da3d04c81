/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between engine.c and scan.c, the two that see libclamav. */

#include <clamav.h>

#include "daemon/worker/engine.h"

struct engine {
        struct cl_engine *cl;
        struct engine_options options;
        struct cl_scan_options scan_options;
        struct attachments *attachments; /* NULL: none are looked for */
};

/* So many bytes may come before the content. */
#define SCAN_PREFIX_SIZE 24

/* Sets the callbacks that scans need. */
void scan_install(struct cl_engine *cl);

/* A message of severity warning or error. False: no scan runs, so that it is not of one. */
bool scan_message(const char *text);
