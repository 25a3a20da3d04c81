/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the copy of a file's content: mapped memory, so that it goes back to the kernel at once. */

#include "daemon/worker/content.h"

#include <sys/mman.h>

#include "store/util.h"

#define CHUNK_SIZE (UINT64_C(256) << 10) /* is digested while it is in the cache */

DEFINE_CLEANUP(struct digest_ctx *, digest_free);

int content_from_memory(const void *data, uint64_t size, struct content *ret) {
        int r = digest_buffer(data, size, ret->digest);

        if (r < 0)
                return r;
        ret->data = data;
        ret->size = size;
        ret->copy = NULL;
        return 0;
}

static int read_and_digest(int fd, uint8_t *to, uint64_t size, uint8_t digest[static DIGEST_SIZE]) {
        _cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();

        if (!ctx)
                return -ENOMEM;
        for (uint64_t at = 0; at < size;) {
                ssize_t n = pread(fd, to + at, (size_t)MIN(CHUNK_SIZE, size - at), (off_t)at);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ENODATA;
                r = digest_update(ctx, to + at, (size_t)n);
                if (r < 0)
                        return r;
                at += (uint64_t)n;
        }
        return digest_final(ctx, digest);
}

int content_from_fd(int fd, uint64_t size, struct content *ret) {
        void *copy;
        int r;

        if (size == 0)
                return content_from_memory("", 0, ret);
        copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (copy == MAP_FAILED)
                return -errno;
        r = read_and_digest(fd, copy, size, ret->digest);
        if (r < 0) {
                (void)munmap(copy, size);
                return r;
        }
        ret->data = ret->copy = copy;
        ret->size = size;
        return 0;
}

void content_release(struct content *content) {
        if (content->copy)
                (void)munmap(content->copy, content->size);
        *content = (struct content){};
}
