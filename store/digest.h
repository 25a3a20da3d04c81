/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SHA-256 by libcrypto, and base64url text of its bytes (RFC 4648 section 5, no padding).
 */

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

struct digest_ctx;

/* Incremental digest. New: NULL on no memory. Update and final: 0 or -EIO (libcrypto refused). */
struct digest_ctx *digest_new(void);
struct digest_ctx *digest_free(struct digest_ctx *ctx);
int digest_update(struct digest_ctx *ctx, const void *data, size_t size);
int digest_final(struct digest_ctx *ctx, uint8_t ret_digest[static DIGEST_SIZE]);

/* Whole buffer at once. */
int digest_buffer(const void *data, size_t size, uint8_t ret_digest[static DIGEST_SIZE]);

/* Writes the base64url text of size bytes and a NUL to out, which holds BASE64URL_LENGTH(size) + 1
 * characters. */
#define BASE64URL_LENGTH(size) (((size)*8 + 5) / 6)
void base64url_encode(const uint8_t *data, size_t size, char *out);

/* Decodes exactly BASE64URL_LENGTH(size) characters into size bytes. -EINVAL: a character outside
 * of the alphabet, or left-over bits that are not zero (one value has one text). */
int base64url_decode(const char *text, uint8_t *ret_data, size_t size);
