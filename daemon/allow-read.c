/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing but the descriptor while it reads. */

#include "daemon/allow-read.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/io.h"

#define TEXT_MAX ((size_t)ALLOWED_MAX * ALLOWED_LINE_MAX)

int allow_read(int folder, struct allowed *ret, unsigned *ret_line) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        ssize_t size;
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
        size = read_full(fd, text, (size_t)st.st_size);
        if (size < 0)
                return (int)size;
        return allowed_parse(text, (size_t)size, ret, ret_line);
}
