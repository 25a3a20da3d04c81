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

#include "store/canon.h"
#include "store/reader.h"
#include "store/util.h"

#define BUFFER_SIZE ((size_t)128 << 10)

DEFINE_CLEANUP(struct canon *, canon_free);
DEFINE_CLEANUP(struct reader *, reader_free);

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
        if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != ERANGE)
                return -errno;
        /* Where there are no such attributes there is no stamp. */
        if (n < 0)
                s.text_error = errno == EOPNOTSUPP ? -ENODATA : -errno;
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

/* Digests of size bytes from offset on. 0 or negative errno. */
static int digest_range(int fd, enum canon_form form, uint64_t offset, uint64_t size,
                        uint8_t ret[static DIGEST_SIZE]) {
        _cleanup_free_ char *buf = malloc(BUFFER_SIZE);
        _cleanup_(canon_freep) struct canon *canon = canon_new(form);

        if (!buf || !canon)
                return -ENOMEM;
        while (size > 0) {
                ssize_t n = pread(fd, buf, (size_t)MIN(size, (uint64_t)BUFFER_SIZE), (off_t)offset);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                r = canon_update(canon, buf, (size_t)n);
                if (r < 0)
                        return r;
                offset += (uint64_t)n;
                size -= (uint64_t)n;
        }
        return canon_final(canon, ret);
}

static ssize_t read_source(void *userdata, void *buf, size_t size, uint64_t offset) {
        ssize_t n = pread(*(int *)userdata, buf, size, (off_t)offset);

        return n < 0 ? -errno : n;
}

/* The message in a dbox file of one. False: it is something else. */
static bool find_dbox_message(int fd, uint64_t size, struct item *ret) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        const struct reader_source source = {
                .read = read_source,
                .userdata = &fd,
                .size = size,
        };
        struct item header, item;

        if (reader_new(READER_DBOX, &source, 0, 0, &reader) < 0 ||
            reader_next(reader, &header) != 1 || header.state != ITEM_HEADER ||
            reader_next(reader, &item) != 1 || item.state != ITEM_WHOLE)
                return false;
        *ret = item;
        return true;
}

static bool matches(const struct subject *subject) {
        return memcmp(subject->digest, subject->stamp.digest, STAMP_DIGEST_SIZE) == 0;
}

int subject_digest(struct subject *subject) {
        _cleanup_close_ int fd = -EBADF;
        struct item item;
        char path[32];
        int r;

        /* O_NOATIME: looking at mail must not make it look read. */
        fd = open(fd_path(subject->fd, path), O_RDONLY | O_CLOEXEC | O_NOATIME);
        if (fd < 0)
                return -errno;
        /* The stamp does not tell what the file was taken for. */
        r = digest_range(fd, CANON_RAW, 0, UINT64_MAX, subject->digest);
        if (r >= 0 && !matches(subject) &&
            find_dbox_message(fd, (uint64_t)subject->st.st_size, &item))
                r = digest_range(fd, CANON_MESSAGE, item.message_offset, item.message_size,
                                 subject->digest);
        if (r >= 0 && !matches(subject))
                r = digest_range(fd, CANON_MESSAGE, 0, UINT64_MAX, subject->digest);
        subject->has_digest = r >= 0;
        return MIN(r, 0);
}

int subject_clear(const struct subject *subject) {
        char path[32];

        return removexattr(fd_path(subject->fd, path), STAMP_XATTR) < 0 ? -errno : 0;
}
