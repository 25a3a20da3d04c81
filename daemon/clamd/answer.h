/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What clamd answers within IDSESSION, and what that means. Every byte of it is hostile. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLAMD_NAME_MAX   128
#define CLAMD_ENGINE_MAX 24

/* Only OK and FOUND say anything of the content. */
enum clamd_answer {
        CLAMD_OK,
        CLAMD_FOUND,
        CLAMD_ERROR,     /* it could not scan */
        CLAMD_TOO_LARGE, /* more than its StreamMaxLength; it hangs up now */
        CLAMD_VERSION,
        _CLAMD_ANSWER_MAX
};

/* What it scans with. */
struct clamd_version {
        char engine[CLAMD_ENGINE_MAX]; /* "1.4.6" */
        uint32_t database;             /* of daily.cvd; 0: it has none */
};

struct clamd_reply {
        uint32_t id; /* of the command, from 1 */
        enum clamd_answer answer;
        char name[CLAMD_NAME_MAX]; /* FOUND: of what; ERROR: what is wrong. Printable ASCII */
        struct clamd_version version;
};

/* Reads a reply of n bytes, without the NUL behind it. 0; -EBADMSG: clamd does not say such a thing. */
int clamd_reply_parse(const char *text, size_t n, struct clamd_reply *ret);

/* Less than 0: a is older than b; 0: neither. By the signatures; where they are the same, by the engine. */
int clamd_version_compare(const struct clamd_version *a, const struct clamd_version *b);
