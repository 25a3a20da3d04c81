/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing beyond the objects of its callers. Must not depend on what writes zips or mail elsewhere:
 * what is proved by these must not be proved by itself. */

#include "daemon/worker/zip-mail.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "store/util.h"

void zip_put(struct zip_buffer *buffer, const void *data, size_t size) {
        assert(size <= sizeof(buffer->data) - buffer->size);
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
}

static void put16(struct zip_buffer *b, unsigned v) {
        zip_put(b, &(uint8_t[]){ (uint8_t)v, (uint8_t)(v >> 8) }, 2);
}

static void put32(struct zip_buffer *b, uint32_t v) {
        put16(b, v & 0xffff);
        put16(b, v >> 16);
}

uint32_t zip_crc(const uint8_t *data, size_t size) {
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
        }
        return ~crc;
}

/* What local header and directory entry have in common. */
static void put_member(struct zip_buffer *b, const struct zip_member *member) {
        put16(b, member->method == 0 ? 10 : 20); /* version */
        put16(b, 0);                             /* flags */
        put16(b, member->method);
        put32(b, 0); /* time, date */
        put32(b, member->crc);
        put32(b, (uint32_t)member->packed->size);
        put32(b, (uint32_t)member->size);
        put16(b, (unsigned)strlen(member->name));
        put16(b, 0); /* extra field */
}

void zip_make(const struct zip_member *member, struct zip_buffer *ret) {
        size_t directory;

        ret->size = 0;
        zip_put(ret, "PK\3\4", 4);
        put_member(ret, member);
        zip_put(ret, member->name, strlen(member->name));
        zip_put(ret, member->packed->data, member->packed->size);

        directory = ret->size;
        zip_put(ret, "PK\1\2", 4);
        put16(ret, member->method == 0 ? 10 : 20);
        put_member(ret, member);
        put16(ret, 0); /* comment */
        put16(ret, 0); /* disk */
        put16(ret, 0); /* attributes */
        put32(ret, 0);
        put32(ret, 0); /* offset of the local header */
        zip_put(ret, member->name, strlen(member->name));

        zip_put(ret, "PK\5\6", 4);
        put32(ret, 0); /* disks */
        put16(ret, 1);
        put16(ret, 1);
        put32(ret, (uint32_t)(ret->size - 12 - directory));
        put32(ret, (uint32_t)directory);
        put16(ret, 0);
}

char *zip_mail(const struct zip_buffer *zip) {
        _cleanup_free_ unsigned char *text = malloc(4 * ((zip->size + 2) / 3) + 1);
        char *mail;

        if (!text)
                return NULL;
        (void)EVP_EncodeBlock(text, zip->data, (int)zip->size);
        if (asprintf(&mail,
                     "From: canary@storescan.invalid\r\n"
                     "To: canary@storescan.invalid\r\n"
                     "Subject: outer\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/mixed; boundary=\"outer\"\r\n"
                     "\r\n"
                     "--outer\r\n"
                     "Content-Type: message/rfc822\r\n"
                     "\r\n"
                     "From: canary@storescan.invalid\r\n"
                     "Subject: inner\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/mixed; boundary=\"inner\"\r\n"
                     "\r\n"
                     "--inner\r\n"
                     "Content-Type: application/zip; name=\"canary.zip\"\r\n"
                     "Content-Transfer-Encoding: base64\r\n"
                     "Content-Disposition: attachment; filename=\"canary.zip\"\r\n"
                     "\r\n"
                     "%s\r\n"
                     "--inner--\r\n"
                     "--outer--\r\n",
                     (const char *)text) < 0)
                return NULL;
        return mail;
}
