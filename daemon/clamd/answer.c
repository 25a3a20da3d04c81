/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the grammar of replies. Knows neither connections nor scans. */

#include "daemon/clamd/answer.h"

#include <string.h>

#include "store/util.h"

#define REPLY_MAX 1024

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* A number that fits, of at least one digit and without leading zeros unless it is 0. NULL: there is none;
 * else what comes behind. */
static const char *read_number(const char *text, uint32_t *ret) {
        const char *p = text;
        uint64_t value = 0;

        for (; is_digit(*p); p++) {
                value = value * 10 + (uint64_t)(*p - '0');
                if (value > UINT32_MAX)
                        return NULL;
        }
        if (p == text || (text[0] == '0' && p - text > 1))
                return NULL;
        *ret = (uint32_t)value;
        return p;
}

/* "fd[12]: " or "stream: ": what was scanned. */
static const char *skip_subject(const char *text) {
        const char *p = startswith(text, "stream: ");
        uint32_t fd;

        if (p)
                return p;
        p = startswith(text, "fd[");
        p = p ? read_number(p, &fd) : NULL;
        return p ? startswith(p, "]: ") : NULL;
}

static const char *ends_in(const char *text, const char *suffix) {
        size_t n = strlen(text), m = strlen(suffix);

        return n > m && streq(text + n - m, suffix) ? text + n - m : NULL;
}

static int take_name(const char *text, const char *end, bool blanks, struct clamd_reply *ret) {
        size_t n = (size_t)(end - text);

        if (n == 0 || (!blanks && (n >= sizeof(ret->name) || memchr(text, ' ', n))))
                return -EBADMSG;
        n = MIN(n, sizeof(ret->name) - 1);
        memcpy(ret->name, text, n);
        ret->name[n] = '\0';
        return 0;
}

/* "1.4.6/27500/Mon Nov  2 10:00:00 2026", or without what follows the first slash. */
static int read_version(const char *text, struct clamd_version *ret) {
        size_t n = strcspn(text, "/");
        const char *p = text + n;

        if (n == 0 || n >= sizeof(ret->engine) || !is_digit(text[0]) || memchr(text, ' ', n))
                return -EBADMSG;
        memcpy(ret->engine, text, n);
        ret->engine[n] = '\0';
        ret->database = 0;
        if (*p == '\0')
                return 0;
        p = read_number(p + 1, &ret->database);
        return p && *p == '/' && p[1] != '\0' ? 0 : -EBADMSG;
}

static int read_reply(const char *text, struct clamd_reply *ret) {
        const char *subject = skip_subject(text), *p;

        if (subject) {
                text = subject;
                if (streq(text, "OK")) {
                        ret->answer = CLAMD_OK;
                        return 0;
                }
                p = ends_in(text, " FOUND");
                if (p) {
                        ret->answer = CLAMD_FOUND;
                        return take_name(text, p, false, ret);
                }
        } else if ((p = startswith(text, "ClamAV "))) {
                ret->answer = CLAMD_VERSION;
                return read_version(p, &ret->version);
        } else if (streq(text, "INSTREAM size limit exceeded. ERROR")) {
                ret->answer = CLAMD_TOO_LARGE;
                return take_name(text, text + strlen(text), true, ret);
        }
        p = ends_in(text, " ERROR");
        if (!p)
                return -EBADMSG;
        ret->answer = CLAMD_ERROR;
        return take_name(text, p, true, ret);
}

int clamd_reply_parse(const char *text, size_t n, struct clamd_reply *ret) {
        struct clamd_reply reply = {};
        char copy[REPLY_MAX] = {};
        const char *p;
        int r;

        if (n >= sizeof(copy))
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                if (text[i] < ' ' || text[i] > '~')
                        return -EBADMSG;
                copy[i] = text[i];
        }
        copy[n] = '\0';
        p = read_number(copy, &reply.id);
        p = p && reply.id > 0 ? startswith(p, ": ") : NULL;
        if (!p)
                return -EBADMSG;
        r = read_reply(p, &reply);
        if (r < 0)
                return r;
        *ret = reply;
        return 0;
}

int clamd_version_compare(const struct clamd_version *a, const struct clamd_version *b) {
        if (a->database != b->database)
                return a->database < b->database ? -1 : 1;
        return strverscmp(a->engine, b->engine);
}
