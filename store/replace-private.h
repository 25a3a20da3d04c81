/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by replace.c, replace-text.c and replace-codes.c only. */

#include "store/mime.h"

/* A body that is overwritten in place: [start, end) of data, in which ends of lines are kept. */
struct replace_body {
        uint8_t *data;
        size_t size; /* of the message: a CR is half an end of line if a LF follows */
        size_t start, end;
        const struct mime_part *part;
};

bool replace_is_line_end(const struct replace_body *body, size_t at);

/* How a notice is written into text. */
struct replace_style {
        bool quoted_printable, html;
        bool indented; /* each line begins with a blank, so that it is no header's */
        enum mime_charset charset;
};

/* Lays the notice over the body's lines, blanks over the rest. NULL: blanks only. Returns whether the
 * notice, or its first line, is there. */
bool replace_text(const struct replace_body *body, const char *notice);

/* The same for bodies in base64, and in uuencode: from behind the "begin" line. 1: the notice is
 * there; 0: it is not; -ENOMEM. */
int replace_base64(const struct replace_body *body, const char *notice);
int replace_uu(const struct replace_body *body, const char *notice);

/* A character at *s (valid UTF-8), which goes behind it, as the style has it. */
#define REPLACE_CHARACTER_MAX 32
size_t replace_character(const struct replace_style *style, const char **s,
                         char ret[static REPLACE_CHARACTER_MAX]);

/* Fills size bytes with the notice, as text with CRLF, and blanks. Returns whether the notice, or its
 * first line, is there. */
bool replace_fill(const struct replace_style *style, const char *notice, uint8_t *dst, size_t size);
