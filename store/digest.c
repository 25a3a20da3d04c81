/* SPDX-License-Identifier: Apache-2.0 */

/* SHA-256 by libcrypto's EVP interface; the base64url alphabet of RFC 4648 section 5. */

#include "store/digest.h"

#include <limits.h>
#include <openssl/evp.h>

#include "store/util.h"

struct digest_ctx {
        EVP_MD_CTX *md;
};

struct digest_ctx *digest_free(struct digest_ctx *ctx) {
        if (!ctx)
                return NULL;
        EVP_MD_CTX_free(ctx->md);
        free(ctx);
        return NULL;
}

DEFINE_CLEANUP(struct digest_ctx *, digest_free);

struct digest_ctx *digest_new(void) {
        _cleanup_(digest_freep) struct digest_ctx *ctx = calloc(1, sizeof(*ctx));

        if (!ctx)
                return NULL;
        ctx->md = EVP_MD_CTX_new();
        if (!ctx->md || EVP_DigestInit_ex(ctx->md, EVP_sha256(), NULL) != 1)
                return NULL;
        return TAKE_PTR(ctx);
}

int digest_update(struct digest_ctx *ctx, const void *data, size_t size) {
        return EVP_DigestUpdate(ctx->md, data, size) == 1 ? 0 : -EIO;
}

int digest_final(struct digest_ctx *ctx, uint8_t ret_digest[static DIGEST_SIZE]) {
        uint8_t digest[DIGEST_SIZE];

        if (EVP_DigestFinal_ex(ctx->md, digest, NULL) != 1)
                return -EIO;
        memcpy(ret_digest, digest, sizeof(digest));
        return 0;
}

int digest_buffer(const void *data, size_t size, uint8_t ret_digest[static DIGEST_SIZE]) {
        uint8_t digest[DIGEST_SIZE];

        if (EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) != 1)
                return -EIO;
        memcpy(ret_digest, digest, sizeof(digest));
        return 0;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const uint8_t *data, size_t size, char *out) {
        uint32_t bits = 0;
        unsigned have = 0;

        for (size_t i = 0; i < size; i++) {
                bits = bits << 8 | data[i];
                for (have += 8; have >= 6; have -= 6)
                        *out++ = alphabet[bits >> (have - 6) & 0x3f];
        }
        if (have > 0)
                *out++ = alphabet[bits << (6 - have) & 0x3f];
        *out = '\0';
}

/* The value of a digit, and one more: 0 is none. */
static const uint8_t base64url_values[UCHAR_MAX + 1] = {
        ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
        ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
        ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
        ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
        ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
        ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
        ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
        ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
        ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63,
        ['_'] = 64,
};

int base64url_decode(const char *text, uint8_t *ret_data, size_t size) {
        uint32_t bits = 0;
        unsigned have = 0;
        size_t n = 0;

        for (size_t i = 0; i < BASE64URL_LENGTH(size); i++) {
                uint8_t value = base64url_values[(unsigned char)text[i]];

                if (value == 0)
                        return -EINVAL;
                bits = bits << 6 | (value - 1U);
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        ret_data[n++] = (uint8_t)(bits >> have);
                }
        }
        return (bits & ((UINT32_C(1) << have) - 1)) == 0 ? 0 : -EINVAL;
}
