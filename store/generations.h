/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which generations of the scanner this host has run, since when, and with which options: without it
 * a stamp's generation is a number that anybody's scanner may have had. Kept as text:
 *
 *     storescan-generations 1
 *     installed 1795470147
 *     Zm9vYmFy 1795470147 1795556547 5f3a21c0
 *     |        |          |          options that change verdicts, digest
 *     |        |          when it was loaded last
 *     |        when it was loaded first
 *     generation
 *
 * Pure: callers bring the text and the time. Strict: a text that is not understood to its end is none.
 */

#include "store/stamp.h"

#define GENERATIONS_MAX      512 /* of several a day, those of months */
#define GENERATIONS_TEXT_MAX 32768

struct generation_past {
        struct generation generation;
        uint32_t options;
        uint64_t first_sec, last_sec;
};

struct generations {
        uint64_t installed_sec;
        size_t n;
        struct generation_past past[GENERATIONS_MAX]; /* by first_sec, the oldest first */
};

/* 0; -EINVAL. */
int generations_parse(const char *text, size_t size, struct generations *ret);

/* Writes the text and returns its length. */
size_t generations_format(const struct generations *generations,
                          char ret_text[static GENERATIONS_TEXT_MAX]);

/* Notes that a generation is loaded. Where there are too many, the one that was not loaded for longest
 * goes. */
void generations_note(struct generations *generations, const struct generation *generation,
                      uint32_t options, uint64_t now_sec);

/* NULL: this host has not run it, as far as is known. */
const struct generation_past *generations_find(const struct generations *generations,
                                               const struct generation *generation);
