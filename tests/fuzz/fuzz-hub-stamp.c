/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a message with stamps, and as the text of one: no crash, what is found passes the
 * gate's check, what is accepted has one text, a copy with other ends of lines has the same digests.
 */

#include <string.h>

#include "store/hub-content.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

#define TWIN_MAX 4000

static void check_stamp(const struct hub_stamp *stamp) {
        struct hub_stamp again;
        char text[HUB_TEXT_MAX], line[HUB_TEXT_MAX];
        int n = hub_stamp_format(stamp, text);

        FUZZ_ASSERT(hub_stamp_ok(stamp));
        FUZZ_ASSERT(n > 0 && n <= HUB_FIELD_MAX);
        FUZZ_ASSERT(hub_stamp_parse(text, (size_t)n, &again) == HUB_GOOD);
        FUZZ_ASSERT(memcmp(stamp, &again, sizeof(again)) == 0);
        FUZZ_ASSERT(hub_stamp_signed_text(stamp, line) > 0);
}

static void check_twin(const uint8_t *data, size_t size, const struct hub_content *content) {
        uint8_t copy[2 * TWIN_MAX];
        struct hub_content other;
        size_t n = 0;

        if (memchr(data, '\r', size) || size > TWIN_MAX)
                return;
        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n')
                        copy[n++] = '\r';
                copy[n++] = data[i];
        }
        FUZZ_ASSERT(hub_content_read(copy, n, &other) == 0);
        FUZZ_ASSERT(other.n_found == content->n_found);
        /* Its length may be true for one kind of lines only. */
        if (other.check == HUB_GOOD && content->check == HUB_GOOD)
                FUZZ_ASSERT(memcmp(other.body, content->body, 2 * DIGEST_SIZE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hub_content content;
        struct hub_stamp stamp;
        uint8_t body[DIGEST_SIZE], header[DIGEST_SIZE];

        if (hub_stamp_parse((const char *)data, size, &stamp) == HUB_GOOD)
                check_stamp(&stamp);
        FUZZ_ASSERT(hub_content_read(data, size, &content) == 0);
        FUZZ_ASSERT(hub_content_ok(&content));
        for (size_t i = 0; i < content.n_found; i++)
                if (content.found[i].check == HUB_GOOD)
                        check_stamp(&content.found[i].stamp);
        if (content.check == HUB_GOOD) {
                FUZZ_ASSERT(hub_content_digest(data, size, body, header) == HUB_GOOD);
                FUZZ_ASSERT(memcmp(body, content.body, DIGEST_SIZE) == 0);
                FUZZ_ASSERT(memcmp(header, content.header, DIGEST_SIZE) == 0);
        }
        check_twin(data, size, &content);
        return 0;
}
