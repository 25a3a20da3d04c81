/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a dbox file. */

#include "tests/fuzz/reader-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct memory memory = { .data = data, .size = size };
        _cleanup_free_ struct item *items = NULL;
        size_t n;

        fuzz_reader(READER_DBOX, 0, data, size);

        items = walk_items(READER_DBOX, 0, &memory, 0, &n);
        for (size_t i = 0; i < n; i++) {
                const uint8_t *end = data + items[i].offset + items[i].size;

                FUZZ_ASSERT(!items[i].has_from_lines && items[i].claimed_size == 0);
                if (items[i].state != ITEM_WHOLE)
                        continue;
                FUZZ_ASSERT(memcmp(data + items[i].offset, "\1\2", 2) == 0);
                FUZZ_ASSERT(memcmp(data + items[i].message_offset + items[i].message_size,
                                   "\n\1\3\n", 4) == 0);
                FUZZ_ASSERT(end[-1] == '\n');
        }
        return 0;
}
