/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The canonical digest of a message: the same for every copy that delivery makes of it (LMTP, LDA;
 * Maildir, mbox, dbox, Cyrus; LF or CRLF), so that what was scanned once is known everywhere. A
 * verdict travels by this digest, hence the other half of the contract: two messages that some mail
 * reader or scanner, however lenient, could take for different things never share one.
 *
 * A header of up to 64 KiB in which every line is regular is hashed field by field: "relaxed" as in
 * RFC 6376 3.4.2 (names in lower case, folds and runs of blanks as one space), in their order, but
 * for the fields that delivery writes, which are left out. The body is hashed as "simple" (RFC 6376
 * 3.4.3: ends of lines as CRLF, empty lines at the end dropped). Anything else: the whole message
 * is hashed as it stands, to the byte.
 *
 * What is left out: Return-Path, Delivered-To, X-Original-To, Envelope-To, Delivery-Date, Received,
 * X-Sieve, X-Cyrus-Session-Id; X-UID, X-UIDL, Status, X-Status, X-Keywords, X-IMAPbase, X-IMAP; and
 * Content-Length, if it says what is true.
 *
 * The attacks that the rules stop (each has its test in test-canon.c):
 *  - blanks in boundary="a  b": fields whose name, of its letters, holds "content", "mime" or
 *    "encoding" are hashed as they stand but for ends of lines.
 *  - A field hidden in a continuation line, for readers that trim lines: a field with such a line
 *    is hashed likewise, and never left out. A continuation line that begins with "--" (a boundary)
 *    or "begin " (uuencode), or is blank (the end of the header): irregular.
 *  - "Content-Type :", lines without a colon, From_ lines, a missing empty line, bare CR, NUL and
 *    other control characters, ends of lines of both kinds, a last line without end: irregular, so
 *    that nobody's idea of where the body begins makes a left-out line part of it.
 *  - A field pushed to where a reader's line buffer ends (libclamav's is 1000 bytes): lines above
 *    500 bytes are neither left out nor have their blanks collapsed.
 *  - A header stuffed with fields that are left out until a reader gives up: at most 100 of them,
 *    2 KiB each, 32 KiB together; at most 500 fields.
 *  - Continuation lines of a left-out field that a reader which skips just its first line joins to
 *    a content field before it: irregular.
 *  - A file's magic ("GIF89a: x") hidden by a left-out line before it, or by letters' case: unless
 *    the first field that is kept is a usual one of mail, it is hashed as it stands, and whether
 *    something stood before it is hashed too.
 *  - Content-Length that makes a reader stop early: left out only if, in bytes as they stand, it
 *    ends in the empty lines at the end of the body.
 *  - Binary parts (Content-Transfer-Encoding: binary), which LF and CRLF make different files: with
 *    control characters or a bare CR in the body, the kind of its ends of lines is hashed. So are
 *    the places where the kind changes, always.
 *  - A header that looks like another one's body: the input of SHA-256 can be read back in one way
 *    only; forms have different tags.
 * What remains, and only signatures could tell apart: what stands in the fields that are left out
 * (a signature for a Received line finds it in the copy that is scanned), and text in LF and CRLF or
 * with empty lines at its end, which is the same text here (a signature that is a hash of a whole
 * text part).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/digest.h"

/* Raise it with every change of the rules; is part of what is hashed, and callers mix it into what
 * they store, so that no digest of other rules is taken for one of these. */
#define CANON_VERSION 1

enum canon_form {
        CANON_MESSAGE, /* RFC 5322; without mbox's From_ line, unpacked */
        CANON_RAW,     /* opaque bytes, as detached attachments: never equals a message's digest */
};

struct canon;

/* NULL: no memory. It takes about 130 KiB, whatever the size of the message. */
struct canon *canon_new(enum canon_form form);
struct canon *canon_free(struct canon *canon);

/* The next bytes, in pieces of any size. 0, -ENOMEM or -EIO (libcrypto); after a failure only
 * canon_free() may follow. */
int canon_update(struct canon *canon, const void *data, size_t size);

/* Ends it; only canon_free() may follow. 0, -ENOMEM or -EIO. */
int canon_final(struct canon *canon, uint8_t ret_digest[static DIGEST_SIZE]);

/* After canon_final(): whether the message was regular; else any copy with another trace header has
 * another digest. */
bool canon_is_regular(const struct canon *canon);

/* Whole buffer at once. */
int canon_buffer(enum canon_form form, const void *data, size_t size,
                 uint8_t ret_digest[static DIGEST_SIZE]);
