/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a record of quarantine: what is accepted is the one text of its value. */

#include <errno.h>
#include <string.h>

#include "store/quarantine.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char text[QUARANTINE_TEXT_MAX];
        struct quarantine record;
        unsigned line = 0;
        int r;

        r = quarantine_parse((const char *)data, size, &record, &line);
        if (r < 0) {
                FUZZ_ASSERT(r == -EINVAL && line > 0);
                return 0;
        }
        r = quarantine_format(&record, text);
        FUZZ_ASSERT(r > 0 && (size_t)r == size && memcmp(text, data, size) == 0);
        return 0;
}
