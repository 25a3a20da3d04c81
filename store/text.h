/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Characters of hostile text: reading UTF-8, what may be shown, what to show in a smaller character
 * set. Pure; any bytes are fine.
 */

#include <stdbool.h>
#include <stddef.h>

/* Length of the UTF-8 character (RFC 3629) that size bytes at s begin with; 0: they begin with none,
 * and ret_point is untouched. */
size_t text_read(const char *s, size_t size, unsigned *ret_point);

/* Whether it can be seen, stays on its line and leaves the direction of writing alone. */
bool text_is_printable(unsigned point);

/* What comes closest to a character beyond US-ASCII: one to three printable characters of it; "?" if
 * nothing does. */
const char *text_ascii(unsigned point);

/* One line of valid, printable UTF-8 in dst, with its NUL: what is no UTF-8 or not printable becomes
 * '?', what is too long is cut at the end of a character. dst_size > 0. */
void text_clean(const char *s, size_t size, char *dst, size_t dst_size);
