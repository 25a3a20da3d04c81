/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the two mails. Finding the canary takes all that finding a real attachment takes: the mail
 * parser, base64, the zip reader, inflate, two temporary files in their folders, the matcher.
 */

#include "daemon/worker/canary.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/worker/zip-mail.h"
#include "store/util.h"

#define SIGNATURE_NAME  "Storescan.Canary"
#define PAYLOAD_SIZE    48
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

/* ---- The mails ---- */

struct bits {
        struct zip_buffer *out;
        unsigned value, n;
};

static void put_bits(struct bits *b, unsigned value, unsigned n) {
        while (n-- > 0) {
                b->value |= (value >> n & 1) << b->n;
                if (++b->n == 8) {
                        zip_put(b->out, &(uint8_t){ (uint8_t)b->value }, 1);
                        b->value = b->n = 0;
                }
        }
}

/* One block of the fixed codes, literals only (RFC 1951): it compresses nothing, but the bytes are
 * not to be seen in it, so that what finds them has unpacked them. */
static void deflate(const uint8_t payload[static PAYLOAD_SIZE], struct zip_buffer *out) {
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

static char *make_mail(const uint8_t payload[static PAYLOAD_SIZE]) {
        struct zip_buffer packed = {}, zip;

        deflate(payload, &packed);
        zip_make(
                &(struct zip_member){
                        .name = "canary.bin",
                        .method = 8,
                        .packed = &packed,
                        .crc = zip_crc(payload, PAYLOAD_SIZE),
                        .size = PAYLOAD_SIZE,
                },
                &zip);
        return zip_mail(&zip);
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
