/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the member's layout (RFC 1952): header, name, empty stored blocks of 5 bytes (RFC 1951, 3.2.4),
 * deflated data, checksum. Blocks pad by 5, so the name pads by 1 to 4.
 */

#include "daemon/worker/gzip-exact.h"

#include <endian.h>
#include <limits.h>
#include <zlib.h>

#include "store/util.h"

#define HEADER_SIZE  10
#define TRAILER_SIZE 8
#define FLAG_NAME    0x08
#define OS_UNIX      3

static const uint8_t empty_block[] = { 0x00, 0x00, 0x00, 0xff, 0xff };

/* Deflates to out, which must have room for more: zlib does not say that it is done when there is
 * none left. 0, -ENOSPC or -ENOMEM. */
static int deflate_to(const void *data, size_t size, int level, uint8_t *out, size_t out_size,
                      size_t *ret_size) {
        z_stream z = { .next_in = (Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)size,
                       .next_out = out,
                       .avail_out = (uInt)out_size };
        int r;

        if (deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) !=
            Z_OK)
                return -ENOMEM;
        r = deflate(&z, Z_FINISH);
        *ret_size = out_size - z.avail_out;
        (void)deflateEnd(&z);
        return r == Z_STREAM_END ? 0 : -ENOSPC;
}

/* Moves the deflated data, which stands behind the header, to the end, and fills up. */
static void pad(uint8_t *out, size_t out_size, size_t deflated) {
        size_t missing = out_size - HEADER_SIZE - TRAILER_SIZE - deflated,
               name = missing % sizeof(empty_block);
        uint8_t *at = out + HEADER_SIZE;

        memmove(out + out_size - TRAILER_SIZE - deflated, at, deflated);
        if (name > 0) {
                memset(at, 'x', name - 1);
                at[name - 1] = '\0';
                at += name;
        }
        for (; missing >= sizeof(empty_block); missing -= sizeof(empty_block)) {
                memcpy(at, empty_block, sizeof(empty_block));
                at += sizeof(empty_block);
        }
        memcpy(out,
               (const uint8_t[HEADER_SIZE]){ 0x1f, 0x8b, Z_DEFLATED, name > 0 ? FLAG_NAME : 0, 0, 0,
                                             0, 0, 0, OS_UNIX },
               HEADER_SIZE);
}

int gzip_exact(const void *data, size_t size, uint8_t *out, size_t out_size) {
        /* The usual one is much quicker, and mostly small enough: a notice compresses well. */
        static const int levels[] = { 6, 9 };
        uint32_t trailer[2];
        size_t deflated = 0;
        int r = -ENOSPC;

        if (size > UINT_MAX || out_size > UINT_MAX)
                return -EFBIG;
        if (out_size < HEADER_SIZE + TRAILER_SIZE)
                return -ENOSPC;
        for (size_t i = 0; i < ELEMENTSOF(levels) && r == -ENOSPC; i++) {
                r = deflate_to(data, size, levels[i], out + HEADER_SIZE, out_size - HEADER_SIZE,
                               &deflated);
                if (r == 0 && deflated > out_size - HEADER_SIZE - TRAILER_SIZE)
                        r = -ENOSPC;
        }
        if (r < 0)
                return r;
        pad(out, out_size, deflated);
        trailer[0] = htole32((uint32_t)crc32(crc32(0, NULL, 0), data, (uInt)size));
        trailer[1] = htole32((uint32_t)size);
        memcpy(out + out_size - TRAILER_SIZE, trailer, sizeof(trailer));
        return 0;
}
