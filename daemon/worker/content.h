/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The bytes that are judged. What is digested is what is scanned: of a file a copy is taken, since
 * whoever writes to it meanwhile could else have one content vouched for by another's verdict.
 */

#include <stdint.h>

struct content {
        const uint8_t *data;
        uint64_t size;
        void *copy; /* of a file; NULL: data belongs to somebody else */
        uint64_t capacity;
};

/* Reads size bytes of fd from offset on. Memory that content already has is used again.
 * -ENODATA: it is shorter (now). Other errors: as of pread(2) and mmap(2); content is then as it
 * was, but for its bytes. */
int content_read(int fd, uint64_t offset, uint64_t size, struct content *content);

/* Gives much memory back at once; for whoever is going to read on. The bytes are gone. */
void content_trim(struct content *content);

void content_release(struct content *content);
