/* SPDX-License-Identifier: Apache-2.0 */

/* SHA-256 by libcrypto's EVP interface; the base64url alphabet of RFC 4648 section 5. */

#include "store/digest.h"

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

static int base64url_value(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '-' ? 62 : c == '_' ? 63 : -EINVAL;
}

int base64url_decode(const char *text, uint8_t *ret_data, size_t size) {
        uint32_t bits = 0;
        unsigned have = 0;
        size_t n = 0;

        for (size_t i = 0; i < BASE64URL_LENGTH(size); i++) {
                int v = base64url_value(text[i]);

                if (v < 0)
                        return v;
                bits = bits << 6 | (uint32_t)v;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        ret_data[n++] = (uint8_t)(bits >> have);
                }
        }
        return (bits & ((UINT32_C(1) << have) - 1)) == 0 ? 0 : -EINVAL;
}
