/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as an mbox, by Dovecot's rules and by everybody else's. */

#include "tests/fuzz/reader-fuzz.h"

/* Every message begins with "From ", and the pieces of a lenient walk are cut at those starts too,
 * but for where the message's own From_ line was believed by nobody else. */
static void check_mbox(const uint8_t *data, size_t size) {
        struct memory memory = { .data = data, .size = size };
        _cleanup_free_ struct item *items = NULL, *pieces = NULL;
        size_t n, n_pieces, k = 0;

        items = walk_items(READER_MBOX, 0, &memory, 0, &n);
        pieces = walk_items(READER_MBOX, READER_LENIENT, &memory, 0, &n_pieces);
        FUZZ_ASSERT(n_pieces >= n);
        for (size_t i = 0; i < n; i++) {
                bool cut = false;

                if (items[i].state != ITEM_DAMAGED)
                        FUZZ_ASSERT(memcmp(data + items[i].offset, "From ", 5) == 0);
                FUZZ_ASSERT(items[i].state != ITEM_HEADER);
                FUZZ_ASSERT(k < n_pieces && pieces[k].offset == items[i].offset);
                for (k++; k < n_pieces && pieces[k].offset < items[i].offset + items[i].size; k++)
                        cut = true;
                if (items[i].state == ITEM_WHOLE)
                        FUZZ_ASSERT(cut == items[i].has_from_lines);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        fuzz_reader(READER_MBOX, 0, data, size);
        fuzz_reader(READER_MBOX, READER_LENIENT, data, size);
        check_mbox(data, size);
        return 0;
}
