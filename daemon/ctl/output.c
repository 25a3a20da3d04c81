/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing; writes to the standard streams. */

#include "daemon/ctl/output.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ctl/check.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "store/digest.h"

void output_json(const char *key, const char *text, size_t size) {
        _cleanup_free_ char *escaped = escape_json(text, size);

        printf("\"%s\":\"%s\"", key, escaped ?: "");
}

void output_json_path(const char *key, const char *path) {
        size_t n = strlen(path);

        output_json(key, path, n);
        if (!utf8_valid(path, n)) {
                _cleanup_free_ char *raw = malloc(BASE64URL_LENGTH(n) + 1);

                if (raw)
                        base64url_encode((const uint8_t *)path, n, raw);
                printf(",\"%s_base64url\":\"%s\"", key, raw ?: "");
        }
}

const char *output_color(enum output_color color) {
        static const char *const codes[] = {
                [OUTPUT_GOOD] = "\x1b[32m",
                [OUTPUT_WARNING] = "\x1b[33m",
                [OUTPUT_BAD] = "\x1b[1;31m",
                [OUTPUT_PLAIN] = "\x1b[0m",
        };
        const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

        static_assert(ELEMENTSOF(codes) == _OUTPUT_COLOR_MAX, "a code for each");
        return (no && no[0]) || !isatty(STDOUT_FILENO) || (terminal && streq(terminal, "dumb"))
                       ? ""
                       : codes[color];
}

void output_line(const char *name, const char *text) {
        _cleanup_free_ char *shown = escape_terminal(text, strlen(text));

        printf("  %-11s %s\n", name, shown ?: "?");
}

void output_checks(const struct checks *checks) {
        printf("\"result\":\"%s\",\"checks\":[", check_result_name(checks->result));
        for (size_t i = 0; i < checks->n; i++) {
                const struct check *c = &checks->list[i];

                printf("%s{\"check\":\"%s\",\"state\":\"%s\",", i > 0 ? "," : "", c->name,
                       check_state_name(c->state));
                output_json("text", c->text, strlen(c->text));
                printf("}");
        }
        printf("]");
}

void output_result(bool json, const char *key, const char *subject, const char *result,
                   const char *text) {
        _cleanup_free_ char *shown = escape_terminal(subject, strlen(subject));

        if (!json) {
                printf("%s: %s\n", shown ?: "?", text);
                return;
        }
        putchar('{');
        output_json_path(key, subject);
        printf(",\"result\":\"%s\"}\n", result);
}

int output_done(bool json, int status, const char *result, const char *text) {
        if (status == STATUS_OK && json)
                printf("{\"result\":\"%s\"}\n", result);
        else if (status == STATUS_OK)
                fputs(text, stdout);
        return status;
}

int output_done_of(bool json, int status, const char *key, const char *subject,
                   const char *result) {
        if (status == STATUS_OK && json)
                output_result(true, key, subject, result, "");
        return status;
}

int output_error(const char *subject, const char *format, ...) {
        _cleanup_free_ char *shown = escape_terminal(subject, strlen(subject));
        va_list ap;

        fprintf(stderr, "storescanctl: %s: ", shown ?: "?");
        va_start(ap, format);
        (void)vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return STATUS_ERROR;
}

uint64_t output_now(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}
