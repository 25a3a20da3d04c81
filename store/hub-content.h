/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a stamp in a header (hub-stamp.h) covers: two digests of a message that are the same when a
 * hub has it and when it lies in a store, and never the same for messages that some reader or
 * scanner, however lenient, could take for different things.
 *
 * Body: "simple" as in RFC 6376 3.4.3 (ends of lines as CRLF, empty lines at the end dropped). A body
 * whose ends of lines are not all of one kind, or that holds what text does not, has no digest: there
 * it matters which ends of lines a reader sees.
 *
 * Header: From, Subject, Date and Message-ID, "relaxed" as in RFC 6376 3.4.2; and, in the order in
 * which they stand, every field about the content (whose name, or the name of what looks like a
 * field in one of its continuation lines, holds "content", "mime" or "encoding"), duplicates
 * included, as it stands but for the blanks behind its colon, since blanks in a boundary count. A
 * Content-Length that says what is true is left out. All that, of a header in which every line is
 * regular (canon.h). Of any other header nothing is left out but the regular fields at its top that
 * delivery writes, and what remains is taken to the byte, but for its ends of lines. A header
 * larger than 64 KiB has no digest.
 *
 * Only fields of the message's own header are stamps: one in a part of it, or in an irregular header
 * below its top, is content like any other.
 */

#include "store/hub-stamp.h"

#define HUB_HEADER_MAX (64 * 1024)

/* Fixed widths and no padding but the reserved: workers send it to the gate as it is. */
struct hub_found {
        uint8_t check; /* enum hub_check: GOOD, OVERSIZE, MALFORMED, VERSION or DUPLICATE */
        uint8_t reserved[7];
        struct hub_stamp stamp; /* if GOOD, else zero */
};

struct hub_content {
        uint8_t check; /* enum hub_check: GOOD; ABSENT: no stamps; MANY: there are more than have
                        * room; IRREGULAR: no digests */
        uint8_t n_found;
        uint8_t reserved[6];
        uint8_t body[DIGEST_SIZE], header[DIGEST_SIZE]; /* if GOOD, else zero */
        struct hub_found found[HUB_STAMPS_MAX];         /* from the top; those beyond are zero */
};

/* Looks for stamps in a message and, if there are any, for its digests. 0 or -errno (no memory,
 * libcrypto refused). */
int hub_content_read(const uint8_t *data, size_t size, struct hub_content *ret);

/* Digests for a stamp that is to be made. GOOD or IRREGULAR: no stamp can cover it. Negative errno. */
int hub_content_digest(const uint8_t *data, size_t size, uint8_t ret_body[static DIGEST_SIZE],
                       uint8_t ret_header[static DIGEST_SIZE]);

/* Whether every field is in range: of what came from elsewhere. */
bool hub_content_ok(const struct hub_content *content);

/* Compares the digests of the content with those of a stamp in it: GOOD, HEADER or BODY. */
enum hub_check hub_content_check(const struct hub_content *content, const struct hub_stamp *stamp);
