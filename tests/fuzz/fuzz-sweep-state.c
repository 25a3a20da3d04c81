/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a slot of a sweep's state. The checksum would keep out nearly all that a fuzzer finds,
 * so that a text with a wrong one is given the right one first. What is accepted is the one text of
 * its state.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sweep-state.h"
#include "tests/fuzz/fuzz.h"

#define END_LENGTH (sizeof("end 0123456789abcdef\n") - 1)

static void set_checksum(char *text, size_t size) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        char end[END_LENGTH + 1];

        if (size < END_LENGTH)
                return;
        for (size_t i = 0; i < size - END_LENGTH; i++)
                h = (h ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
        (void)snprintf(end, sizeof(end), "end %016" PRIx64 "\n", h);
        memcpy(text + size - END_LENGTH, end, END_LENGTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char again[SWEEP_SLOT_SIZE];
        struct sweep_state *state = malloc(sizeof(*state)), *chosen = malloc(sizeof(*chosen));
        char *text = malloc(size + 1);
        int r;

        if (!state || !chosen || !text)
                abort();
        memcpy(text, data, size);
        set_checksum(text, size);
        r = sweep_state_parse(text, size, state);
        FUZZ_ASSERT(r == 0 || r == -EINVAL || r == -EPROTONOSUPPORT);
        if (r == 0) {
                size_t n = sweep_state_format(state, again);

                FUZZ_ASSERT(n <= size && memcmp(again, text, n) == 0);
                FUZZ_ASSERT(strlen(state->position) <= SWEEP_PATH_MAX);
        }
        FUZZ_ASSERT(sweep_state_choose(text, size, chosen) == (r == 0 ? 0 : -ENOENT) ||
                    size > SWEEP_SLOT_SIZE);
        free(state);
        free(chosen);
        free(text);
        return 0;
}
