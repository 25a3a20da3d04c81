/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What canaries are made of: a zip of one member, and a mail that has it attached to a message in a
 * message. To find what is in it takes a mail parser, base64 and a zip reader. */

#include <stddef.h>
#include <stdint.h>

struct zip_buffer {
        uint8_t data[13312]; /* a caller's zip that is larger is a bug */
        size_t size;
};

void zip_put(struct zip_buffer *buffer, const void *data, size_t size);

/* CRC-32 of ISO 3309, as zips have it. */
uint32_t zip_crc(const uint8_t *data, size_t size);

struct zip_member {
        const char *name;
        unsigned method; /* 0: stored, 8: deflated. APPNOTE.TXT 4.4.5 */
        const struct zip_buffer *packed;
        uint32_t crc; /* of what is packed, and its size: */
        size_t size;
};

void zip_make(const struct zip_member *member, struct zip_buffer *ret);

/* For the caller to free; NULL: no memory. */
char *zip_mail(const struct zip_buffer *zip);
