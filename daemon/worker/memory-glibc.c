/* SPDX-License-Identifier: Apache-2.0 */

/* The C library's own malloc. Owns nothing. */

#include <malloc.h>

#include "daemon/worker/memory.h"

void memory_tune(void) {
        (void)mallopt(M_ARENA_MAX, 1);
        (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
        (void)mallopt(M_TRIM_THRESHOLD, 4 << 20);
        (void)mallopt(M_TOP_PAD, 1 << 20);
}

void memory_trim(void) {
        (void)malloc_trim(0);
}
