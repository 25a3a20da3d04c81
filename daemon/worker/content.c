/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the copy of a file's content: mapped memory, so that it goes back to the kernel at once. */

#include "daemon/worker/content.h"

#include <sys/mman.h>

#include "store/util.h"

#define CAPACITY_MIN  (UINT64_C(64) << 10)
#define CAPACITY_KEPT (UINT64_C(4) << 20)

static int make_room(struct content *content, uint64_t size) {
        uint64_t capacity = MAX(content->capacity, CAPACITY_MIN);
        void *copy;

        if (size <= content->capacity)
                return 0;
        /* Doubled while that is little, so that items that grow slowly do not cost one mapping
         * each. */
        while (capacity < size && capacity < CAPACITY_KEPT)
                capacity *= 2;
        capacity = MAX(capacity, size);
        copy = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (copy == MAP_FAILED)
                return -errno;
        content_release(content);
        content->data = content->copy = copy;
        content->capacity = capacity;
        return 0;
}

int content_read(int fd, uint64_t offset, uint64_t size, struct content *content) {
        int r;

        content->size = 0;
        r = make_room(content, MAX(size, UINT64_C(1)));
        if (r < 0)
                return r;
        for (uint64_t at = 0; at < size;) {
                ssize_t n = pread(fd, (uint8_t *)content->copy + at, (size_t)(size - at),
                                  (off_t)(offset + at));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ENODATA;
                at += (uint64_t)n;
        }
        content->size = size;
        return 0;
}

void content_trim(struct content *content) {
        if (content->capacity > CAPACITY_KEPT)
                content_release(content);
}

void content_release(struct content *content) {
        if (content->copy)
                (void)munmap(content->copy, content->capacity);
        *content = (struct content){};
}
