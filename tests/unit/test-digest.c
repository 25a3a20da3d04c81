/* SPDX-License-Identifier: Apache-2.0 */

/* SHA-256 against FIPS 180-4's examples, base64url against RFC 4648's. */

#include <string.h>

#include "store/digest.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static void assert_hex(const uint8_t digest[static DIGEST_SIZE], const char *hex) {
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                const char byte[3] = { hex[2 * i], hex[2 * i + 1] };

                ck_assert_uint_eq(digest[i], strtoul(byte, NULL, 16));
        }
}

START_TEST(known_digests) {
        static const struct {
                const char *text, *hex;
        } cases[] = {
                { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t digest[DIGEST_SIZE];

                ck_assert_int_eq(digest_buffer(cases[i].text, strlen(cases[i].text), digest), 0);
                assert_hex(digest, cases[i].hex);
        }
}
END_TEST

START_TEST(in_pieces) {
        uint8_t data[200], whole[DIGEST_SIZE], pieces[DIGEST_SIZE];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)(i * 7);
        ck_assert_int_eq(digest_buffer(data, sizeof(data), whole), 0);

        for (size_t cut = 0; cut <= sizeof(data); cut++) {
                struct digest_ctx *ctx = digest_new();

                ck_assert_ptr_nonnull(ctx);
                ck_assert_int_eq(digest_update(ctx, data, cut), 0);
                ck_assert_int_eq(digest_update(ctx, data + cut, sizeof(data) - cut), 0);
                ck_assert_int_eq(digest_final(ctx, pieces), 0);
                ck_assert_mem_eq(pieces, whole, sizeof(whole));
                ck_assert_ptr_null(digest_free(ctx));
        }
        ck_assert_ptr_null(digest_free(NULL));
}
END_TEST

START_TEST(base64url) {
        static const struct {
                const char *data, *text;
        } cases[] = {
                { "", "" },
                { "f", "Zg" },
                { "fo", "Zm8" },
                { "foo", "Zm9v" },
                { "foob", "Zm9vYg" },
                { "fooba", "Zm9vYmE" },
                { "foobar", "Zm9vYmFy" },
                { "\xfb\xff\xbf", "-_-_" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t size = strlen(cases[i].data);
                uint8_t back[8] = { 0 };
                char out[16];

                memset(out, '#', sizeof(out));
                base64url_encode((const uint8_t *)cases[i].data, size, out);
                ck_assert_str_eq(out, cases[i].text);
                ck_assert_uint_eq(strlen(out), BASE64URL_LENGTH(size));
                ck_assert_int_eq(base64url_decode(out, back, size), 0);
                ck_assert_mem_eq(back, cases[i].data, size);
        }
}
END_TEST

START_TEST(base64url_all_lengths) {
        for (size_t size = 0; size <= 64; size++) {
                uint8_t data[64], back[64];
                char out[BASE64URL_LENGTH(64) + 1];

                for (size_t i = 0; i < size; i++)
                        data[i] = (uint8_t)(i * 37 + size);
                base64url_encode(data, size, out);
                ck_assert_uint_eq(strlen(out), BASE64URL_LENGTH(size));
                ck_assert_int_eq(base64url_decode(out, back, size), 0);
                ck_assert_mem_eq(back, data, size);
        }
}
END_TEST

/* Only the 64 characters are accepted, in any place. */
START_TEST(base64url_alphabet) {
        for (unsigned c = 0; c < 256; c++) {
                char text[] = "AAAAAAAA";
                bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '_';
                uint8_t out[6];

                for (size_t i = 0; i < 8; i++) {
                        memset(text, 'A', 8);
                        text[i] = (char)c;
                        ck_assert_int_eq(base64url_decode(text, out, 6), good ? 0 : -EINVAL);
                }
        }
}
END_TEST

/* Left-over bits must be zero: one value has one text. */
START_TEST(base64url_left_over_bits) {
        uint8_t out[2];

        ck_assert_int_eq(base64url_decode("AA", out, 1), 0);
        ck_assert_int_eq(base64url_decode("AQ", out, 1), 0);
        ck_assert_int_eq(out[0], 1);
        for (const char *c = "BCDEFGHIJKLMNOP"; *c; c++) {
                const char text[3] = { 'A', *c };

                ck_assert_int_eq(base64url_decode(text, out, 1), -EINVAL);
        }
        ck_assert_int_eq(base64url_decode("AAE", out, 2), 0);
        for (const char *c = "BCD"; *c; c++) {
                const char text[4] = { 'A', 'A', *c };

                ck_assert_int_eq(base64url_decode(text, out, 2), -EINVAL);
        }
}
END_TEST

UNIT_MAIN("digest", known_digests, in_pieces, base64url, base64url_all_lengths, base64url_alphabet,
          base64url_left_over_bits);
