/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a message: its digest does not depend on the pieces they come in, a CRLF copy of a
 * regular LF message and one with another trace line have the same, and irregular ones count to the
 * byte.
 */

#include <string.h>

#include "store/canon.h"
#include "tests/fuzz/fuzz.h"

#define TRACE    "Return-Path: <a@example.org>\n"
#define TWIN_MAX 2000 /* no limit of the header is near */

/* In pieces whose sizes the content itself chooses; at once if it is not to choose. */
static bool digest(const uint8_t *data, size_t size, bool choose, uint8_t ret[static DIGEST_SIZE]) {
        struct canon *canon = canon_new(CANON_MESSAGE);
        bool regular;

        FUZZ_ASSERT(canon);
        for (size_t at = 0; at < size;) {
                size_t n = choose ? (size_t)(data[at] % 97 * (data[at] % 5 + 1) + 1) : size;

                if (n > size - at)
                        n = size - at;
                FUZZ_ASSERT(canon_update(canon, data + at, n) == 0);
                at += n;
        }
        FUZZ_ASSERT(canon_final(canon, ret) == 0);
        regular = canon_is_regular(canon);
        canon_free(canon);
        return regular;
}

static bool is_text(const uint8_t *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (data[i] < 0x20 ? data[i] != '\n' && data[i] != '\t' : data[i] == 0x7f)
                        return false;
        return true;
}

/* The first field might count for 8-bit characters, a long line, or a field in its continuation. */
static bool is_kept(const uint8_t *data, size_t size) {
        for (size_t i = 0; i < size && !(data[i] == '\n' && (i + 1 == size || data[i + 1] > ' '));
             i++)
                if (data[i] >= 0x80 || i == 490 || (i > 9 && data[i] == ':'))
                        return true;
        return false;
}

/* A regular message of LF text. */
static void check_twins(const uint8_t *data, size_t size, const uint8_t expected[DIGEST_SIZE]) {
        uint8_t copy[2 * TWIN_MAX + sizeof(TRACE)], other[DIGEST_SIZE];
        size_t n = 0;

        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n')
                        copy[n++] = '\r';
                copy[n++] = data[i];
        }
        copy[n] = '\0';
        /* Its value may be true for one kind of lines only. */
        if (n <= TWIN_MAX && !strcasestr((const char *)copy, "content-length")) {
                FUZZ_ASSERT(digest(copy, n, true, other));
                FUZZ_ASSERT(memcmp(expected, other, DIGEST_SIZE) == 0);
        }
        if (size < 10 || memcmp(data, "Received: ", 10) != 0)
                return;
        memcpy(copy, TRACE, sizeof(TRACE) - 1);
        memcpy(copy + sizeof(TRACE) - 1, data, size);
        n = sizeof(TRACE) - 1 + size;
        FUZZ_ASSERT(digest(copy, n, false, other));
        FUZZ_ASSERT(is_kept(data, size) || memcmp(expected, other, DIGEST_SIZE) == 0);
        /* Of another name, it counts. */
        copy[0] = 'X';
        FUZZ_ASSERT(digest(copy, n, false, other));
        FUZZ_ASSERT(memcmp(expected, other, DIGEST_SIZE) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t once[DIGEST_SIZE], pieces[DIGEST_SIZE], raw[DIGEST_SIZE];
        bool regular = digest(data, size, false, once);

        FUZZ_ASSERT(digest(data, size, true, pieces) == regular);
        FUZZ_ASSERT(memcmp(once, pieces, DIGEST_SIZE) == 0);
        FUZZ_ASSERT(canon_buffer(CANON_RAW, data, size, raw) == 0);
        FUZZ_ASSERT(memcmp(once, raw, DIGEST_SIZE) != 0);

        if (regular && size <= TWIN_MAX && is_text(data, size))
                check_twins(data, size, once);
        if (!regular && size > 0 && size <= TWIN_MAX) {
                uint8_t copy[TWIN_MAX];

                memcpy(copy, data, size);
                copy[data[0] % size] ^= 0x20;
                FUZZ_ASSERT(canon_buffer(CANON_MESSAGE, copy, size, pieces) == 0);
                FUZZ_ASSERT(memcmp(once, pieces, DIGEST_SIZE) != 0);
        }
        return 0;
}
