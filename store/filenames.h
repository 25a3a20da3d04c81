/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The names that files have in a part's header, in its fields about the content, in every spelling that some reader understands:
 * name and filename, quoted or not, in pieces (RFC 2231), percent-encoded, as encoded words (RFC 2047,
 * B and Q). Made of hostile bytes: for sandboxed processes. Meant to find too much rather than too
 * little: nothing may be decided by it but that something is not wanted.
 */

#include <stddef.h>

#define FILENAME_SIZE_MAX 2048 /* the rest of a longer one is left out, from its middle */

typedef void (*filename_fn)(void *userdata, const char *name, size_t size);

/* Calls found for each name in size bytes of header, and for each form that it can be read in. */
void filenames_read(const void *header, size_t size, filename_fn found, void *userdata);
