/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the two mails. Finding the canary takes all that finding a real attachment takes: the mail
 * parser, base64, the zip reader, inflate, two temporary files in their folders, the matcher.
 */

#include "daemon/worker/canary.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "store/util.h"

#define SIGNATURE_NAME  "Storescan.Canary"
#define PAYLOAD_SIZE    48
#define ZIP_SIZE_MAX    512
#define TIME_LIMIT_MSEC 10000

struct canary {
        uint8_t payload[PAYLOAD_SIZE];
        char *mail, *twin;
};

struct canary *canary_free(struct canary *canary) {
        if (!canary)
                return NULL;
        free(canary->mail);
        free(canary->twin);
        free(canary);
        return NULL;
}

DEFINE_CLEANUP(struct canary *, canary_free);

/* ---- A zip of one member, deflated ---- */

struct buffer {
        uint8_t data[ZIP_SIZE_MAX];
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

struct bits {
        struct buffer *out;
        unsigned value, n;
};

static void put_bits(struct bits *b, unsigned value, unsigned n) {
        while (n-- > 0) {
                b->value |= (value >> n & 1) << b->n;
                if (++b->n == 8) {
                        put(b->out, &(uint8_t){ (uint8_t)b->value }, 1);
                        b->value = b->n = 0;
                }
        }
}

/* One block of the fixed codes, literals only (RFC 1951): it compresses nothing, but the bytes are
 * not to be seen in it, so that what finds them has unpacked them. */
static void deflate(const uint8_t payload[static PAYLOAD_SIZE], struct buffer *out) {
        struct bits bits = { .out = out };

        put_bits(&bits, 6, 3); /* the last block; its kind, 01, lowest bit first */
        for (size_t i = 0; i < PAYLOAD_SIZE; i++)
                if (payload[i] < 144)
                        put_bits(&bits, 0x30U + payload[i], 8);
                else
                        put_bits(&bits, 0x190U + payload[i] - 144U, 9);
        put_bits(&bits, 0, 7); /* its end */
        if (bits.n > 0)
                put_bits(&bits, 0, 8 - bits.n);
}

/* What local header and directory entry have in common. */
static void put_member(struct buffer *b, const uint8_t *payload, size_t packed, size_t name_size) {
        put16(b, 20); /* version */
        put16(b, 0);  /* flags */
        put16(b, 8);  /* deflated */
        put32(b, 0);  /* time, date */
        put32(b, crc32_of(payload, PAYLOAD_SIZE));
        put32(b, (uint32_t)packed);
        put32(b, PAYLOAD_SIZE);
        put16(b, (unsigned)name_size);
        put16(b, 0); /* extra field */
}

static void make_zip(const uint8_t payload[static PAYLOAD_SIZE], struct buffer *ret) {
        static const char name[] = { 'c', 'a', 'n', 'a', 'r', 'y', '.', 'b', 'i', 'n' };
        struct buffer packed = {};
        size_t directory;

        deflate(payload, &packed);
        ret->size = 0;
        put(ret, "PK\3\4", 4);
        put_member(ret, payload, packed.size, sizeof(name));
        put(ret, name, sizeof(name));
        put(ret, packed.data, packed.size);

        directory = ret->size;
        put(ret, "PK\1\2", 4);
        put16(ret, 20);
        put_member(ret, payload, packed.size, sizeof(name));
        put16(ret, 0); /* comment */
        put16(ret, 0); /* disk */
        put16(ret, 0); /* attributes */
        put32(ret, 0);
        put32(ret, 0); /* offset of the local header */
        put(ret, name, sizeof(name));

        put(ret, "PK\5\6", 4);
        put32(ret, 0); /* disks */
        put16(ret, 1);
        put16(ret, 1);
        put32(ret, (uint32_t)(ret->size - 12 - directory));
        put32(ret, (uint32_t)directory);
        put16(ret, 0);
}

/* ---- The mails ---- */

static char *make_mail(const uint8_t payload[static PAYLOAD_SIZE]) {
        unsigned char text[4 * ((ZIP_SIZE_MAX + 2) / 3) + 1];
        struct buffer zip;
        char *mail;

        make_zip(payload, &zip);
        (void)EVP_EncodeBlock(text, zip.data, (int)zip.size);
        if (asprintf(&mail,
                     "From: canary@storescan.invalid\r\n"
                     "To: canary@storescan.invalid\r\n"
                     "Subject: outer\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/mixed; boundary=\"outer\"\r\n"
                     "\r\n"
                     "--outer\r\n"
                     "Content-Type: text/plain\r\n"
                     "\r\n"
                     "A message with a message.\r\n"
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

int canary_new(struct canary **ret) {
        _cleanup_(canary_freep) struct canary *canary = calloc(1, sizeof(*canary));
        uint8_t twin[PAYLOAD_SIZE];

        if (!canary)
                return -ENOMEM;
        if (getrandom(canary->payload, sizeof(canary->payload), 0) != PAYLOAD_SIZE)
                return -EIO;
        /* Of letters, 4 bits each: bytes that happen to be "MZ" would be a broken program. */
        for (size_t i = 0; i < PAYLOAD_SIZE; i++) {
                canary->payload[i] = (uint8_t)('a' + canary->payload[i] % 16);
                twin[i] = (uint8_t)('a' + 'p' - canary->payload[i]);
        }
        canary->mail = make_mail(canary->payload);
        canary->twin = make_mail(twin);
        if (!canary->mail || !canary->twin)
                return -ENOMEM;
        *ret = TAKE_PTR(canary);
        return 0;
}

int canary_write_signature(const struct canary *canary, const char *path) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int r = 0;

        if (fd < 0)
                return -errno;
        if (dprintf(fd, "%s:0:*:", SIGNATURE_NAME) < 0)
                r = -EIO;
        for (size_t i = 0; i < PAYLOAD_SIZE && r == 0; i++)
                if (dprintf(fd, "%02x", canary->payload[i]) < 0)
                        r = -EIO;
        if (r == 0 && dprintf(fd, "\n") < 0)
                r = -EIO;
        return r;
}

_printf_(2, 3) static int failed(char problem[static ENGINE_PROBLEM_MAX], const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(problem, ENGINE_PROBLEM_MAX, format, ap);
        va_end(ap);
        return -EIO;
}

static int check(const struct canary *canary, struct engine *engine,
                 char problem[static ENGINE_PROBLEM_MAX]) {
        struct scan scan;

        engine_scan_here(engine, canary->mail, strlen(canary->mail), &scan);
        if (scan.verdict == VERDICT_UNSCANNABLE && scan.reason == REASON_LIMITS)
                return failed(
                        problem,
                        "the limits do not let libclamav look into a zip in a nested message "
                        "(%s); raise max_recursion, max_files, max_file_size or max_scan_size",
                        scan.text);
        if (scan.verdict != VERDICT_INFECTED)
                return failed(problem, "libclamav did not find the canary: %s%s%s",
                              verdict_name(scan.verdict), scan.text[0] ? ", " : "", scan.text);
        if (!startswith(scan.text, SIGNATURE_NAME))
                return failed(problem, "libclamav found %s in a canary that is clean of it",
                              scan.text);

        engine_scan_here(engine, canary->twin, strlen(canary->twin), &scan);
        if (scan.verdict != VERDICT_CLEAN)
                return failed(problem, "libclamav took a clean mail for %s%s%s",
                              verdict_name(scan.verdict), scan.text[0] ? ": " : "", scan.text);
        return 0;
}

int canary_check(const struct canary *canary, struct engine *engine,
                 char problem[static ENGINE_PROBLEM_MAX]) {
        /* A limit for mails may be so short that a busy machine fails it now and then. */
        uint32_t limit = engine_set_time_limit(engine, TIME_LIMIT_MSEC);
        int r = check(canary, engine, problem);

        (void)engine_set_time_limit(engine, limit);
        return r;
}
