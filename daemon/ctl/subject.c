/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opening and reading one file for the stamp verbs. Must not print, and must not judge: see
 * check.c.
 */

#include "daemon/ctl/subject.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "store/util.h"

/* Number of the initial user namespace: include/linux/proc_ns.h, PROC_USER_INIT_INO. */
#define USER_NAMESPACE_INITIAL 0xeffffffdU

int subject_may_see_stamps(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
        struct stat st;

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        if (!(data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN)))
                return -EPERM;
        if (stat("/proc/self/ns/user", &st) == 0 && st.st_ino != USER_NAMESPACE_INITIAL)
                return -EPERM;
        return 0;
}

/* The name of the found file for calls that take no O_PATH descriptor. */
static const char *fd_path(int fd, char buf[static 32]) {
        (void)snprintf(buf, 32, "/proc/self/fd/%d", fd);
        return buf;
}

int subject_open(const char *path, struct subject *ret) {
        struct subject s = { .path = path };
        _cleanup_close_ int fd = -EBADF;
        char buf[32];
        ssize_t n;

        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &s.st) < 0)
                return -errno;
        if (S_ISDIR(s.st.st_mode))
                return -EISDIR;
        if (!S_ISREG(s.st.st_mode))
                return -EMEDIUMTYPE;

        n = getxattr(fd_path(fd, buf), STAMP_XATTR, s.text, sizeof(s.text));
        if (n < 0 && errno != ENODATA && errno != ERANGE)
                return -errno;
        if (n < 0)
                s.text_error = -errno;
        else {
                s.text_size = (size_t)n;
                s.parse_error = stamp_parse(s.text, s.text_size, &s.stamp);
        }

        s.fd = TAKE_FD(fd);
        *ret = s;
        return 0;
}

void subject_close(struct subject *subject) {
        subject->fd = close_fd(subject->fd);
}

int subject_digest(struct subject *subject) {
        struct digest_ctx *ctx = NULL;
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *buf = NULL;
        const size_t size = 128 * 1024;
        char path[32];
        int r = 0;

        /* O_NOATIME: looking at mail must not make it look read. */
        fd = open(fd_path(subject->fd, path), O_RDONLY | O_CLOEXEC | O_NOATIME);
        if (fd < 0)
                return -errno;
        buf = malloc(size);
        ctx = digest_new();
        if (!buf || !ctx) {
                digest_free(ctx);
                return -ENOMEM;
        }
        for (;;) {
                ssize_t n = read(fd, buf, size);

                if (n < 0 && errno == EINTR)
                        continue;
                r = n < 0    ? -errno
                    : n == 0 ? digest_final(ctx, subject->digest)
                             : digest_update(ctx, buf, (size_t)n);
                if (r < 0 || n == 0)
                        break;
        }
        digest_free(ctx);
        subject->has_digest = r == 0;
        return r;
}

int subject_clear(const struct subject *subject) {
        char path[32];

        return removexattr(fd_path(subject->fd, path), STAMP_XATTR) < 0 ? -errno : 0;
}
