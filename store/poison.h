/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Contents that cost two workers, and are not scanned again by the engine that failed at them. Kept as
 * text, of one program version:
 *
 *     storescan-poison 1 0.1
 *     Zm9vYmFy 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 4711 1795470147 crash yes
 *     |        |                                                                |    |          |     |
 *     |        SHA-256 of the bytes as they are stored                          |    time       |     there is a copy
 *     generation                                                                size            crash or hang
 *
 * Pure: callers bring the text and the time. Strict: a text that is not understood to its end is none.
 */

#include <stdbool.h>

#include "store/digest.h"
#include "store/stamp.h"
#include "store/verdict.h"

#define POISON_MAX         64
#define POISON_TEXT_MAX    16384
#define POISON_DIGEST_TEXT (2 * DIGEST_SIZE)

struct poison {
        struct generation generation;
        uint8_t digest[DIGEST_SIZE];
        uint64_t size;
        uint64_t time_sec;
        enum reason reason; /* CRASH or HANG */
        bool copied;
};

struct poison_list {
        size_t n;
        struct poison all[POISON_MAX]; /* the oldest first */
};

/* 0; -EINVAL; -EPROTONOSUPPORT: of another program version, whose failures count for nothing. */
int poison_parse(const char *text, size_t size, const char *version, struct poison_list *ret);

/* Writes the text and returns its length. version: one word. */
size_t poison_format(const struct poison_list *list, const char *version,
                     char ret_text[static POISON_TEXT_MAX]);

/* Writes a digest as text, with a NUL. */
void poison_digest_format(const uint8_t digest[static DIGEST_SIZE],
                          char ret_text[static POISON_DIGEST_TEXT + 1]);

/* Notes a content; where there are too many, the oldest goes. One that is known is as new. */
void poison_add(struct poison_list *list, const struct poison *poison);

/* Forgets what other generations failed at; whether there was any. */
bool poison_forget_others(struct poison_list *list, const struct generation *running);

/* What workers get of it: only what one generation failed at. Fits where it is shared while it is
 * written: a size without its digest, or with half of it, matches no content. */
struct poison_view {
        uint32_t n;
        uint32_t reserved;
        struct {
                uint64_t size;
                uint8_t digest[DIGEST_SIZE];
        } all[POISON_MAX];
};

void poison_make_view(const struct poison_list *list, const struct generation *generation,
                      struct poison_view *ret);

/* Whether the content is among them. Digests only what has the size of one. 1, 0 or -EIO. */
int poison_matches(const struct poison_view *view, const void *data, size_t size);
