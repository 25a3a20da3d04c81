/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For canon.c and hub-content.c: is a header regular, its fields, and its canonical form. The rules
 * and their reasons are in canon.h.
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

/* ---- Fields ---- */

enum canon_treatment {
        CANON_RELAXED,
        CANON_EXACT,
        CANON_LEFT_OUT,
        CANON_LENGTH, /* Content-Length, left out if it is true */
};

struct canon_field {
        const uint8_t *data;
        size_t size; /* with all ends of lines */
        size_t name; /* length of its name */
        unsigned lines;
        bool eight_bit;
        bool long_line;
        bool hidden; /* a continuation line looks like a field */
        enum canon_treatment treatment;
};

/* The field that data begins with. False: irregular. */
bool canon_field_read(const uint8_t *data, size_t size, enum line_end ends,
                      struct canon_field *ret);

bool canon_field_is_one_of(const struct canon_field *field, const char *const *names, size_t n);

/* Whether a field of this name says how content is to be read, for a reader who cares for nothing
 * but letters. */
bool canon_name_is_about_content(const uint8_t *name, size_t size);

/* "name:a b c" CRLF, as RFC 6376 3.4.2 has it. */
int canon_field_write_relaxed(const struct canon_field *field, canon_put_t put, void *userdata);
