/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-stamp sign: a message in, judged by a sandboxed worker, and out with a stamp. Must never
 * stamp what was not scanned: the only way to a signature here leads through once_judge(). Nothing is
 * written before all is known, so that a failure loses no mail: whoever called still has it.
 */

#include <stdio.h>
#include <time.h>

#include "daemon/stamp/once.h"
#include "daemon/stamp/stamp.h"

/* The key that signs; NULL after telling why there is none. */
static struct hub_key *choose_key(const struct tool *tool, const struct keys *keys) {
        struct hub_key *key = NULL;

        if (tool->key) {
                key = keys_find(keys, tool->key);
                if (!key)
                        fprintf(stderr, "storescan-stamp: there is no key of this id; see "
                                        "'storescanctl key list'.\n");
                else if (hub_key_kind(key) == HUB_KEY_ED25519_PUBLIC) {
                        fprintf(stderr, "storescan-stamp: this key is public and can't sign.\n");
                        return NULL;
                }
                return key;
        }
        for (size_t i = 0; i < keys_count(keys); i++) {
                struct hub_key *k = keys_get(keys, i);

                if (hub_key_kind(k) == HUB_KEY_ED25519_PUBLIC)
                        continue;
                if (key) {
                        fprintf(stderr, "storescan-stamp: there are several keys; name one by "
                                        "--key=ID.\n");
                        return NULL;
                }
                key = k;
        }
        if (!key)
                fprintf(stderr, "storescan-stamp: there is no key to sign with; make one by "
                                "'storescanctl key generate ID'.\n");
        return key;
}

/* Copies a message without the fields of its header that anybody could take for a stamp. Returns
 * how many bytes. ret: size bytes. */
static size_t without_stamps(const uint8_t *data, size_t size, uint8_t *ret) {
        bool header = true, drop = false;
        size_t n = 0;

        for (size_t at = 0; at < size;) {
                const uint8_t *line = data + at, *lf = memchr(line, '\n', size - at);
                size_t length = lf ? (size_t)(lf - line) + 1 : size - at;

                if (header && (*line == '\n' || (length == 2 && *line == '\r')))
                        header = drop = false;
                else if (header && *line != ' ' && *line != '\t') {
                        const uint8_t *colon = memchr(line, ':', length);

                        drop = colon &&
                               hub_stamp_is_name((const char *)line, (size_t)(colon - line));
                }
                if (!drop) {
                        memcpy(ret + n, line, length);
                        n += length;
                }
                at += length;
        }
        return n;
}

static void put_stamp(const char *text, bool crlf) {
        fputs(HUB_STAMP_NAME ": ", stdout);
        for (; *text; text++) {
                if (*text == '\n' && crlf)
                        fputc('\r', stdout);
                fputc(*text, stdout);
        }
        fputs(crlf ? "\r\n" : "\n", stdout);
}

/* A clean message, with its stamp if it can have one. */
static int put_message(struct hub_key *key, const struct once *once, const uint8_t *data,
                       size_t size) {
        struct hub_stamp stamp = {
                .time = (uint64_t)time(NULL),
                .database = once->database_version,
                .verdict = (uint8_t)once->verdict,
                .reason = (uint8_t)once->reason,
        };
        const uint8_t *lf = memchr(data, '\n', size);
        char text[HUB_TEXT_MAX];
        int r;

        r = hub_content_digest(data, size, stamp.body, stamp.header);
        if (r > 0)
                fprintf(stderr, "storescan-stamp: not stamped: %s.\n", hub_check_text(r));
        else {
                if (r == 0)
                        r = hub_key_sign(key, &stamp);
                if (r >= 0)
                        r = hub_stamp_format(&stamp, text);
                if (r < 0) {
                        fprintf(stderr, "storescan-stamp: the stamp can't be made: %s.\n",
                                error_text(-r));
                        return EXIT_TEMPORARY;
                }
                put_stamp(text, lf && lf > data && lf[-1] == '\r');
        }
        if (fwrite(data, 1, size, stdout) != size || fflush(stdout) != 0) {
                fprintf(stderr, "storescan-stamp: standard output: %m.\n");
                return EXIT_TEMPORARY;
        }
        return EXIT_STAMPED;
}

static int judge(const struct config *config, const struct mapped *input, struct once *ret) {
        const struct once_request request = {
                .config = config,
                .fd = input->fd,
                .size = input->size,
                .form = JOB_MESSAGE,
        };
        int r = once_judge(&request, stderr, ret);

        if (r < 0)
                return EXIT_TEMPORARY;
        if (ret->verdict == VERDICT_UNKNOWN) {
                fprintf(stderr, "storescan-stamp: the message could not be scanned: %s%s%s.\n",
                        reason_name(ret->reason), ret->signature[0] ? ": " : "", ret->signature);
                return EXIT_TEMPORARY;
        }
        if (ret->verdict == VERDICT_INFECTED) {
                fprintf(stderr, "storescan-stamp: the message is infected with %s.\n",
                        ret->signature);
                return EXIT_REFUSED;
        }
        return EXIT_STAMPED;
}

static int sign(const struct tool *tool, const struct config *config, struct mapped *input) {
        _cleanup_(keys_freep) struct keys *keys = NULL;
        _cleanup_free_ uint8_t *copy = NULL;
        struct once once = {};
        struct hub_key *key;
        int r;

        /* What can be wrong without a scan is told before it. */
        if (keys_load(tool->keys ?: config->keys, getenv("CREDENTIALS_DIRECTORY"), stderr, &keys) <
            0)
                return EXIT_USAGE;
        key = choose_key(tool, keys);
        if (!key)
                return EXIT_USAGE;
        r = mapped_input(input);
        if (r >= 0) {
                copy = malloc(input->size + 1);
                r = copy ? 0 : -ENOMEM;
        }
        if (r < 0) {
                fprintf(stderr, "storescan-stamp: standard input: %s.\n", error_text(-r));
                return EXIT_TEMPORARY;
        }
        r = judge(config, input, &once);
        if (r != EXIT_STAMPED)
                return r;
        return put_message(key, &once, copy, without_stamps(input->data, input->size, copy));
}

int tool_sign(const struct tool *tool) {
        _cleanup_(mapped_close) struct mapped input = { .fd = -EBADF };
        _cleanup_(config_freep) struct config *config = NULL;

        if (settings_load(tool, false, &config) < 0)
                return EXIT_USAGE;
        return sign(tool, config, &input);
}
