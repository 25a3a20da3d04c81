/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A gzip member of a given size: so that a message which a mail server keeps compressed (Dovecot's
 * zlib plugin) can be overwritten in place, in a file whose offsets others know. Dovecot 2.3.19 and
 * gzip -t accept it.
 */

#include <stddef.h>
#include <stdint.h>

/* Compresses size bytes to exactly out_size bytes at out. What is missing is made up for by empty
 * stored blocks and a meaningless file name. 0; -ENOSPC: it can't be made that small; -ENOMEM; -EFBIG:
 * beyond what zlib takes at once. After a failure, out holds anything. */
int gzip_exact(const void *data, size_t size, uint8_t *out, size_t out_size);
