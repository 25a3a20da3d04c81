/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a list of allowed digests: what is accepted is the one text of its entries. */

#include <errno.h>
#include <string.h>

#include "store/allowed.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char line[ALLOWED_LINE_MAX + 1];
        struct allowed allowed = {};
        unsigned at = 0;
        size_t n = 0;
        int r;

        r = allowed_parse((const char *)data, size, &allowed, &at);
        if (r < 0) {
                FUZZ_ASSERT((r == -EINVAL || r == -E2BIG) && at > 0 && !allowed.entries);
                return 0;
        }
        for (size_t i = 0; i < allowed.n; i++) {
                size_t length = allowed_format(&allowed.entries[i], line);

                FUZZ_ASSERT(length <= size - n && memcmp(line, data + n, length) == 0);
                FUZZ_ASSERT(allowed_find(&allowed, allowed.entries[i].digest) ==
                            &allowed.entries[i]);
                n += length;
        }
        FUZZ_ASSERT(n == size);
        allowed_done(&allowed);
        return 0;
}
