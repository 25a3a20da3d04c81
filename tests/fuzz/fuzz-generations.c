/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a history of generations: no crash, and what is accepted means the same when written
 * and read again, with one more noted, too. */

#include <errno.h>
#include <string.h>

#include "store/generations.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct generation generation = { .id = "fuzzed" };
        static struct generations g, again;
        static char text[GENERATIONS_TEXT_MAX], other[GENERATIONS_TEXT_MAX];
        size_t n;
        int r;

        r = generations_parse((const char *)data, size, &g);
        if (r < 0) {
                FUZZ_ASSERT(r == -EINVAL);
                return 0;
        }
        for (unsigned i = 0; i < 2; i++) {
                n = generations_format(&g, text);
                FUZZ_ASSERT(n < sizeof(text));
                FUZZ_ASSERT(generations_parse(text, n, &again) == 0);
                FUZZ_ASSERT(generations_format(&again, other) == n && memcmp(text, other, n) == 0);
                generations_note(&g, &generation, 1, 1795470147);
                FUZZ_ASSERT(generations_find(&g, &generation));
        }
        return 0;
}
