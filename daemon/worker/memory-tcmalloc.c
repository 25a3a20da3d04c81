/* SPDX-License-Identifier: Apache-2.0 */

/* tcmalloc takes the place of malloc(3) for the whole process, libclamav included, by being linked.
 * Owns nothing. */

#include <gperftools/malloc_extension_c.h>

#include "daemon/worker/memory.h"
#include "daemon/worker/small-maps.h"

void memory_tune(void) {
#ifdef HAVE_MMAP_REPLACEMENT
        small_maps_keep();
#endif
}

void memory_trim(void) {
        MallocExtension_ReleaseFreeMemory();
}
