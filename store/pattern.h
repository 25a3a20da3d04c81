/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Patterns of names, as "*.exe *.js": * is any characters, ? is one; ASCII letters match in either
 * case. The work is bounded by pattern size times text size. */

#include <stdbool.h>
#include <stddef.h>

/* Whether all of text is as pattern says. Neither needs a NUL. */
bool pattern_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size);

/* The first pattern of a list with blanks between that text matches, and its size; NULL: none.
 * "none" is an empty list. */
const char *patterns_find(const char *list, const char *text, size_t text_size, size_t *ret_size);

/* The same for the name of a file, as whoever opens it may see it: path and what stands behind it,
 * each also without trailing dots and blanks, which Windows drops, and cut at a NUL. */
const char *patterns_find_name(const char *list, const char *name, size_t size, size_t *ret_size);
