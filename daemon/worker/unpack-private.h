/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between unpack.c, which owns the output, and unpack-methods.c, which knows the libraries. */

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "daemon/worker/unpack.h"

/* One step of a decoder: it takes from in, adds to out, and says how much. */
struct unpack_io {
        const uint8_t *in;
        size_t n_in;
        uint8_t *out;
        size_t n_out;
        size_t taken, made;
};

/* Dovecot's own container (lib-compression/iostream-lz4.h): magic, size of an unpacked chunk, then
 * chunks with their sizes, big endian. */
struct dovecot_lz4 {
        uint8_t *chunk; /* unpacked; size of an unpacked one at most */
        size_t chunk_max, have, given;
};

union unpack_state {
        z_stream gzip;
        bz_stream bzip2;
        lzma_stream xz;
        ZSTD_DCtx *zstd;
        LZ4F_dctx *lz4;
        struct dovecot_lz4 dovecot_lz4;
};

/* What a step returns besides UNPACK_TOO_LARGE, UNPACK_BROKEN and negative errno. */
#define UNPACK_STEP_MORE 0
#define UNPACK_STEP_END  100 /* of the member */

struct unpack_method {
        const char *name;
        bool (*recognises)(const uint8_t *data, size_t size);
        int (*start)(union unpack_state *state); /* of a member: 0 or -ENOMEM */
        int (*step)(union unpack_state *state, struct unpack_io *io);
        void (*stop)(union unpack_state *state);
        bool pads; /* zeros, four at a time, may follow a member */
};

/* Ends with a line without a name. */
extern const struct unpack_method unpack_methods[];
