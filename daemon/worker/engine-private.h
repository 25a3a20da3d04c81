/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between engine.c, scan.c and scan-clamd.c. */

#include <clamav.h>

#include "daemon/worker/engine.h"

struct engine {
        struct cl_engine *cl;
        struct engine_options options;
        struct cl_scan_options scan_options;
        struct attachments *attachments; /* NULL: none are looked for */
        int pool;                        /* of clamd servers; -EBADF: none */
        bool fallback;                   /* the pool may be without */
        bool pool_lost;                  /* it will never answer again */
        bool scanned_here;               /* what was asked for last, or a part of it */
        uint64_t asked;                  /* of it, so far */
};

/* Whether libclamav takes the content for mail by itself. */
bool scan_is_mail(struct engine *engine, const void *data, size_t size);

/* Has the pool scan it. False: there is no server, and the engine itself is to do it. */
bool scan_by_pool(struct engine *engine, const void *data, size_t size, struct scan *ret);

uint64_t scan_now_msec(void);

/* Sets the callbacks that scans need. */
void scan_install(struct cl_engine *cl);

/* A message of severity warning or error. False: no scan runs, so that it is not of one. */
bool scan_message(const char *text);
