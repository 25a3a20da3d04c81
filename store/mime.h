/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of a message in memory, with the exact offsets of their headers and bodies, for who
 * overwrites some of them. Lenient, and close to how Dovecot sees a message (lib-mail,
 * message-parser.c: a boundary counts if a line begins with it, the longest wins), so that what it
 * cached of the parts stays true. Made of hostile bytes: for sandboxed processes; nothing may be
 * decided by it but what to overwrite before the next scan.
 *
 * Bounded: the work is size times depth at most, the memory MIME_PARTS_MAX parts. Any bytes give a
 * tree. Where one can't be sure what a part is, it is one leaf:
 *  - A multipart in which no boundary of its own is found, or that is nested too deeply or has too
 *    many parts.
 *  - A part with a line in its header that is none of a header: all of it, from behind the
 *    boundary's line, is a body ("doubtful"). Not so the message itself: its header ends at the first
 *    empty line, come what may.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIME_DEPTH_MAX 20   /* the message itself has depth 0 */
#define MIME_PARTS_MAX 1000 /* without uuencoded files */
#define MIME_UU_MAX    100
#define MIME_NONE      SIZE_MAX

/* With the NUL. */
#define MIME_TYPE_SIZE     64
#define MIME_FILENAME_SIZE 128

enum mime_kind {
        MIME_LEAF,
        MIME_MULTIPART, /* parts follow that have it as their parent */
        MIME_MESSAGE,   /* one part follows: the message in it */
        MIME_OUTSIDE, /* what stands in a multipart before its first part or behind its last one */
        MIME_UU,      /* a uuencoded file in the text of a leaf; header: the line "begin" */
        _MIME_KIND_MAX
};

enum mime_encoding {
        MIME_IDENTITY, /* 7bit, 8bit, binary, none, and what nobody knows */
        MIME_BASE64,
        MIME_QUOTED_PRINTABLE,
        MIME_UUENCODE,
        _MIME_ENCODING_MAX
};

/* Of texts: what may stand in them. */
enum mime_charset {
        MIME_ASCII, /* also where the character set is not known, and of 7bit */
        MIME_LATIN1,
        MIME_UTF8,
};

/* The header is [start, body), with the empty line; the body is [body, end). The end of line before a
 * boundary belongs to the boundary (RFC 2046, 5.1.1). */
struct mime_part {
        enum mime_kind kind;
        enum mime_encoding encoding; /* UUENCODE of MIME_UU; else as the header has it */
        enum mime_charset charset;
        size_t parent;  /* index; MIME_NONE: it is the message itself */
        unsigned depth; /* number of parents */
        size_t start, body, end;
        bool doubtful;   /* its header, if it has one, is part of the body */
        bool attachment; /* has a filename, is called one, or is no text */
        bool html;
        char type[MIME_TYPE_SIZE];         /* lower case, as "text/plain" */
        char filename[MIME_FILENAME_SIZE]; /* printable UTF-8, for eyes only; "": none */
};

struct mime {
        const uint8_t *data; /* the caller's */
        size_t size;
        struct mime_part *parts; /* [0] is the message; parents before their parts; MIME_UU last */
        size_t n;
};

/* data stays the caller's and must outlive the result. 0 or -ENOMEM. */
int mime_new(const void *data, size_t size, struct mime **ret);
struct mime *mime_free(struct mime *mime);

/* Whether both have the same parts at the same places. uu: the uuencoded files count, too. */
bool mime_same(const struct mime *a, const struct mime *b, bool uu);
