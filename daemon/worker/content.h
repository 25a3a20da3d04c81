/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The bytes of one item, and their digest. What is digested is what is scanned: of a file a copy is
 * taken, since whoever writes to it meanwhile could else have one content vouched for by another's
 * verdict.
 */

#include <stdint.h>

#include "store/digest.h"

struct content {
        const uint8_t *data;
        uint64_t size;
        uint8_t digest[DIGEST_SIZE];
        void *copy; /* of a file; NULL: data belongs to somebody else */
};

/* Memory that nobody writes to before content_release(). 0 or negative errno. */
int content_from_memory(const void *data, uint64_t size, struct content *ret);

/* The first size bytes of fd. -ENODATA: it is shorter (now). Other errors: as of pread(2) and
 * mmap(2). */
int content_from_fd(int fd, uint64_t size, struct content *ret);

void content_release(struct content *content);
