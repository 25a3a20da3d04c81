/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Paths and stamps are other people's bytes. These make them fit for a terminal, where they must
 * not move the cursor or reorder the line, and for JSON, where they must not end the string.
 */

#include <stdbool.h>
#include <stddef.h>

/* Length of the well-formed UTF-8 character (RFC 3629) that size bytes at s begin with and its code
 * point, or 0 when they begin with none. */
size_t utf8_character(const char *s, size_t size, unsigned *ret_point);

bool utf8_valid(const char *s, size_t size);

/* A new string, one line of printable UTF-8: control characters, marks that change the direction
 * of writing, backslashes and bytes that are no UTF-8 become \xNN (one for each byte) and \\.
 * NULL on no memory. */
char *escape_terminal(const char *s, size_t size);

/* A new string for use between the quotes of a JSON string (RFC 8259); bytes that are no UTF-8
 * become U+FFFD. NULL on no memory. */
char *escape_json(const char *s, size_t size);
