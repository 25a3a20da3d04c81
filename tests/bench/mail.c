/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the generator's state: one message at a time. Must not know where messages go. */

#include "tests/bench/mail.h"

#include "tests/bench/bench.h"

#define WORDS    2000
#define WORD_MAX 11
#define LINE     "\r\n"

static uint64_t state;
static char words[WORDS][WORD_MAX];

/* splitmix64 */
static uint64_t next_random(void) {
        uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        return z ^ z >> 31;
}

static unsigned between(unsigned min, unsigned max) {
        return min + (unsigned)(next_random() % (max - min + 1));
}

static const char *word(void) {
        return words[between(0, WORDS - 1)];
}

static void make_words(void) {
        if (words[0][0] != '\0')
                return;
        state = 0;
        for (size_t i = 0; i < WORDS; i++) {
                unsigned n = between(2, WORD_MAX - 1);

                for (unsigned k = 0; k < n; k++)
                        words[i][k] = (char)('a' + between(0, 25));
        }
}

static void put_sentence(FILE *f, unsigned n) {
        const char *first = word();

        fprintf(f, "%c%s", first[0] - 'a' + 'A', first + 1);
        while (--n > 0)
                fprintf(f, " %s", word());
        fputc('.', f);
}

static void put_paragraph(FILE *f) {
        for (unsigned n = between(2, 5); n > 0; n--) {
                put_sentence(f, between(5, 14));
                if (n > 1)
                        fputc(' ', f);
        }
}

static void put_html(FILE *f) {
        fputs("<html><head><title>", f);
        put_sentence(f, 4);
        fputs("</title></head><body>", f);
        for (unsigned i = 0; i < 4; i++) {
                fputs("<p style=\"margin:0\">", f);
                put_paragraph(f);
                fprintf(f, " <a href=\"http://www.%s.example/%s\">%s</a></p>", word(), word(),
                        word());
        }
        fputs("</body></html>", f);
}

/* RFC 2045, section 6.7: lines of at most 76 characters. */
static void put_quoted_printable(FILE *f, const char *text) {
        for (unsigned column = 0; *text != '\0'; text++) {
                bool quote = *text == '=' || *text < ' ' || *text > '~';

                if (column + (quote ? 3 : 1) > 75) {
                        fputs("=" LINE, f);
                        column = 0;
                }
                fprintf(f, quote ? "=%02X" : "%c", (unsigned char)*text);
                column += quote ? 3 : 1;
        }
        fputs(LINE, f);
}

/* size random bytes, a multiple of 3 but for the last one or two. */
static void put_base64(FILE *f, size_t size) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t at = 0; at < size; at += 3) {
                size_t n = MIN(size - at, (size_t)3);
                uint32_t three = (uint32_t)next_random() & (UINT32_MAX << (8 * (3 - n)) & 0xFFFFFF);

                for (size_t i = 0; i < 4; i++)
                        fputc(i <= n ? digits[three >> (18 - 6 * i) & 63] : '=', f);
                if (at / 3 % 19 == 18 || at + 3 >= size)
                        fputs(LINE, f);
        }
}

static void put_header(FILE *f, unsigned i, unsigned long long mixed) {
        static const char date[] = "Mon, 01 Jan 2024 00:00:00 +0000";
        unsigned host = i % 9;

        fprintf(f, "Return-Path: <%s@example.org>" LINE, word());
        fprintf(f, "Received: from mx%u.example.org (mx%u.example.org [192.0.2.%u])" LINE, host,
                host, i % 250);
        fprintf(f, "\tby mail.example.com with ESMTPS id %llx" LINE,
                (unsigned long long)next_random());
        fprintf(f, "\tfor <user%u@example.com>; %s" LINE "From: ", i, date);
        put_sentence(f, 2);
        fprintf(f, " <%s@example.org>" LINE "To: user%u@example.com" LINE "Subject: ", word(), i);
        put_sentence(f, 6);
        fprintf(f, LINE "Date: %s" LINE "Message-ID: <%llx@example.org>" LINE, date,
                (unsigned long long)next_random());
        fprintf(f, "MIME-Version: 1.0" LINE);
        fprintf(f, "Content-Type: multipart/mixed; boundary=\"mix_%016llx\"" LINE LINE, mixed);
}

static void put_body(FILE *f) {
        unsigned long long alternative = next_random();
        _cleanup_free_ char *html = NULL;
        size_t size;
        FILE *h = open_memstream(&html, &size);

        if (!h)
                abort();
        put_html(h);
        (void)fclose(h);
        fprintf(f, "Content-Type: multipart/alternative; boundary=\"alt_%016llx\"" LINE LINE,
                alternative);
        fprintf(f, "--alt_%016llx" LINE "Content-Type: text/plain; charset=utf-8" LINE,
                alternative);
        fprintf(f, "Content-Transfer-Encoding: 7bit" LINE LINE);
        for (unsigned i = 0; i < 4; i++) {
                put_paragraph(f);
                fputs(LINE LINE, f);
        }
        fprintf(f, "--alt_%016llx" LINE "Content-Type: text/html; charset=utf-8" LINE, alternative);
        fprintf(f, "Content-Transfer-Encoding: quoted-printable" LINE LINE);
        put_quoted_printable(f, html);
        fprintf(f, "--alt_%016llx--" LINE, alternative);
}

void mail_put(FILE *f, unsigned i, size_t attachment) {
        unsigned long long mixed;

        make_words();
        state = i;
        mixed = next_random();
        put_header(f, i, mixed);
        fprintf(f, "This is a multi-part message in MIME format." LINE "--mix_%016llx" LINE, mixed);
        put_body(f);
        fprintf(f, "--mix_%016llx" LINE, mixed);
        fprintf(f, "Content-Type: application/octet-stream; name=\"doc%u.bin\"" LINE, i);
        fprintf(f, "Content-Disposition: attachment; filename=\"doc%u.bin\"" LINE, i);
        fprintf(f, "Content-Transfer-Encoding: base64" LINE LINE);
        put_base64(f, attachment);
        fprintf(f, "--mix_%016llx--" LINE, mixed);
}
