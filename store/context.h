/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a log event tells of a message, so that an admin finds it in mail logs and mailboxes. Made
 * of hostile bytes: for sandboxed processes. It is for eyes only; nothing may be decided by it.
 */

#include <stddef.h>

/* How much of a message's beginning is looked at. */
#define CONTEXT_LOOKED ((size_t)16 * 1024)

/* Sizes with the NUL. */
#define CONTEXT_MESSAGE_ID_SIZE 128
#define CONTEXT_FROM_SIZE       128
#define CONTEXT_SUBJECT_SIZE    192

/* One line of valid, printable UTF-8 each; "": there is no such field, or it is empty. */
struct context {
        char message_id[CONTEXT_MESSAGE_ID_SIZE];
        char from[CONTEXT_FROM_SIZE];
        char subject[CONTEXT_SUBJECT_SIZE];
};

/* Reads the header that size bytes at data begin with (mbox's From_ line is passed over). Of fields
 * that come twice the first that is not empty counts. Values are unfolded; in From and Subject
 * encoded words are decoded (RFC 2047, B and Q, of UTF-8, US-ASCII and ISO-8859-1; others stay as
 * they are). What is not valid UTF-8, can't be seen, moves the cursor or changes the direction of
 * writing becomes '?', one for each byte or character. What is too long is cut at the end of a
 * character. */
void context_read(const void *data, size_t size, struct context *ret);
