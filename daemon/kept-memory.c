/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. Must not know what the memory is for. */

#include "daemon/kept-memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/util.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int map(int fd, size_t size, void **ret) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (memory == MAP_FAILED)
                return -errno;
        *ret = memory;
        return 0;
}

int kept_memory_new(const char *name, size_t size, int *ret_fd, void **ret_memory) {
        _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        r = map(fd, size, ret_memory);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int kept_memory_take(int fd, size_t size, void **ret_memory) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        if (fstat(fd, &st) < 0 || st.st_size != (off_t)size || seals < 0 ||
            (seals & SEALS) != SEALS)
                return -EBADMSG;
        return map(fd, size, ret_memory);
}
