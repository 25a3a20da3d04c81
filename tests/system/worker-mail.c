/* SPDX-License-Identifier: Apache-2.0 */

/* Message, base64, quoted-printable, uuencode, zip and deflate, just enough of each. */

#include "tests/system/worker-mail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Bytes ---- */

void blob_free(struct blob *blob) {
        free(blob->data);
        *blob = (struct blob){};
}

static uint8_t *blob_extend(struct blob *blob, size_t size) {
        if (blob->room - blob->size < size) {
                blob->room = 2 * blob->room + size;
                blob->data = realloc(blob->data, blob->room);
                if (!blob->data)
                        abort();
        }
        blob->size += size;
        return blob->data + blob->size - size;
}

void blob_put(struct blob *blob, const void *data, size_t size) {
        if (size > 0)
                memcpy(blob_extend(blob, size), data, size);
}

void blob_printf(struct blob *blob, const char *format, ...) {
        char *text;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                abort();
        blob_put(blob, text, (size_t)n);
        free(text);
}

void blob_put_text(struct blob *blob, size_t size, unsigned seed) {
        static const char letters[] = "etaoin shrdlu cmfwyp vbgkqjxz ";
        uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        uint8_t *p = blob_extend(blob, size);

        for (size_t i = 0; i < size; i++) {
                state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                p[i] = (uint8_t)letters[(state >> 33) % (sizeof(letters) - 1)];
                if (i % 72 == 71)
                        p[i] = '\n';
        }
}

const char *eicar(void) {
        static const char backwards[] =
                "*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\\4["
                "PA@%P!O5X";
        static char forwards[EICAR_SIZE + 1];

        for (size_t i = 0; i < EICAR_SIZE; i++)
                forwards[i] = backwards[EICAR_SIZE - 1 - i];
        return forwards;
}

/* ---- Encodings ---- */

static void put_base64(struct blob *out, const uint8_t *data, size_t size) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < size; i += 3) {
                uint32_t v = (uint32_t)data[i] << 16;
                char four[4];

                if (i + 1 < size)
                        v |= (uint32_t)data[i + 1] << 8;
                if (i + 2 < size)
                        v |= data[i + 2];
                for (unsigned k = 0; k < 4; k++)
                        four[k] = i + k > size ? '=' : digits[v >> (18 - 6 * k) & 63];
                blob_put(out, four, 4);
                if (i % 57 == 54)
                        blob_put(out, "\r\n", 2);
        }
        blob_put(out, "\r\n", 2);
}

static void put_quoted(struct blob *out, const uint8_t *data, size_t size) {
        for (size_t i = 0; i < size; i++) {
                blob_printf(out, "=%02X", data[i]);
                if (i % 24 == 23)
                        blob_put(out, "=\r\n", 3);
        }
        blob_put(out, "\r\n", 2);
}

static char uu(unsigned v) {
        return v ? (char)(v + ' ') : '`';
}

static void put_uuencoded(struct blob *out, const char *name, const uint8_t *data, size_t size) {
        blob_printf(out, "begin 644 %s\r\n", name);
        for (size_t at = 0; at < size; at += 45) {
                size_t n = size - at < 45 ? size - at : 45;

                blob_printf(out, "%c", uu((unsigned)n));
                for (size_t i = 0; i < n; i += 3) {
                        uint8_t three[3] = {};

                        memcpy(three, data + at + i, n - i < 3 ? n - i : 3);
                        blob_printf(out, "%c%c%c%c", uu(three[0] >> 2),
                                    uu((three[0] << 4 | three[1] >> 4) & 63),
                                    uu((three[1] << 2 | three[2] >> 6) & 63), uu(three[2] & 63));
                }
                blob_put(out, "\r\n", 2);
        }
        blob_printf(out, "`\r\nend\r\n");
}

/* ---- Messages ---- */

static void put_header(struct blob *mail, const char *type) {
        blob_printf(mail,
                    "Return-Path: <sender@example.org>\r\n"
                    "From: Sender <sender@example.org>\r\n"
                    "To: Reader <reader@example.org>\r\n"
                    "Subject: test\r\n"
                    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
                    "MIME-Version: 1.0\r\n"
                    "Content-Type: %s\r\n"
                    "\r\n",
                    type);
}

static void put_attachment(struct blob *mail, const char *boundary, const char *name,
                           const uint8_t *data, size_t size, enum encoding encoding) {
        static const char *const names[] = {
                [BASE64] = "base64",
                [QUOTED_PRINTABLE] = "quoted-printable",
                [UUENCODE] = "x-uuencode",
                [SEVEN_BIT] = "7bit",
        };

        blob_printf(mail,
                    "--%s\r\n"
                    "Content-Type: application/octet-stream; name=\"%s\"\r\n"
                    "Content-Transfer-Encoding: %s\r\n"
                    "Content-Disposition: attachment; filename=\"%s\"\r\n"
                    "\r\n",
                    boundary, name, names[encoding], name);
        switch (encoding) {
        case BASE64: put_base64(mail, data, size); break;
        case QUOTED_PRINTABLE: put_quoted(mail, data, size); break;
        case UUENCODE: put_uuencoded(mail, name, data, size); break;
        case SEVEN_BIT:
                blob_put(mail, data, size);
                blob_put(mail, "\r\n", 2);
                break;
        }
}

static void put_text_part(struct blob *mail, const char *boundary) {
        blob_printf(mail,
                    "--%s\r\n"
                    "Content-Type: text/plain; charset=us-ascii\r\n"
                    "\r\n"
                    "See what is attached.\r\n",
                    boundary);
}

void mail_with(struct blob *mail, const char *name, const void *data, size_t size,
               enum encoding encoding) {
        put_header(mail, "multipart/mixed; boundary=\"one\"");
        put_text_part(mail, "one");
        put_attachment(mail, "one", name, data, size, encoding);
        blob_printf(mail, "--one--\r\n");
}

void mail_with_two(struct blob *mail, const struct blob *first, const struct blob *second) {
        put_header(mail, "multipart/mixed; boundary=\"two\"");
        put_text_part(mail, "two");
        put_attachment(mail, "two", "first.bin", first->data, first->size, BASE64);
        put_attachment(mail, "two", "second.bin", second->data, second->size, BASE64);
        blob_printf(mail, "--two--\r\n");
}

void mail_nested(struct blob *mail, const struct blob *inner) {
        put_header(mail, "multipart/mixed; boundary=\"nest\"");
        put_text_part(mail, "nest");
        blob_printf(mail, "--nest\r\nContent-Type: message/rfc822\r\n\r\n");
        blob_put(mail, inner->data, inner->size);
        blob_printf(mail, "\r\n--nest--\r\n");
}

void mail_plain(struct blob *mail, size_t size, unsigned seed) {
        put_header(mail, "text/plain; charset=us-ascii");
        blob_put_text(mail, size, seed);
        blob_put(mail, "\r\n", 2);
}

/* ---- Deflate with the fixed codes ---- */

struct bits {
        struct blob *out;
        uint32_t value;
        unsigned n;
};

static void put_bit(struct bits *b, unsigned bit) {
        b->value |= bit << b->n++;
        if (b->n == 8) {
                blob_put(b->out, &(uint8_t){ (uint8_t)b->value }, 1);
                b->value = 0;
                b->n = 0;
        }
}

/* Codes begin with their highest bit. */
static void put_code(struct bits *b, unsigned code, unsigned n) {
        while (n-- > 0)
                put_bit(b, code >> n & 1);
}

static void put_literal(struct bits *b, uint8_t c) {
        if (c < 144)
                put_code(b, 0x30U + c, 8);
        else
                put_code(b, 0x190U + c - 144U, 9);
}

/* Literals, and long runs of one byte as repetitions: enough to hide data and to make a bomb. */
static void deflate(struct blob *out, const uint8_t *data, size_t size) {
        struct bits bits = { .out = out };

        put_bit(&bits, 1); /* the last block */
        put_bit(&bits, 1); /* of fixed codes: 01, lowest bit first */
        put_bit(&bits, 0);
        for (size_t at = 0; at < size;) {
                size_t run = 0;

                while (at > 0 && run < 258 && at + run < size && data[at + run] == data[at - 1])
                        run++;
                if (run == 258) {
                        put_code(&bits, 0xc5, 8); /* length 258 */
                        put_code(&bits, 0, 5);    /* from 1 before */
                        at += run;
                } else
                        put_literal(&bits, data[at++]);
        }
        put_code(&bits, 0, 7); /* end of block */
        while (bits.n > 0)
                put_bit(&bits, 0);
}

/* ---- Zip ---- */

static uint32_t crc32_of(const uint8_t *data, size_t size) {
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
        }
        return ~crc;
}

static void put16(struct blob *b, unsigned v) {
        blob_put(b, &(uint8_t[]){ (uint8_t)v, (uint8_t)(v >> 8) }, 2);
}

static void put32(struct blob *b, uint32_t v) {
        put16(b, v & 0xffff);
        put16(b, v >> 16);
}

struct zip {
        struct blob *out;
        struct blob directory;
        unsigned n;
};

static void zip_add(struct zip *zip, const char *name, const struct blob *packed, unsigned method,
                    uint32_t crc, size_t size, bool encrypted) {
        struct blob member = {};
        size_t at = zip->out->size;

        put16(&member, 20);
        put16(&member, encrypted ? 1 : 0);
        put16(&member, method);
        put32(&member, 0);
        put32(&member, crc);
        put32(&member, (uint32_t)packed->size);
        put32(&member, (uint32_t)size);
        put16(&member, (unsigned)strlen(name));
        put16(&member, 0);

        blob_put(zip->out, "PK\3\4", 4);
        blob_put(zip->out, member.data, member.size);
        blob_put(zip->out, name, strlen(name));
        blob_put(zip->out, packed->data, packed->size);

        blob_put(&zip->directory, "PK\1\2", 4);
        put16(&zip->directory, 20);
        blob_put(&zip->directory, member.data, member.size);
        put16(&zip->directory, 0);
        put16(&zip->directory, 0);
        put16(&zip->directory, 0);
        put32(&zip->directory, 0);
        put32(&zip->directory, (uint32_t)at);
        blob_put(&zip->directory, name, strlen(name));
        zip->n++;
        blob_free(&member);
}

static void zip_add_deflated(struct zip *zip, const char *name, const struct blob *data) {
        _cleanup_blob_ struct blob packed = {};

        deflate(&packed, data->data, data->size);
        zip_add(zip, name, &packed, 8, crc32_of(data->data, data->size), data->size, false);
}

static void zip_end(struct zip *zip) {
        size_t at = zip->out->size;

        blob_put(zip->out, zip->directory.data, zip->directory.size);
        blob_put(zip->out, "PK\5\6", 4);
        put32(zip->out, 0);
        put16(zip->out, zip->n);
        put16(zip->out, zip->n);
        put32(zip->out, (uint32_t)zip->directory.size);
        put32(zip->out, (uint32_t)at);
        put16(zip->out, 0);
        blob_free(&zip->directory);
}

void zip_stored(struct blob *out, const char *name, const void *data, size_t size, bool encrypted) {
        const struct blob packed = { .data = (uint8_t *)(uintptr_t)data, .size = size };
        struct zip zip = { .out = out };

        zip_add(&zip, name, &packed, 0, crc32_of(data, size), size, encrypted);
        zip_end(&zip);
}

void zip_many(struct blob *out, unsigned n) {
        struct zip zip = { .out = out };

        for (unsigned i = 0; i < n; i++) {
                _cleanup_blob_ struct blob data = {};
                char name[32];

                if (i + 1 < n)
                        blob_put_text(&data, 100, i);
                else
                        blob_put(&data, eicar(), EICAR_SIZE);
                (void)snprintf(name, sizeof(name), "f%u.txt", i);
                zip_add_deflated(&zip, name, &data);
        }
        zip_end(&zip);
}

void zip_deep(struct blob *out, unsigned depth) {
        struct blob inner = {};

        blob_put(&inner, eicar(), EICAR_SIZE);
        for (unsigned i = 0; i < depth; i++) {
                struct blob outer = {};
                struct zip zip = { .out = &outer };

                zip_add_deflated(&zip, "inner.zip", &inner);
                zip_end(&zip);
                blob_free(&inner);
                inner = outer;
        }
        blob_put(out, inner.data, inner.size);
        blob_free(&inner);
}

void zip_bomb(struct blob *out, size_t n) {
        _cleanup_blob_ struct blob plain = {};
        struct zip zip = { .out = out };

        memset(blob_extend(&plain, n), 'A', n);
        blob_put(&plain, eicar(), EICAR_SIZE);
        zip_add_deflated(&zip, "bomb.txt", &plain);
        zip_end(&zip);
}
