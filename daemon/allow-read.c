/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing but the descriptor while it reads. */

#include "daemon/allow-read.h"

#include <fcntl.h>
#include <sys/stat.h>

#define TEXT_MAX ((size_t)ALLOWED_MAX * ALLOWED_LINE_MAX)

int allow_read(int folder, struct allowed *ret, unsigned *ret_line) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t size = 0;
        struct stat st;

        fd = openat(folder, ALLOW_FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                *ret = (struct allowed){};
                return 0;
        }
        if (fd < 0 || fstat(fd, &st) < 0)
                return errno == ELOOP ? -EMEDIUMTYPE : -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        if (st.st_size < 0 || (uint64_t)st.st_size > TEXT_MAX)
                return -E2BIG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (size < (size_t)st.st_size) {
                ssize_t n = read(fd, text + size, (size_t)st.st_size - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        return allowed_parse(text, size, ret, ret_line);
}
