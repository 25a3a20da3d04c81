/* SPDX-License-Identifier: Apache-2.0 */

/* Any path in any format: no crash, no mail that becomes something else when only the store's root
 * is unknown, and no file that stops being mail because it grows. The lines of the same bytes, as a
 * list of paths: what is guessed is always one of them. */

#include <errno.h>
#include <string.h>

#include "store/format.h"
#include "tests/fuzz/fuzz.h"

#define LINES_MAX 256

static void check_place(enum store_format format, const char *path) {
        static const uint64_t sizes[] = { 0, 80, 81, UINT64_MAX };
        bool was_item = false;

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                enum place rooted = format_place(format, path, sizes[i]);
                enum place unrooted = format_place_unrooted(format, path, sizes[i]);

                FUZZ_ASSERT(rooted == PLACE_ITEM || rooted == PLACE_IN_PROGRESS ||
                            rooted == PLACE_CONTROL);
                FUZZ_ASSERT(unrooted == PLACE_ITEM ||
                            (unrooted == PLACE_CONTROL && rooted == PLACE_CONTROL));
                FUZZ_ASSERT(rooted == PLACE_ITEM || !was_item);
                was_item = rooted == PLACE_ITEM;
        }
        if (format == STORE_FORMAT_FILES)
                FUZZ_ASSERT(was_item);
}

static void check_guess(char *text) {
        struct format_guess guess[2] = {};
        const char *paths[LINES_MAX];
        size_t n = 0;
        int r;

        for (char *line = strsep(&text, "\n"); line && n < LINES_MAX; line = strsep(&text, "\n"))
                paths[n++] = line;
        r = format_guess(paths, n, guess);
        FUZZ_ASSERT(r == 0 || r == -ENOENT || r == -ENOTUNIQ);
        for (size_t i = 0; i < (r == -ENOENT ? 0U : r == 0 ? 1U : 2U); i++)
                FUZZ_ASSERT((unsigned)guess[i].format < _STORE_FORMAT_MAX && guess[i].by < n);
        if (r == -ENOTUNIQ)
                FUZZ_ASSERT(guess[0].format != guess[1].format);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *path = malloc(size + 1);

        if (!path)
                return 0;
        memcpy(path, data, size);
        path[size] = '\0';
        for (int i = 0; i < _STORE_FORMAT_MAX; i++)
                check_place((enum store_format)i, path);
        check_guess(path);
        free(path);
        return 0;
}
