/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A target with a bug, for the test of the driver: a word, and behind it a number of which nobody
 * thought that it may be this large. The word says what comes of it.
 */

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* Uses up the stack. */
static unsigned descend(volatile unsigned *depth) {
        volatile uint8_t frame[4096];

        frame[0] = (uint8_t)++ * depth;
        return *depth == 0 ? 0 : descend(depth) + frame[0];
}

static void break_down(const char *word) {
        volatile unsigned depth = 1;

        if (strcmp(word, "abort") == 0)
                abort();
        if (strcmp(word, "exit") == 0)
                exit(EXIT_SUCCESS);
        if (strcmp(word, "hang") == 0)
                for (;;)
                        (void)pause();
        if (strcmp(word, "segv") == 0)
                (void)raise(SIGSEGV);
        if (strcmp(word, "stack") == 0)
                (void)descend(&depth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char text[32] = "", word[16];
        uint64_t number;

        if (size >= sizeof(text))
                return 0;
        memcpy(text, data, size);
        if (sscanf(text, "%15s %" SCNu64, word, &number) == 2 && number > UINT32_MAX)
                break_down(word);
        return 0;
}
