/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One decoder after the other, in the same shape. Limits of memory are Dovecot's own where it has
 * one, so that what is refused here can't be read there either.
 */

#include <endian.h>
#include <lz4.h>
#include <zstd_errors.h>

#include "daemon/worker/unpack-private.h"
#include "store/util.h"

/* zlib, bzip2 and lz4 count in unsigned or int. */
#define STEP_MAX ((size_t)1 << 30)

#define XZ_MEMORY_MAX           (UINT64_C(80) << 20) /* lib-compression/istream-lzma.c */
#define ZSTD_WINDOW_LOG_MAX     27                   /* the library's default; 128 MiB */
#define DOVECOT_LZ4_MAGIC       "Dovecot-LZ4\x0d\x2a\x9b\xc5"
#define DOVECOT_LZ4_HEADER_SIZE (sizeof(DOVECOT_LZ4_MAGIC) - 1 + sizeof(uint32_t))
#define DOVECOT_LZ4_CHUNK_MAX   (1024 * 1024) /* lib-compression/iostream-lz4.h */

#define BEGINS_WITH(data, size, magic) \
        ((size) >= sizeof(magic) - 1 && memcmp(data, magic, sizeof(magic) - 1) == 0)

/* ---- gzip ---- */

static bool gzip_recognises(const uint8_t *data, size_t size) {
        return BEGINS_WITH(data, size, "\x1f\x8b");
}

static int gzip_start(union unpack_state *state) {
        /* 16: gzip's header and trailer, and no others. */
        return inflateInit2(&state->gzip, 16 + MAX_WBITS) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_step(union unpack_state *state, struct unpack_io *io) {
        z_stream *z = &state->gzip;
        int r;

        z->next_in = (uint8_t *)io->in;
        z->avail_in = (unsigned)MIN(io->n_in, STEP_MAX);
        z->next_out = io->out;
        z->avail_out = (unsigned)MIN(io->n_out, STEP_MAX);
        r = inflate(z, Z_NO_FLUSH);
        io->taken = (size_t)(z->next_in - io->in);
        io->made = (size_t)(z->next_out - io->out);
        switch (r) {
        case Z_OK:
        case Z_BUF_ERROR: return UNPACK_STEP_MORE;
        case Z_STREAM_END: return UNPACK_STEP_END;
        case Z_MEM_ERROR: return -ENOMEM;
        default: return UNPACK_BROKEN;
        }
}

static void gzip_stop(union unpack_state *state) {
        (void)inflateEnd(&state->gzip);
}

/* ---- bzip2 ---- */

static bool bzip2_recognises(const uint8_t *data, size_t size) {
        return size >= 10 && data[0] == 'B' && data[1] == 'Z' &&
               (data[2] == 'h' || data[2] == '0') && data[3] >= '1' && data[3] <= '9' &&
               BEGINS_WITH(data + 4, size - 4, "\x31\x41\x59\x26\x53\x59");
}

static int bzip2_start(union unpack_state *state) {
        return BZ2_bzDecompressInit(&state->bzip2, 0, 0) == BZ_OK ? 0 : -ENOMEM;
}

static int bzip2_step(union unpack_state *state, struct unpack_io *io) {
        bz_stream *z = &state->bzip2;
        int r;

        z->next_in = (char *)io->in;
        z->avail_in = (unsigned)MIN(io->n_in, STEP_MAX);
        z->next_out = (char *)io->out;
        z->avail_out = (unsigned)MIN(io->n_out, STEP_MAX);
        r = BZ2_bzDecompress(z);
        io->taken = (size_t)((const uint8_t *)z->next_in - io->in);
        io->made = (size_t)((uint8_t *)z->next_out - io->out);
        switch (r) {
        case BZ_OK: return UNPACK_STEP_MORE;
        case BZ_STREAM_END: return UNPACK_STEP_END;
        case BZ_MEM_ERROR: return -ENOMEM;
        default: return UNPACK_BROKEN;
        }
}

static void bzip2_stop(union unpack_state *state) {
        (void)BZ2_bzDecompressEnd(&state->bzip2);
}

/* ---- xz ---- */

static bool xz_recognises(const uint8_t *data, size_t size) {
        return BEGINS_WITH(data, size, "\xfd\x37zXZ\0");
}

static int xz_start(union unpack_state *state) {
        state->xz = (lzma_stream)LZMA_STREAM_INIT;
        return lzma_stream_decoder(&state->xz, XZ_MEMORY_MAX, 0) == LZMA_OK ? 0 : -ENOMEM;
}

static int xz_step(union unpack_state *state, struct unpack_io *io) {
        lzma_stream *z = &state->xz;
        lzma_ret r;

        z->next_in = io->in;
        z->avail_in = io->n_in;
        z->next_out = io->out;
        z->avail_out = io->n_out;
        r = lzma_code(z, LZMA_RUN);
        io->taken = (size_t)(z->next_in - io->in);
        io->made = (size_t)(z->next_out - io->out);
        switch (r) {
        case LZMA_OK:
        case LZMA_BUF_ERROR: return UNPACK_STEP_MORE;
        case LZMA_STREAM_END: return UNPACK_STEP_END;
        case LZMA_MEM_ERROR: return -ENOMEM;
        case LZMA_MEMLIMIT_ERROR: return UNPACK_TOO_LARGE;
        default: return UNPACK_BROKEN;
        }
}

static void xz_stop(union unpack_state *state) {
        lzma_end(&state->xz);
}

/* ---- zstd ---- */

static bool zstd_recognises(const uint8_t *data, size_t size) {
        return BEGINS_WITH(data, size, "\x28\xb5\x2f\xfd");
}

static int zstd_start(union unpack_state *state) {
        state->zstd = ZSTD_createDCtx();
        if (!state->zstd)
                return -ENOMEM;
        (void)ZSTD_DCtx_setParameter(state->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
        return 0;
}

static int zstd_step(union unpack_state *state, struct unpack_io *io) {
        ZSTD_inBuffer in = { io->in, io->n_in, 0 };
        ZSTD_outBuffer out = { io->out, io->n_out, 0 };
        size_t r = ZSTD_decompressStream(state->zstd, &out, &in);

        io->taken = in.pos;
        io->made = out.pos;
        if (!ZSTD_isError(r))
                return r == 0 ? UNPACK_STEP_END : UNPACK_STEP_MORE;
        switch (ZSTD_getErrorCode(r)) {
        case ZSTD_error_memory_allocation: return -ENOMEM;
        case ZSTD_error_frameParameter_windowTooLarge: return UNPACK_TOO_LARGE;
        default: return UNPACK_BROKEN;
        }
}

static void zstd_stop(union unpack_state *state) {
        (void)ZSTD_freeDCtx(state->zstd);
}

/* ---- lz4 ---- */

static bool lz4_recognises(const uint8_t *data, size_t size) {
        return BEGINS_WITH(data, size, "\x04\x22\x4d\x18");
}

static int lz4_start(union unpack_state *state) {
        return LZ4F_isError(LZ4F_createDecompressionContext(&state->lz4, LZ4F_VERSION)) ? -ENOMEM
                                                                                        : 0;
}

static int lz4_step(union unpack_state *state, struct unpack_io *io) {
        size_t r;

        io->taken = MIN(io->n_in, STEP_MAX);
        io->made = MIN(io->n_out, STEP_MAX);
        r = LZ4F_decompress(state->lz4, io->out, &io->made, io->in, &io->taken, NULL);
        if (!LZ4F_isError(r))
                return r == 0 ? UNPACK_STEP_END : UNPACK_STEP_MORE;
        io->taken = io->made = 0;
        /* LZ4F's codes are private; its names are not. */
        return streq(LZ4F_getErrorName(r), "ERROR_allocation_failed") ? -ENOMEM : UNPACK_BROKEN;
}

static void lz4_stop(union unpack_state *state) {
        (void)LZ4F_freeDecompressionContext(state->lz4);
}

/* ---- Dovecot's lz4 ---- */

static bool dovecot_lz4_recognises(const uint8_t *data, size_t size) {
        return BEGINS_WITH(data, size, DOVECOT_LZ4_MAGIC);
}

static int dovecot_lz4_start(union unpack_state *state) {
        state->dovecot_lz4 = (struct dovecot_lz4){ .chunk = malloc(DOVECOT_LZ4_CHUNK_MAX) };
        return state->dovecot_lz4.chunk ? 0 : -ENOMEM;
}

static uint32_t read_be32(const uint8_t *p) {
        uint32_t value;

        memcpy(&value, p, sizeof(value));
        return be32toh(value);
}

static int dovecot_lz4_header(struct dovecot_lz4 *z, struct unpack_io *io) {
        if (io->n_in < DOVECOT_LZ4_HEADER_SIZE)
                return UNPACK_BROKEN;
        z->chunk_max = read_be32(io->in + DOVECOT_LZ4_HEADER_SIZE - sizeof(uint32_t));
        io->taken = DOVECOT_LZ4_HEADER_SIZE;
        return z->chunk_max == 0 || z->chunk_max > DOVECOT_LZ4_CHUNK_MAX ? UNPACK_BROKEN
                                                                         : UNPACK_STEP_MORE;
}

static int dovecot_lz4_chunk(struct dovecot_lz4 *z, struct unpack_io *io) {
        uint32_t size;
        int n;

        if (io->n_in < sizeof(size))
                return UNPACK_BROKEN;
        size = read_be32(io->in);
        if (size == 0 || size > DOVECOT_LZ4_CHUNK_MAX || size > io->n_in - sizeof(size))
                return UNPACK_BROKEN;
        n = LZ4_decompress_safe((const char *)io->in + sizeof(size), (char *)z->chunk, (int)size,
                                (int)z->chunk_max);
        if (n <= 0)
                return UNPACK_BROKEN;
        io->taken = sizeof(size) + size;
        z->have = (size_t)n;
        z->given = 0;
        return UNPACK_STEP_MORE;
}

static int dovecot_lz4_step(union unpack_state *state, struct unpack_io *io) {
        struct dovecot_lz4 *z = &state->dovecot_lz4;

        if (z->chunk_max == 0)
                return dovecot_lz4_header(z, io);
        if (z->given == z->have)
                return io->n_in == 0 ? UNPACK_STEP_END : dovecot_lz4_chunk(z, io);
        io->made = MIN(io->n_out, z->have - z->given);
        memcpy(io->out, z->chunk + z->given, io->made);
        z->given += io->made;
        return UNPACK_STEP_MORE;
}

static void dovecot_lz4_stop(union unpack_state *state) {
        free(state->dovecot_lz4.chunk);
}

#define METHOD(name, function) \
        { name, function##_recognises, function##_start, function##_step, function##_stop }

const struct unpack_method unpack_methods[] = {
        METHOD("gzip", gzip),
        METHOD("bzip2", bzip2),
        { "xz", xz_recognises, xz_start, xz_step, xz_stop, .pads = true },
        METHOD("zstd", zstd),
        METHOD("lz4", lz4),
        METHOD("dovecot-lz4", dovecot_lz4),
        {},
};
