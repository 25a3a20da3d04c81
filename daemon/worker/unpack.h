/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mail that a mail server keeps compressed (Dovecot's zlib plugin, Zimbra, Kopano): known by how it
 * begins, never by name, and unpacked in memory. Only for sandboxed processes.
 *
 * What was unpacked is to be scanned besides the stored bytes, not instead of them: a server
 * without the plugin serves those as they are, and gzip's name and extra fields, or an lz4 frame that
 * Dovecot takes for plain mail, hold whatever their author likes. For the same reason a digest of the unpacked message
 * vouches for nothing but that: the item's own is CANON_RAW of the stored bytes (store/canon.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unpack_outcome {
        UNPACK_PLAIN = 1, /* not compressed */
        UNPACK_DONE,      /* all of it, to its end, checksums and all */
        UNPACK_TOO_LARGE, /* beyond max_size, memory that a decoder may take, or number of members */
        UNPACK_BROKEN,    /* damaged, truncated, or followed by something else */
};

struct unpacked {
        const char *method; /* "gzip", "bzip2", "xz", "zstd", "lz4", "dovecot-lz4" */
        uint8_t *data;      /* mapped memory that belongs to this struct; NULL: none */
        uint64_t size;      /* after TOO_LARGE and BROKEN: of what came out before */
        uint64_t capacity;
        unsigned members;    /* concatenated ones; all are unpacked */
        uint64_t first_size; /* of what came out of the first: Dovecot reads no other of bzip2 */
};

/* How size bytes at data are packed, or NULL when they are not. It is what Dovecot takes for packed
 * (lib-compression/compression.c), and lz4's own frames. */
const char *unpack_method(const uint8_t *data, size_t size);

/* Unpacks up to max_size bytes. Decoders take up to some 130 MiB beyond that (zstd's window; others
 * 80), as much as Dovecot lets them. Returns enum unpack_outcome, and the caller owns what came
 * out; or -ENOMEM, with ret untouched. */
int unpack(const uint8_t *data, size_t size, uint64_t max_size, struct unpacked *ret);

void unpack_release(struct unpacked *unpacked);

/* Dovecot's mail_crypt plugin: no key, no scan. */
bool mail_is_crypted(const uint8_t *data, size_t size);
