/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as packed mail: bounded, one of the outcomes, and the same for another limit. */

#include <stdbool.h>
#include <string.h>

#include "daemon/worker/unpack.h"
#include "tests/fuzz/fuzz.h"

#define MAX_SIZE ((uint64_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct unpacked u, small;
        bool known = unpack_method(data, size);
        int r = unpack(data, size, MAX_SIZE, &u), s;

        FUZZ_ASSERT(r > 0); /* there is memory enough */
        FUZZ_ASSERT((r == UNPACK_PLAIN) == !known);
        FUZZ_ASSERT(!known || !mail_is_crypted(data, size));
        FUZZ_ASSERT(u.size <= MAX_SIZE && u.first_size <= u.size && u.size <= u.capacity);
        FUZZ_ASSERT(r != UNPACK_DONE || u.members > 0);

        if (u.size > 0) {
                s = unpack(data, size, u.size - 1, &small);
                FUZZ_ASSERT(s == UNPACK_TOO_LARGE || (r == UNPACK_BROKEN && s == r));
                FUZZ_ASSERT(small.size < u.size && memcmp(u.data, small.data, small.size) == 0);
                unpack_release(&small);
        }
        unpack_release(&u);
        FUZZ_ASSERT(!u.data && u.capacity == 0);
        return 0;
}
