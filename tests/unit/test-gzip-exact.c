/* SPDX-License-Identifier: Apache-2.0 */

/* Members of a wanted size: valid to the last byte, for zlib and for our own unpacking. */

#include "daemon/worker/gzip-exact.h"

#include <zlib.h>

#include "store/util.h"
#include "tests/unit/unit.h"

#define TEXT_SIZE ((size_t)20000)

static uint8_t text[TEXT_SIZE];

/* Compresses as badly as wanted: every n-th byte is by chance. */
static void make_text(unsigned n) {
        uint32_t seed = 1;

        for (size_t i = 0; i < TEXT_SIZE; i++) {
                seed = seed * 1664525 + 1013904223;
                text[i] = n > 0 && i % n == 0 ? (uint8_t)(seed >> 16) : "hello "[i % 6];
        }
}

static void check_member(const uint8_t *member, size_t size, size_t text_size) {
        _cleanup_free_ uint8_t *out = malloc(TEXT_SIZE + 1);
        z_stream z = { .next_in = (Bytef *)(uintptr_t)member,
                       .avail_in = (uInt)size,
                       .next_out = out,
                       .avail_out = (uInt)TEXT_SIZE + 1 };

        ck_assert_int_eq(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
        /* Z_STREAM_END says that the checksum and the size are right. */
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        ck_assert_uint_eq(z.avail_in, 0);
        ck_assert_uint_eq(TEXT_SIZE + 1 - z.avail_out, text_size);
        ck_assert(text_size == 0 || memcmp(out, text, text_size) == 0);
        inflateEnd(&z);
}

/* The least size that works; from there on all of them do. */
static size_t find_least(size_t text_size) {
        _cleanup_free_ uint8_t *out = malloc(2 * TEXT_SIZE);
        size_t size = 0;

        while (gzip_exact(text, text_size, out, size) == -ENOSPC)
                size++;
        for (size_t more = 0; more < 23; more++) {
                _cleanup_free_ uint8_t *exact = malloc(MAX(size + more, (size_t)1));

                ck_assert_int_eq(gzip_exact(text, text_size, exact, size + more), 0);
                check_member(exact, size + more, text_size);
        }
        return size;
}

START_TEST(test_sizes) {
        size_t sizes[] = { 0, 1, 100, 3000 };

        make_text(7);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                ck_assert_uint_ge(find_least(sizes[i]), 20);
}
END_TEST

START_TEST(test_much_padding) {
        _cleanup_free_ uint8_t *out = malloc(1 << 20);

        make_text(0);
        ck_assert_int_eq(gzip_exact(text, TEXT_SIZE, out, 1 << 20), 0);
        check_member(out, 1 << 20, TEXT_SIZE);
}
END_TEST

/* What was packed by the best level is smaller than what the usual one makes of it. */
START_TEST(test_tight) {
        _cleanup_free_ uint8_t *out = malloc(2 * TEXT_SIZE);
        z_stream z = { .next_in = text, .avail_in = TEXT_SIZE };
        size_t size;

        make_text(11);
        z.next_out = out;
        z.avail_out = 2 * TEXT_SIZE;
        ck_assert_int_eq(
                deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY),
                Z_OK);
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        size = z.total_out;
        deflateEnd(&z);
        ck_assert_int_eq(gzip_exact(text, TEXT_SIZE, out, size), 0);
        check_member(out, size, TEXT_SIZE);
        ck_assert_int_eq(gzip_exact(text, TEXT_SIZE, out, size / 2), -ENOSPC);
        ck_assert_int_eq(gzip_exact(text, TEXT_SIZE, out, 0), -ENOSPC);
}
END_TEST

START_TEST(test_too_large) {
        ck_assert_int_eq(gzip_exact(text, (size_t)1 << 32, text, 100), -EFBIG);
}
END_TEST

UNIT_MAIN("gzip-exact", test_sizes, test_much_padding, test_tight, test_too_large);
