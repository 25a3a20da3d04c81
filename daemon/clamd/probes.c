/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the three contents. Finding the canary takes clamd's mail parser, base64, its zip reader and
 * temporary files: without a folder for these it would call anything clean. */

#include "daemon/clamd/probes.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/util.h"

#define SEALS       (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define NESTED      120 /* zips: clamd takes no MaxRecursion of more than 100 */
#define NESTED_SIZE 110 /* of each of them */

/* ---- A zip of one member, stored ---- */

struct buffer {
        uint8_t data[(NESTED + 1) * NESTED_SIZE];
        size_t size;
};

static void put(struct buffer *b, const void *data, size_t size) {
        memcpy(b->data + b->size, data, size);
        b->size += size;
}

static void put16(struct buffer *b, unsigned v) {
        put(b, &(uint8_t[]){ (uint8_t)v, (uint8_t)(v >> 8) }, 2);
}

static void put32(struct buffer *b, uint32_t v) {
        put16(b, v & 0xffff);
        put16(b, v >> 16);
}

static uint32_t crc32_of(const uint8_t *data, size_t size) {
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
        }
        return ~crc;
}

static void put_member(struct buffer *b, uint32_t crc, size_t size) {
        put16(b, 10); /* version */
        put16(b, 0);  /* flags */
        put16(b, 0);  /* stored */
        put32(b, 0);  /* time, date */
        put32(b, crc);
        put32(b, (uint32_t)size);
        put32(b, (uint32_t)size);
        put16(b, 1); /* name */
        put16(b, 0); /* extra field */
}

/* In the place of what is in the buffer. */
static void wrap_in_zip(struct buffer *b) {
        struct buffer zip = { .size = 0 };
        uint32_t crc = crc32_of(b->data, b->size);
        size_t directory;

        put(&zip, "PK\3\4", 4);
        put_member(&zip, crc, b->size);
        put(&zip, "a", 1);
        put(&zip, b->data, b->size);
        directory = zip.size;
        put(&zip, "PK\1\2", 4);
        put16(&zip, 10);
        put_member(&zip, crc, b->size);
        put16(&zip, 0); /* comment */
        put16(&zip, 0); /* disk */
        put16(&zip, 0); /* attributes */
        put32(&zip, 0);
        put32(&zip, 0); /* offset of the local header */
        put(&zip, "a", 1);
        put(&zip, "PK\5\6", 4);
        put32(&zip, 0); /* disks */
        put16(&zip, 1);
        put16(&zip, 1);
        put32(&zip, (uint32_t)(zip.size - 12 - directory));
        put32(&zip, (uint32_t)directory);
        put16(&zip, 0);
        *b = zip;
}

/* ---- The mails ---- */

/* The test virus, put together so that no scanner takes this program for one; and its twin. */
static void put_virus(struct buffer *b, bool harmless) {
        static const char *const pieces[] = { "X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-",
                                              "ANTIVIRUS-TEST-FILE!$H+H*" };

        b->size = 0;
        for (size_t i = 0; i < ELEMENTSOF(pieces); i++)
                put(b, pieces[i], strlen(pieces[i]));
        for (size_t i = 0; harmless && i < b->size; i++)
                b->data[i] = (uint8_t)('a' + i % 26);
}

static int make_mail(bool harmless, struct probe *ret) {
        static struct buffer zip;
        unsigned char text[512];
        char mail[2048];
        int n;

        put_virus(&zip, harmless);
        wrap_in_zip(&zip);
        (void)EVP_EncodeBlock(text, zip.data, (int)zip.size);
        n = snprintf(mail, sizeof(mail),
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
                     (const char *)text);
        ret->size = (uint64_t)n;
        ret->fd = probes_seal(NULL, 0, mail, (size_t)n);
        return ret->fd < 0 ? ret->fd : 0;
}

static int make_nested(struct probe *ret) {
        static struct buffer zip;

        put(&zip, "nothing", 7);
        for (unsigned i = 0; i < NESTED; i++)
                wrap_in_zip(&zip);
        ret->size = zip.size;
        ret->fd = probes_seal(NULL, 0, zip.data, zip.size);
        return ret->fd < 0 ? ret->fd : 0;
}

int probes_make(struct probes *ret) {
        int r = make_mail(false, &ret->canary);

        if (r == 0)
                r = make_mail(true, &ret->twin);
        return r < 0 ? r : make_nested(&ret->limits);
}

/* ---- Memory that does not change ---- */

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

int probes_seal(const void *prefix, size_t prefix_size, const void *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, prefix, prefix_size);
        if (r == 0)
                r = write_all(fd, data, size);
        if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
                r = -errno;
        return r < 0 ? r : TAKE_FD(fd);
}

bool probes_is_sealed(int fd, uint64_t size) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 &&
               (uint64_t)st.st_size == size;
}
