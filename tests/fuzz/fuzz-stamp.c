/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a stamp: no crash, and what is accepted is the one text of its value. */

#include <errno.h>
#include <string.h>

#include "store/stamp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct stamp stamp;
        struct stat st = {};
        char text[STAMP_SIZE_MAX];
        int r;

        r = stamp_parse((const char *)data, size, &stamp);
        if (r < 0) {
                FUZZ_ASSERT(r == -EINVAL || r == -EPROTONOSUPPORT);
                return 0;
        }
        FUZZ_ASSERT(r == 0);
        FUZZ_ASSERT(size <= STAMP_SIZE_MAX);
        FUZZ_ASSERT(stamp.verdict != VERDICT_UNKNOWN);
        FUZZ_ASSERT(verdict_reason_fits(stamp.verdict, stamp.reason));

        r = stamp_format(&stamp, text);
        FUZZ_ASSERT(r >= 0 && (size_t)r == size);
        FUZZ_ASSERT(memcmp(text, data, size) == 0);

        /* A file that is as the stamp says; then one that is not. */
        st.st_size = (off_t)stamp.size;
        st.st_mtim.tv_sec = -1;
        st.st_ctim.tv_sec = (time_t)(stamp.time_msec / 1000);
        st.st_ctim.tv_nsec = (long)(stamp.time_msec % 1000) * 1000000 + 1;
        FUZZ_ASSERT(stamp_check(&stamp, &st, &stamp.generation) == STAMP_VALID);
        st.st_ctim.tv_sec++;
        FUZZ_ASSERT(stamp_check(&stamp, &st, &stamp.generation) == STAMP_TOUCHED);
        st.st_size++;
        FUZZ_ASSERT(stamp_check(&stamp, &st, &stamp.generation) == STAMP_CHANGED);
        return 0;
}
