/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a message to or from storescan-remedy, and as a plan: the first byte says which format, the
 * rest is the item and the plan, one half each. No crash, and what is accepted keeps the promises.
 */

#include <stdlib.h>
#include <string.h>

#include "daemon/remedy-proto.h"
#include "daemon/remedy/verify.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

static void check_message(const uint8_t *data, size_t size) {
        static union remedy_message m;
        int kind;

        memset(&m, 0, sizeof(m));
        memcpy(&m, data, MIN(size, sizeof(m)));
        kind = remedy_check(&m, size);
        if (kind < 0) {
                FUZZ_ASSERT(kind == -EBADMSG);
                return;
        }
        FUZZ_ASSERT(remedy_size((enum remedy_kind)kind) == size);
        switch ((enum remedy_kind)kind) {
        case REMEDY_SETTINGS:
                FUZZ_ASSERT(m.settings.directory[0] == '/' &&
                            memchr(m.settings.directory, '\0', PATH_MAX));
                break;
        case REMEDY_NOTE:
                FUZZ_ASSERT(quarantine_id_valid(m.note.id) && memchr(m.note.path, '\0', PATH_MAX));
                FUZZ_ASSERT(memchr(m.note.text, '\0', sizeof(m.note.text)));
                break;
        case REMEDY_READY: break;
        case REMEDY_JOB:
                FUZZ_ASSERT(m.job.size > 0 && m.job.size <= REMEDY_ITEM_MAX);
                FUZZ_ASSERT(m.job.offset + m.job.size <= INT64_MAX);
                FUZZ_ASSERT(m.job.format < _STORE_FORMAT_MAX && (int)m.job.pid >= 0);
                FUZZ_ASSERT(memchr(m.job.path, '\0', PATH_MAX));
                FUZZ_ASSERT(memchr(m.job.store, '\0', sizeof(m.job.store)));
                FUZZ_ASSERT(memchr(m.job.signature, '\0', sizeof(m.job.signature)));
                break;
        case REMEDY_DONE:
                FUZZ_ASSERT(m.done.outcome < _REMEDY_OUTCOME_MAX);
                FUZZ_ASSERT(m.done.outcome != REMEDY_REPLACED || quarantine_id_valid(m.done.item));
                FUZZ_ASSERT(memchr(m.done.text, '\0', sizeof(m.done.text)));
                break;
        case _REMEDY_KIND_MAX:
        default: FUZZ_ASSERT(false);
        }
}

/* Each in memory of its own size, so that a sanitizer sees what is read beyond it. */
static void check_plan(const uint8_t *data, size_t size) {
        enum store_format format = (enum store_format)((data[0] & 0x7f) % _STORE_FORMAT_MAX);
        bool opaque = data[0] & 0x80;
        size_t half = (size - 1) / 2;
        uint8_t *a = malloc(half), *b = malloc(half);

        if (half > 0 && a && b) {
                memcpy(a, data + 1, half);
                memcpy(b, data + 1 + half, half);
                if (!verify_plan(format, opaque, a, b, half)) {
                        FUZZ_ASSERT(memcmp(a, b, half) != 0);
                        for (size_t i = 0; i < half && !opaque; i++)
                                FUZZ_ASSERT((a[i] == '\n') == (b[i] == '\n') &&
                                            (a[i] == '\r') == (b[i] == '\r'));
                        FUZZ_ASSERT(format != STORE_FORMAT_MBOX || !opaque);
                        FUZZ_ASSERT(
                                (format != STORE_FORMAT_SDBOX && format != STORE_FORMAT_MDBOX) ||
                                memcmp(a, b, 30) == 0);
                }
        }
        free(a);
        free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check_message(data, size);
        if (size > 0)
                check_plan(data, size);
        return 0;
}
