/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a part's header: names are bounded, and patterns can be tried on them. */

#include "store/filenames.h"
#include "store/pattern.h"
#include "tests/fuzz/fuzz.h"

static void found(void *userdata, const char *name, size_t size) {
        static const char patterns[] = "*.exe a*b*c*d ???";
        size_t n = 0;
        const char *p = patterns_find_name(patterns, name, size, &n);

        FUZZ_ASSERT(size <= FILENAME_SIZE_MAX);
        FUZZ_ASSERT(!p || (p >= patterns && p + n < patterns + sizeof(patterns)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        filenames_read(data, size, found, NULL);
        return 0;
}
