/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Parts of files, whole, by their place. Header only; owns no state. */

#include <sys/types.h>

#include "store/util.h"

/* 0, -ENODATA when the file ends before, or negative errno. */
static inline int read_at(int fd, void *data, size_t size, uint64_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, (char *)data + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                done += (size_t)n;
        }
        return 0;
}

static inline int write_at(int fd, const void *data, size_t size, uint64_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n =
                        pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t)n;
        }
        return 0;
}
