/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes for the terminal and for JSON: one line of valid UTF-8 without control characters. */

#include <string.h>

#include "daemon/ctl/escape.h"
#include "tests/fuzz/fuzz.h"

static void check_line(char *line) {
        FUZZ_ASSERT(line);
        FUZZ_ASSERT(utf8_valid(line, strlen(line)));
        for (const char *p = line; *p; p++)
                FUZZ_ASSERT((unsigned char)*p >= 0x20 && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *terminal = escape_terminal((const char *)data, size);
        char *json = escape_json((const char *)data, size);

        check_line(terminal);
        check_line(json);
        /* Nothing ends the JSON string: each quote is escaped. */
        for (const char *p = json; *p; p++) {
                FUZZ_ASSERT(*p != '"');
                if (*p == '\\')
                        FUZZ_ASSERT(*++p != '\0');
        }
        free(terminal);
        free(json);
        return 0;
}
