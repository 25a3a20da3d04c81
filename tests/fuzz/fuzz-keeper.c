/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a notification to storescan-keeper: what is passed on is a message again, means the same, and
 * says nothing of who the service is. The first byte says whether that ends. */

#include <errno.h>
#include <string.h>

#include "daemon/keeper/message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct message m, again;
        bool ends = size > 0 && data[0] == 'e';
        int r;

        if (size == 0)
                return 0;
        r = message_parse((const char *)data + 1, size - 1, ends, &m);
        if (r < 0) {
                FUZZ_ASSERT(r == -EBADMSG);
                return 0;
        }
        FUZZ_ASSERT(m.size == strlen(m.text) && m.size <= size - 1 && m.size <= MESSAGE_MAX);
        FUZZ_ASSERT(message_name_is_valid(m.name));
        FUZZ_ASSERT(!(m.store && m.remove) && !(m.barrier && (m.store || m.remove || m.ready)));
        FUZZ_ASSERT(strncmp(m.text, "MAINPID=", 8) != 0 && !strstr(m.text, "\nMAINPID="));
        FUZZ_ASSERT(ends ||
                    (strncmp(m.text, "STOPPING=", 9) != 0 && !strstr(m.text, "\nSTOPPING=")));
        if (m.size == 0)
                return 0;
        FUZZ_ASSERT(message_parse(m.text, m.size, ends, &again) == 0);
        FUZZ_ASSERT(again.ready == m.ready && again.store == m.store && again.remove == m.remove &&
                    again.barrier == m.barrier && strcmp(again.name, m.name) == 0 &&
                    again.size == m.size && memcmp(again.text, m.text, m.size) == 0);
        return 0;
}
