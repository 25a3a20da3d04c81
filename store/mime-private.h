/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by mime.c, mime-header.c and mime-uu.c only. */

#include "store/mime.h"

/* RFC 2046 allows 70. */
#define MIME_BOUNDARY_MAX 200

/* What a part's header says. */
struct mime_fields {
        enum mime_encoding encoding;
        enum mime_charset charset;
        bool attachment, html, is_text;
        char type[MIME_TYPE_SIZE], filename[MIME_FILENAME_SIZE];
        char boundary[MIME_BOUNDARY_MAX];
        size_t boundary_size; /* 0: none */
};

/* Of several fields of a name, the first counts. default_type: where there is no valid one. */
void mime_read_fields(const uint8_t *header, size_t size, const char *default_type,
                      struct mime_fields *ret);

/* Whether the line, without its end, can be one of a part's header; first: its first one. */
bool mime_is_header_line(const uint8_t *line, size_t size, bool first);

/* Where the line that at is in ends, with its LF; size at most. */
size_t mime_next_line(const uint8_t *data, size_t size, size_t at);

/* Size of the line [at, next) without its end. */
size_t mime_line_size(const uint8_t *data, size_t at, size_t next);

/* Looks for uuencoded files in all leaves and adds them behind the other parts. 0 or -ENOMEM. */
int mime_find_uu(struct mime *mime);

/* Adds a part; valid until the next one is added. NULL: no memory. */
struct mime_part *mime_add(struct mime *mime, size_t parent);
