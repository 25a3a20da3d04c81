/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a reply of clamd and as a list of servers: no crash; what says that content is clean or
 * infected is exactly one text.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/clamd/address.h"
#include "daemon/clamd/answer.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 4096

static void check_reply(const char *text, size_t size) {
        struct clamd_reply reply;
        char head[32];
        int n;

        if (clamd_reply_parse(text, size, &reply) < 0)
                return;
        FUZZ_ASSERT(reply.id > 0 && reply.answer < _CLAMD_ANSWER_MAX);
        FUZZ_ASSERT(strnlen(reply.name, sizeof(reply.name)) < sizeof(reply.name));
        n = snprintf(head, sizeof(head), "%u: ", reply.id);
        FUZZ_ASSERT(size > (size_t)n && memcmp(text, head, (size_t)n) == 0);
        if (reply.answer == CLAMD_OK)
                FUZZ_ASSERT(memcmp(text + size - 4, ": OK", 4) == 0);
        if (reply.answer == CLAMD_FOUND) {
                size_t k = strlen(reply.name);

                FUZZ_ASSERT(k > 0 && !strchr(reply.name, ' '));
                FUZZ_ASSERT(memcmp(text + size - 6, " FOUND", 6) == 0);
                FUZZ_ASSERT(memcmp(text + size - 6 - k, reply.name, k) == 0);
        }
        if (reply.answer == CLAMD_VERSION)
                FUZZ_ASSERT(clamd_version_compare(&reply.version, &reply.version) == 0);
}

static void check_addresses(const char *data, size_t size) {
        struct clamd_address addresses[CLAMD_SERVERS_MAX], again;
        char text[TEXT_MAX];
        const char *bad;
        size_t n_bad;
        int n;

        size = MIN(size, sizeof(text) - 1);
        memcpy(text, data, size);
        text[size] = '\0';
        n = clamd_addresses_parse(text, addresses, &bad, &n_bad);
        FUZZ_ASSERT(n >= 0 || n == -EINVAL || n == -E2BIG);
        for (int i = 0; i < n; i++) {
                const struct clamd_address *a = &addresses[i];

                FUZZ_ASSERT(a->weight >= 1 && a->weight <= CLAMD_WEIGHT_MAX && a->host[0]);
                FUZZ_ASSERT(a->local == (a->port[0] == '\0'));
                FUZZ_ASSERT(clamd_address_parse(a->text, strlen(a->text), &again) == 0);
                FUZZ_ASSERT(streq(again.host, a->host) && streq(again.port, a->port));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check_reply((const char *)data, size);
        check_addresses((const char *)data, size);
        return 0;
}
