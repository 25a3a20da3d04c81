/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading and writing all of something, for who may wait for a disk. Header only; owns no state.
 */

#include <sys/types.h>

#include "store/util.h"

/* Reads from where fd is until size bytes came or its end. Their number, or negative errno. */
static inline ssize_t read_full(int fd, void *data, size_t size) {
        size_t got = 0;

        while (got < size) {
                ssize_t n = read(fd, (char *)data + got, size - got);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                got += (size_t)n;
        }
        return (ssize_t)got;
}

/* 0 or negative errno. */
static inline int write_full(int fd, const void *data, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t n = write(fd, (const char *)data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENOSPC;
                done += (size_t)n;
        }
        return 0;
}

/* From offset on. 0; -ENODATA when the file ends before; or negative errno. */
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

/* 0 or negative errno. */
static inline int write_at(int fd, const void *data, size_t size, uint64_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n =
                        pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENOSPC;
                done += (size_t)n;
        }
        return 0;
}
