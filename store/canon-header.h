/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For canon.c: is a header regular, and its canonical form. The rules and their reasons are in
 * canon.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum line_end { LINE_END_NONE, LINE_END_LF, LINE_END_CRLF };

struct canon_header {
        enum line_end ends;      /* of all its lines */
        bool complete;           /* the empty line is there */
        bool hides_magic;        /* a left-out field stands before an unusual one, or before none */
        bool has_length;         /* a Content-Length that is left out if it is true, */
        uint64_t content_length; /* this */
};

/* Looks at data, which ends behind the empty line or at the message's end. False: irregular. */
bool canon_header_check(const uint8_t *data, size_t size, struct canon_header *ret);

/* Gives the canonical form of a header that was found regular to put, in pieces, until that returns
 * negative errno. */
typedef int (*canon_put_t)(void *userdata, const void *data, size_t size);
int canon_header_write(const uint8_t *data, size_t size, canon_put_t put, void *userdata);

/* Size of the header with its empty line; 0: that has not come yet. Searches from *at, which says
 * how far it was searched. */
size_t canon_header_find_end(const uint8_t *data, size_t size, size_t *at);
