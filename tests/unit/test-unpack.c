/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Unpacking: what command-line tools, Dovecot 2.3.19 and the libraries themselves packed; and that
 * nothing which is cut, damaged, followed by something or too large passes for complete.
 */

#include <endian.h>
#include <lz4.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "daemon/worker/sandbox.h"
#include "daemon/worker/unpack-private.h"
#include "store/util.h"
#include "tests/unit/unit.h"

/* What each of the following packs. */
static const char mail[] = "From: a@example.org\n\nhello, hello, hello, hello\n";
#define MAIL_SIZE (sizeof(mail) - 1)

/* clang-format off */
static const uint8_t gzip_tool[] = {
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x73, 0x2b, 0xca, 0xcf, 0xb5, 0x52,
        0x48, 0x74, 0x48, 0xad, 0x48, 0xcc, 0x2d, 0xc8, 0x49, 0xd5, 0xcb, 0x2f, 0x4a, 0xe7, 0xe2, 0xca,
        0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc0, 0x42, 0x71, 0x01, 0x00, 0xa5, 0x42, 0xf5, 0x26, 0x30,
        0x00, 0x00, 0x00,
};

static const uint8_t gzip_dovecot[] = {
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x73, 0x2b, 0xca, 0xcf, 0xb5, 0x52,
        0x48, 0x74, 0x48, 0xad, 0x48, 0xcc, 0x2d, 0xc8, 0x49, 0xd5, 0xcb, 0x2f, 0x4a, 0xe7, 0xe2, 0xca,
        0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc0, 0x42, 0x71, 0x01, 0x00, 0xa5, 0x42, 0xf5, 0x26, 0x30,
        0x00, 0x00, 0x00,
};

static const uint8_t bzip2_tool[] = {
        0x42, 0x5a, 0x68, 0x31, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0x19, 0x86, 0x77, 0xff, 0x00, 0x00,
        0x06, 0xdd, 0x80, 0x00, 0x10, 0x40, 0x05, 0x00, 0x10, 0x41, 0x00, 0x22, 0xc6, 0xd0, 0x40, 0x20,
        0x00, 0x31, 0x43, 0x4d, 0x30, 0x00, 0x34, 0x9a, 0x31, 0x19, 0x32, 0x69, 0xc9, 0x35, 0x42, 0xc9,
        0x3c, 0xc2, 0xee, 0xea, 0x80, 0x9b, 0x42, 0x5b, 0x70, 0x18, 0x08, 0x73, 0x01, 0xbd, 0xd4, 0xb6,
        0xf8, 0xbb, 0x92, 0x29, 0xc2, 0x84, 0x80, 0xcc, 0x33, 0xbf, 0xf8,
};

static const uint8_t bzip2_dovecot[] = {
        0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0x19, 0x86, 0x77, 0xff, 0x00, 0x00,
        0x06, 0xdd, 0x80, 0x00, 0x10, 0x40, 0x05, 0x00, 0x10, 0x41, 0x00, 0x22, 0xc6, 0xd0, 0x40, 0x20,
        0x00, 0x31, 0x43, 0x4d, 0x30, 0x00, 0x34, 0x9a, 0x31, 0x19, 0x32, 0x69, 0xc9, 0x35, 0x42, 0xc9,
        0x3c, 0xc2, 0xee, 0xea, 0x80, 0x9b, 0x42, 0x5b, 0x70, 0x18, 0x08, 0x73, 0x01, 0xbd, 0xd4, 0xb6,
        0xf8, 0xbb, 0x92, 0x29, 0xc2, 0x84, 0x80, 0xcc, 0x33, 0xbf, 0xf8,
};

static const uint8_t xz_tool[] = {
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01,
        0x0c, 0x00, 0x00, 0x00, 0x8f, 0x98, 0x41, 0x9c, 0xe0, 0x00, 0x2f, 0x00, 0x25, 0x5d, 0x00, 0x23,
        0x1c, 0x89, 0xe6, 0xf7, 0xd7, 0xb5, 0x9d, 0x9a, 0x6c, 0x47, 0x5e, 0xbc, 0x49, 0x09, 0x1f, 0xa1,
        0xc9, 0x32, 0xdb, 0x65, 0xaa, 0xf9, 0x75, 0xd9, 0xe3, 0x6f, 0x00, 0x02, 0x98, 0x84, 0x14, 0x7a,
        0x4f, 0xaf, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0xf3, 0x52, 0xfe, 0x0f, 0x9b, 0xad, 0xbf,
        0x00, 0x01, 0x41, 0x30, 0xc3, 0xfb, 0x3d, 0xef, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x04, 0x59, 0x5a,
};

static const uint8_t zstd_tool[] = {
        0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x30, 0x1d, 0x01, 0x00, 0xe8, 0x46, 0x72, 0x6f, 0x6d, 0x3a, 0x20,
        0x61, 0x40, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x0a, 0x0a, 0x68,
        0x65, 0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x0a, 0x01, 0x00, 0x28, 0x29, 0x4e, 0xfb, 0xe1, 0x6b, 0x12,
};

static const uint8_t zstd_dovecot[] = {
        0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x1c, 0x01, 0x00, 0xe8, 0x46, 0x72, 0x6f, 0x6d, 0x3a, 0x20,
        0x61, 0x40, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x0a, 0x0a, 0x68,
        0x65, 0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x0a, 0x01, 0x00, 0x28, 0x29, 0x4e, 0x01, 0x00, 0x00,
};

static const uint8_t lz4_tool[] = {
        0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0x26, 0x00, 0x00, 0x00, 0xfb, 0x0d, 0x46, 0x72, 0x6f,
        0x6d, 0x3a, 0x20, 0x61, 0x40, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67,
        0x0a, 0x0a, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x07, 0x00, 0x50, 0x65, 0x6c, 0x6c, 0x6f,
        0x0a, 0x00, 0x00, 0x00, 0x00, 0x70, 0xb2, 0xa4, 0x75,
};

static const uint8_t lz4_dovecot[] = {
        0x44, 0x6f, 0x76, 0x65, 0x63, 0x6f, 0x74, 0x2d, 0x4c, 0x5a, 0x34, 0x0d, 0x2a, 0x9b, 0xc5, 0x00,
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x26, 0xfb, 0x0d, 0x46, 0x72, 0x6f, 0x6d, 0x3a, 0x20, 0x61,
        0x40, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x0a, 0x0a, 0x68, 0x65,
        0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x07, 0x00, 0x50, 0x65, 0x6c, 0x6c, 0x6f, 0x0a,
};
/* clang-format on */

static const struct packed {
        const char *title, *method;
        const uint8_t *data;
        size_t size;
        bool checked; /* by a checksum over what is unpacked */
        bool ended;   /* by something that is missed when it is not there */
} packed[] = {
        { "gzip", "gzip", gzip_tool, sizeof(gzip_tool), true, true },
        { "gzip of Dovecot", "gzip", gzip_dovecot, sizeof(gzip_dovecot), true, true },
        { "bzip2", "bzip2", bzip2_tool, sizeof(bzip2_tool), true, true },
        { "bzip2 of Dovecot", "bzip2", bzip2_dovecot, sizeof(bzip2_dovecot), true, true },
        { "xz", "xz", xz_tool, sizeof(xz_tool), true, true },
        { "zstd", "zstd", zstd_tool, sizeof(zstd_tool), true, true },
        { "zstd of Dovecot", "zstd", zstd_dovecot, sizeof(zstd_dovecot), false, true },
        { "lz4", "lz4", lz4_tool, sizeof(lz4_tool), true, true },
        { "lz4 of Dovecot", "dovecot-lz4", lz4_dovecot, sizeof(lz4_dovecot), false, false },
};

#define DOVECOT_LZ4_HEADER 19

static void check_content(const struct unpacked *u, const void *data, size_t size) {
        ck_assert_uint_eq(u->size, size);
        ck_assert(size == 0 || memcmp(u->data, data, size) == 0);
}

static void check_outcome(const char *title, const void *data, size_t size, uint64_t max_size,
                          int expected) {
        struct unpacked u;
        int r = unpack(data, size, max_size, &u);

        ck_assert_msg(r == expected, "%s: %d instead of %d", title, r, expected);
        ck_assert_uint_le(u.size, max_size);
        ck_assert_uint_le(u.capacity, max_size + 1);
        unpack_release(&u);
        ck_assert_ptr_null(u.data);
}

START_TEST(known_data) {
        for (size_t i = 0; i < ELEMENTSOF(packed); i++) {
                const struct packed *p = &packed[i];
                struct unpacked u;

                ck_assert_str_eq(unpack_method(p->data, p->size), p->method);
                ck_assert_msg(unpack(p->data, p->size, 1000, &u) == UNPACK_DONE, "%s", p->title);
                check_content(&u, mail, MAIL_SIZE);
                ck_assert_str_eq(u.method, p->method);
                ck_assert_uint_eq(u.members, 1);
                ck_assert_uint_eq(u.first_size, MAIL_SIZE);
                unpack_release(&u);
        }
}
END_TEST

START_TEST(plain) {
        static const char *const texts[] = {
                "",          "B",    "BZh9",        "BZh91AY&S",   "BZh91AY&Sy",
                "From: a\n", "\x1f", "Dovecot-LZ4", "\xfd\x37zXZ", "\x28\xb5\x2f"
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                struct unpacked u;

                ck_assert_int_eq(unpack((const uint8_t *)texts[i], strlen(texts[i]), 1000, &u),
                                 UNPACK_PLAIN);
                ck_assert_ptr_null(u.data);
                ck_assert_ptr_null(u.method);
                ck_assert_ptr_null(unpack_method((const uint8_t *)texts[i], strlen(texts[i])));
        }
}
END_TEST

START_TEST(crypted) {
        ck_assert(mail_is_crypted((const uint8_t *)"CRYPTED\003\007\002", 10));
        ck_assert(mail_is_crypted((const uint8_t *)"CRYPTED\003\007", 9));
        ck_assert(!mail_is_crypted((const uint8_t *)"CRYPTED\003\007", 8));
        ck_assert(!mail_is_crypted((const uint8_t *)"CRYPTED\003\010", 9));
        ck_assert(!mail_is_crypted((const uint8_t *)"", 0));
}
END_TEST

/* A copy of exactly size bytes, so that sanitizers see reading beyond. */
static int unpack_copy(const uint8_t *data, size_t size, struct unpacked *ret) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(size, (size_t)1));

        memcpy(copy, data, size);
        return unpack(copy, size, 1000, ret);
}

START_TEST(truncated) {
        for (size_t i = 0; i < ELEMENTSOF(packed); i++)
                for (size_t n = 0; n < packed[i].size; n++) {
                        struct unpacked u;
                        int r = unpack_copy(packed[i].data, n, &u);

                        /* Dovecot's container may end after any of its chunks. */
                        if (!packed[i].ended && n == DOVECOT_LZ4_HEADER) {
                                ck_assert_int_eq(r, UNPACK_DONE);
                                check_content(&u, "", 0);
                        } else
                                ck_assert_msg(r == (unpack_method(packed[i].data, n)
                                                            ? UNPACK_BROKEN
                                                            : UNPACK_PLAIN),
                                              "%s: %zu bytes, %d", packed[i].title, n, r);
                        ck_assert(u.size == 0 || memcmp(u.data, mail, u.size) == 0);
                        unpack_release(&u);
                }
}
END_TEST

START_TEST(followed_by_something) {
        static const char *const garbage[] = {
                "x",    "\n",   "From: a\n\nhidden\n",
                "\x1f", "BZh9", "\x50\x2a\x4d\x18\x01\x01\x01\x01x"
        };

        for (size_t i = 0; i < ELEMENTSOF(packed); i++) {
                const struct packed *p = &packed[i];
                uint8_t data[300];

                memcpy(data, p->data, p->size);
                for (size_t k = 0; k < ELEMENTSOF(garbage); k++) {
                        memcpy(data + p->size, garbage[k], strlen(garbage[k]) + 1);
                        check_outcome(p->title, data, p->size + strlen(garbage[k]), 1000,
                                      UNPACK_BROKEN);
                }
                /* Zeros: padding of xz, in fours. */
                memset(data + p->size, 0, 8);
                for (size_t n = 1; n <= 8; n++)
                        check_outcome(p->title, data, p->size + n, 1000,
                                      streq(p->method, "xz") && n % 4 == 0 ? UNPACK_DONE
                                                                           : UNPACK_BROKEN);
                /* Another method's. */
                memcpy(data + p->size, packed[(i + 3) % ELEMENTSOF(packed)].data, 40);
                check_outcome(p->title, data, p->size + 40, 1000, UNPACK_BROKEN);
        }
}
END_TEST

START_TEST(several_members) {
        for (size_t i = 0; i < ELEMENTSOF(packed); i++) {
                const struct packed *p = &packed[i];
                uint8_t data[300];
                struct unpacked u;
                int r;

                memcpy(data, p->data, p->size);
                memcpy(data + p->size, p->data, p->size);
                r = unpack(data, 2 * p->size, 1000, &u);
                if (p->ended) {
                        ck_assert_msg(r == UNPACK_DONE, "%s: %d", p->title, r);
                        ck_assert_uint_eq(u.members, 2);
                        ck_assert_uint_eq(u.first_size, MAIL_SIZE);
                        ck_assert_uint_eq(u.size, 2 * MAIL_SIZE);
                        ck_assert_mem_eq(u.data, mail, MAIL_SIZE);
                        ck_assert_mem_eq(u.data + MAIL_SIZE, mail, MAIL_SIZE);
                } else
                        ck_assert_int_eq(r, UNPACK_BROKEN);
                unpack_release(&u);
        }
}
END_TEST

START_TEST(too_many_members) {
        static const uint8_t empty[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3,
                                         3,    0,    0, 0, 0, 0, 0, 0, 0, 0 };
        uint8_t data[1001 * sizeof(empty)];

        for (size_t at = 0; at < sizeof(data); at += sizeof(empty))
                memcpy(data + at, empty, sizeof(empty));
        check_outcome("1000", data, sizeof(data) - sizeof(empty), 1000, UNPACK_DONE);
        check_outcome("1001", data, sizeof(data), 1000, UNPACK_TOO_LARGE);
}
END_TEST

START_TEST(damaged) {
        for (size_t i = 0; i < ELEMENTSOF(packed); i++)
                for (size_t k = 0; k < 2 * packed[i].size; k++) {
                        uint8_t data[200];
                        struct unpacked u;
                        int r;

                        /* Of each byte one bit, then all. */
                        memcpy(data, packed[i].data, packed[i].size);
                        data[k / 2] ^= k % 2 == 0 ? (uint8_t)(1U << k / 2 % 8) : 0xff;
                        r = unpack_copy(data, packed[i].size, &u);
                        ck_assert_int_gt(r, 0);
                        if (packed[i].checked && r == UNPACK_DONE)
                                check_content(&u, mail, MAIL_SIZE);
                        unpack_release(&u);
                }
}
END_TEST

START_TEST(limits) {
        for (size_t i = 0; i < ELEMENTSOF(packed); i++) {
                const struct packed *p = &packed[i];

                for (uint64_t max = 0; max < MAIL_SIZE; max++) {
                        struct unpacked u;

                        ck_assert_msg(unpack(p->data, p->size, max, &u) == UNPACK_TOO_LARGE,
                                      "%s: %zu", p->title, (size_t)max);
                        check_content(&u, mail, max);
                        unpack_release(&u);
                }
                check_outcome(p->title, p->data, p->size, MAIL_SIZE, UNPACK_DONE);
                check_outcome(p->title, p->data, p->size, UINT64_MAX / 8, UNPACK_DONE);
        }
}
END_TEST

/* ---- Made by the libraries ---- */

static size_t pack_gzip(const uint8_t *data, size_t size, uint8_t *out, size_t room) {
        z_stream z = {};

        ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                         Z_OK);
        z.next_in = (uint8_t *)data;
        z.avail_in = (unsigned)size;
        z.next_out = out;
        z.avail_out = (unsigned)room;
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        ck_assert_int_eq(deflateEnd(&z), Z_OK);
        return z.total_out;
}

static size_t pack_bzip2(const uint8_t *data, size_t size, uint8_t *out, size_t room) {
        unsigned n = (unsigned)room;

        ck_assert_int_eq(
                BZ2_bzBuffToBuffCompress((char *)out, &n, (char *)data, (unsigned)size, 1, 0, 0),
                BZ_OK);
        return n;
}

static size_t pack_xz(const uint8_t *data, size_t size, uint8_t *out, size_t room) {
        size_t n = 0;

        ck_assert_int_eq(
                lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, data, size, out, &n, room),
                LZMA_OK);
        return n;
}

static size_t pack_zstd(const uint8_t *data, size_t size, uint8_t *out, size_t room) {
        size_t n = ZSTD_compress(out, room, data, size, 1);

        ck_assert(!ZSTD_isError(n));
        return n;
}

static size_t pack_lz4(const uint8_t *data, size_t size, uint8_t *out, size_t room) {
        size_t n = LZ4F_compressFrame(out, room, data, size, NULL);

        ck_assert(!LZ4F_isError(n));
        return n;
}

static void write_be32(uint8_t *to, size_t value) {
        for (unsigned i = 0; i < 4; i++)
                to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t pack_dovecot(const uint8_t *data, size_t size, uint8_t *out, size_t room) {
        size_t used = DOVECOT_LZ4_HEADER;

        memcpy(out, lz4_dovecot, used);
        for (size_t at = 0; at < size;) {
                size_t n = MIN(size - at, (size_t)64 << 10);
                int packed_size =
                        LZ4_compress_default((const char *)data + at, (char *)out + used + 4,
                                             (int)n, (int)(room - used - 4));

                ck_assert_int_gt(packed_size, 0);
                write_be32(out + used, (size_t)packed_size);
                used += 4 + (size_t)packed_size;
                at += n;
        }
        return used;
}

static const struct {
        const char *method;
        size_t (*pack)(const uint8_t *data, size_t size, uint8_t *out, size_t room);
} packers[] = {
        { "gzip", pack_gzip }, { "bzip2", pack_bzip2 }, { "xz", pack_xz },
        { "zstd", pack_zstd }, { "lz4", pack_lz4 },     { "dovecot-lz4", pack_dovecot },
};

static uint8_t large[3 << 20], output[4 << 20];

START_TEST(large_mail) {
        uint32_t random = 1;

        /* Half of it can be packed. */
        for (size_t i = 0; i < sizeof(large); i++) {
                random = random * 1664525 + 1013904223;
                large[i] = i % 2000 < 1000 ? (uint8_t)(random >> 24) : 'x';
        }
        for (size_t i = 0; i < ELEMENTSOF(packers); i++) {
                size_t n = packers[i].pack(large, sizeof(large), output, sizeof(output));
                struct unpacked u;

                ck_assert_int_eq(unpack(output, n, sizeof(large), &u), UNPACK_DONE);
                ck_assert_str_eq(u.method, packers[i].method);
                check_content(&u, large, sizeof(large));
                unpack_release(&u);
                check_outcome(packers[i].method, output, n, sizeof(large) - 1, UNPACK_TOO_LARGE);
                check_outcome(packers[i].method, output, n - 1, sizeof(large), UNPACK_BROKEN);
        }
}
END_TEST

/* Little that becomes much takes no more memory than it may. */
START_TEST(bombs) {
        memset(large, 0, sizeof(large));
        for (size_t i = 0; i < ELEMENTSOF(packers); i++) {
                size_t n = packers[i].pack(large, sizeof(large), output, sizeof(output));

                ck_assert_uint_lt(n, sizeof(large) / 100);
                check_outcome(packers[i].method, output, n, 100000, UNPACK_TOO_LARGE);
        }
}
END_TEST

/* Headers that ask for more memory than decoders may take. */
START_TEST(greedy_headers) {
        static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3, 1, 0, 0 };
        uint8_t zstd_modest[sizeof(zstd)], xz[sizeof(xz_tool)], lz4[sizeof(lz4_dovecot)];
        size_t header;
        uint32_t crc;

        check_outcome("zstd, 256 MiB", zstd, sizeof(zstd), 1000, UNPACK_TOO_LARGE);
        memcpy(zstd_modest, zstd, sizeof(zstd));
        zstd_modest[5] = 17 << 3;
        check_outcome("zstd, 128 MiB", zstd_modest, sizeof(zstd), 1000, UNPACK_DONE);

        /* Block header behind the stream's 12 bytes: size, flags, filter, size of properties,
         * dictionary; CRC at its end. */
        memcpy(xz, xz_tool, sizeof(xz));
        ck_assert_uint_eq(xz[14], 0x21);
        header = (size_t)(xz[12] + 1) * 4;
        xz[16] = 40; /* 4 GiB - 1 */
        crc = htole32(lzma_crc32(xz + 12, header - 4, 0));
        memcpy(xz + 12 + header - 4, &crc, sizeof(crc));
        check_outcome("xz, 4 GiB", xz, sizeof(xz), 1000, UNPACK_TOO_LARGE);

        memcpy(lz4, lz4_dovecot, sizeof(lz4));
        write_be32(lz4 + 15, (1 << 20) + 1);
        check_outcome("chunks above 1 MiB", lz4, sizeof(lz4), 1000, UNPACK_BROKEN);
        write_be32(lz4 + 15, 0);
        check_outcome("chunks of nothing", lz4, sizeof(lz4), 1000, UNPACK_BROKEN);
        write_be32(lz4 + 15, MAIL_SIZE - 1);
        check_outcome("chunks too small", lz4, sizeof(lz4), 1000, UNPACK_BROKEN);
        memcpy(lz4, lz4_dovecot, sizeof(lz4));
        write_be32(lz4 + 19, UINT32_MAX);
        check_outcome("a chunk of 4 GiB", lz4, sizeof(lz4), 1000, UNPACK_BROKEN);
}
END_TEST

static _Noreturn void unpack_all(void) {
        char problem[SANDBOX_PROBLEM_MAX];

        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (sandbox_calls_worker(3, -EBADF, problem) < 0)
                _exit(100);
        for (size_t i = 0; i < ELEMENTSOF(packed); i++) {
                struct unpacked u;

                if (unpack(packed[i].data, packed[i].size, 1000, &u) != UNPACK_DONE)
                        _exit(1);
                unpack_release(&u);
                if (unpack(packed[i].data, packed[i].size - 1, 1000, &u) != UNPACK_BROKEN)
                        _exit(2);
                unpack_release(&u);
        }
        _exit(0);
}

/* A worker's system calls are enough for every library. */
START_TEST(in_the_sandbox) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
                unpack_all();
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}
END_TEST

UNIT_MAIN("unpack", known_data, plain, crypted, truncated, followed_by_something, several_members,
          too_many_members, damaged, limits, large_mail, bombs, greedy_headers, in_the_sandbox);
