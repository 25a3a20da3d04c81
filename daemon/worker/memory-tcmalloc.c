/* SPDX-License-Identifier: Apache-2.0 */

/* tcmalloc takes the place of malloc(3) for the whole process, libclamav included, by being linked.
 * Owns nothing. */

#include <gperftools/malloc_extension_c.h>

#include "daemon/worker/memory.h"

void memory_tune(void) {
}

void memory_trim(void) {
        MallocExtension_ReleaseFreeMemory();
}
