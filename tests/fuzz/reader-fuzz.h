/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What holds for any bytes that are read as a store file: the items tile it, they are the same
 * however little a read gives, from whichever item the reader sets out, and reading them takes a
 * limited number of bytes.
 */

#include "tests/fuzz/fuzz.h"

#define WALK_ASSERT FUZZ_ASSERT
#include "tests/unit/reader-walk.h"

static inline void fuzz_reader(enum reader_format format, unsigned flags, const uint8_t *data,
                               size_t size) {
        struct memory memory = { .data = data, .size = size };
        _cleanup_free_ struct item *items = NULL, *again = NULL, *rest = NULL, *at_once = NULL;
        size_t n, n_again, n_rest, n_at_once, from;

        items = walk_items(format, flags, &memory, 0, &n);
        FUZZ_ASSERT((n == 0) == (size == 0));
        FUZZ_ASSERT(memory.n_bytes <= 65536 + (uint64_t)size * 4096);

        memory.chunk = 1;
        again = walk_items(format, flags, &memory, 0, &n_again);
        FUZZ_ASSERT(same_items(items, n, again, n_again));

        if (n == 0)
                return;
        from = size % n;
        memory.chunk = 7;
        rest = walk_items(format, flags, &memory, items[from].offset, &n_rest);
        FUZZ_ASSERT(same_items(items + from, n - from, rest, n_rest));
        memory.at_once = true;
        at_once = walk_items(format, flags, &memory, items[from].offset, &n_at_once);
        FUZZ_ASSERT(same_items(items + from, n - from, at_once, n_at_once));
}
