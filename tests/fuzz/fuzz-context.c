/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a message: what is told of it is one line of valid UTF-8 without control characters,
 * and an identifier comes out the same when it is read again from a message of its own. */

#include <stdbool.h>
#include <string.h>

#include "daemon/ctl/escape.h"
#include "store/context.h"
#include "tests/fuzz/fuzz.h"

static void check(const char *text, size_t room) {
        size_t n = strnlen(text, room);

        FUZZ_ASSERT(n < room);
        FUZZ_ASSERT(utf8_valid(text, n));
        for (size_t i = 0; i < n; i++)
                FUZZ_ASSERT((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct context context, again;
        char mail[CONTEXT_MESSAGE_ID_SIZE + 20];
        size_t n;

        context_read(data, size, &context);
        check(context.message_id, sizeof(context.message_id));
        check(context.from, sizeof(context.from));
        check(context.subject, sizeof(context.subject));

        /* But for a blank where it was cut. */
        n = strlen(context.message_id);
        if (n > 0 && context.message_id[n - 1] == ' ')
                context.message_id[n - 1] = '\0';
        (void)snprintf(mail, sizeof(mail), "Message-ID: %s\n", context.message_id);
        context_read(mail, strlen(mail), &again);
        FUZZ_ASSERT(strcmp(context.message_id, again.message_id) == 0);
        return 0;
}
