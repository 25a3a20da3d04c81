/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Plans for the remedy "replace": which bytes of a message are to be overwritten with what, so that
 * an infected part becomes a readable notice and everything else stays: the size, the ends of
 * lines, headers, boundaries, the tree of parts. Nothing is written here. Made of hostile bytes: for
 * sandboxed processes. Nobody may take a planned message for clean: it is scanned again.
 *
 * What becomes of a part's body (ends of lines are always kept):
 *  - base64: as many characters of it as there were encode the notice and blanks; the decoded size
 *    stays. Bytes that are no base64 become blanks.
 *  - text, quoted-printable: the lines of the notice, filled up with blanks; in quoted-printable
 *    blanks at the end of a line decode to nothing. In HTML, the notice is escaped.
 *  - uuencode: each line encodes as many bytes as it did.
 * The notice is in the part's character set where that is UTF-8 or Latin-1 and 8-bit bytes may
 * stand there; else in US-ASCII, by transliteration. Where there is no room for the whole notice, it
 * is its first line; where there is none for that, blanks.
 */

#include "store/mime.h"

struct replace_patch {
        size_t offset, size;
        const uint8_t *bytes; /* the plan's; ends of lines are in them, unchanged */
};

struct replace_plan {
        struct replace_patch *patches; /* by offset; they do not overlap */
        size_t n_patches;
        bool whole;   /* of all bodies of the message */
        bool noticed; /* the notice, or its first line, is in one of them at least */
        size_t part;  /* index of the part, if it is one, for the log; else MIME_NONE */
        uint8_t *copy;
};

/*
 * A plan for n_parts parts, named by their index in mime->parts. What is named with parts below it
 * stands for all of these; so 0 is the whole body. mime must be of a message's bytes as they are in
 * the file; notice is that of notice_new(). The plan needs neither of them any longer, but takes as
 * much memory as the message.
 *
 * 0; -ENODATA: nothing but ends of lines, or nothing at all, stands there; -EBADMSG: the tree of
 * parts would not be the same afterwards, which is a bug; -EINVAL: there is no such part; -ENOMEM.
 */
int replace_plan_new(const struct mime *mime, const size_t *parts, size_t n_parts,
                     const char *notice, struct replace_plan **ret);
struct replace_plan *replace_plan_free(struct replace_plan *plan);

/* Applies it to the message's bytes in memory, for the scan that must follow. */
void replace_plan_apply(const struct replace_plan *plan, void *data, size_t size);

/* Fills an attachment that is kept in a file of its own, decoded (Dovecot's attachment store): the
 * notice in US-ASCII, and blanks. Returns whether the notice, or its first line, is there. */
bool replace_detached(const char *notice, void *data, size_t size);

/*
 * Plans for who knows of a message no more than that it is infected, to be tried in this order until
 * one is scanned clean: each attachment alone, each text alone, what stands between the parts of
 * multiparts, all attachments, the whole body. If none is, the message can't be mended. At most
 * REPLACE_ALONE_MAX are tried alone.
 */
#define REPLACE_ALONE_MAX 32

struct replace_search {
        const struct mime *mime;
        const char *notice;
        unsigned stage; /* zero to begin with, as the others */
        size_t at, n_alone;
};

/* 1: the next plan, which is the caller's; 0: there is none; -ENOMEM. */
int replace_next(struct replace_search *search, struct replace_plan **ret);
