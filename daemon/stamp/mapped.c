/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the memory of one message. */

#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/stamp/stamp.h"

#define INPUT_MAX (UINT64_C(2047) << 20) /* libclamav maps nothing beyond 2 GiB */

void mapped_close(struct mapped *mapped) {
        if (mapped->size > 0)
                (void)munmap((void *)(uintptr_t)mapped->data, mapped->size);
        mapped->fd = close_fd(mapped->fd);
        mapped->size = 0;
}

static int map(int fd, struct mapped *ret) {
        struct stat st;
        void *p;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        ret->data = (const uint8_t *)"";
        if (st.st_size == 0)
                return 0;
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        ret->data = p;
        ret->size = (size_t)st.st_size;
        return 0;
}

/* Others may write to the file while it is looked at: a copy is judged, not the file. */
static int copy(int from, struct mapped *ret) {
        _cleanup_close_ int fd = memfd_create("message", MFD_CLOEXEC);
        uint64_t total = 0;
        int r;

        if (fd < 0)
                return -errno;
        for (;;) {
                char buffer[65536];
                ssize_t n = read(from, buffer, sizeof(buffer));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                total += (uint64_t)n;
                if (total > INPUT_MAX)
                        return -EFBIG;
                for (ssize_t done = 0; done < n;) {
                        ssize_t k = write(fd, buffer + done, (size_t)(n - done));

                        if (k < 0)
                                return -errno;
                        done += k;
                }
        }
        r = map(fd, ret);
        if (r == 0)
                ret->fd = TAKE_FD(fd);
        return r;
}

int mapped_file(int fd, struct mapped *ret) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? copy(fd, ret) : -EMEDIUMTYPE;
}

int mapped_input(struct mapped *ret) {
        return copy(STDIN_FILENO, ret);
}
