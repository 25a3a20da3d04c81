/* SPDX-License-Identifier: Apache-2.0 */

/* Any path in any format: no crash, and no mail that becomes something else when only the store's
 * root is unknown. */

#include <string.h>

#include "store/format.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *path = malloc(size + 1);

        if (!path)
                return 0;
        memcpy(path, data, size);
        path[size] = '\0';

        for (int i = 0; i < _STORE_FORMAT_MAX; i++) {
                enum place rooted = format_place((enum store_format)i, path);
                enum place unrooted = format_place_unrooted((enum store_format)i, path);

                FUZZ_ASSERT(rooted == PLACE_ITEM || rooted == PLACE_IN_PROGRESS ||
                            rooted == PLACE_CONTROL);
                FUZZ_ASSERT(unrooted == PLACE_ITEM || unrooted == PLACE_IN_PROGRESS ||
                            unrooted == PLACE_CONTROL);
                if (rooted == PLACE_ITEM)
                        FUZZ_ASSERT(unrooted == PLACE_ITEM);
        }
        free(path);
        return 0;
}
