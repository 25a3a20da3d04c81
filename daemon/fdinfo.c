/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lines of the kernel's fs/notify/fdinfo.c:
 *
 *     fanotify flags:3f event-flags:...
 *     fanotify ino:2 sdev:700010 mflags:0 mask:10000 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:02...
 *     fanotify sdev:700010 mflags:0 mask:10000 ignored_mask:0
 */

#include "daemon/fdinfo.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#define HEAD_SIZE 512

static int open_info(int group) {
        char path[sizeof("/proc/self/fdinfo/") + 3 * sizeof(int)];
        int fd;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", group);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int fdinfo_read(int group, char **ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = open_info(group);
        size_t size = 0, room = 0;
        ssize_t n;

        if (fd < 0)
                return fd;
        do {
                if (room - size < 4096) {
                        char *grown = realloc(text, room * 2 + 8192);

                        if (!grown)
                                return -ENOMEM;
                        text = grown;
                        room = room * 2 + 8192;
                }
                n = read(fd, text + size, room - size - 1);
                if (n < 0)
                        return -errno;
                size += (size_t)n;
        } while (n > 0);
        text[size] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

/* The hexadecimal number behind a key in a line; false: it is not there. */
static bool find_number(const char *line, const char *key, uint64_t *ret) {
        const char *p = strstr(line, key);

        return p && sscanf(p + strlen(key), "%" SCNx64, ret) == 1;
}

static int digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void find_handle(const char *line, struct fdinfo_mark *ret) {
        const char *p = strstr(line, " f_handle:");
        uint64_t type, size;

        if (!p || !find_number(line, " fhandle-type:", &type) ||
            !find_number(line, " fhandle-bytes:", &size) || size > CHANGES_HANDLE_MAX)
                return;
        p += strlen(" f_handle:");
        for (uint64_t i = 0; i < size; i++, p += 2) {
                int high = digit(p[0]), low = high < 0 ? -1 : digit(p[1]);

                if (low < 0)
                        return;
                ret->handle[i] = (uint8_t)(high << 4 | low);
        }
        ret->type = (int32_t)type;
        ret->size = (uint32_t)size;
}

static bool parse(const char *line, struct fdinfo_mark *ret) {
        uint64_t dev, ino;

        *ret = (struct fdinfo_mark){};
        /* A mount's has none; ours are never on mounts. */
        if (!startswith(line, "fanotify ") || !find_number(line, " sdev:", &dev) ||
            !find_number(line, " mask:", &ret->mask) ||
            !find_number(line, " ignored_mask:", &ret->ignored))
                return false;
        ret->filesystem = !find_number(line, " ino:", &ino);
        ret->dev = dev >> 20 << 32 |
                   (dev & 0xFFFFF); /* the kernel's own form, include/linux/kdev_t.h */
        if (!ret->filesystem)
                find_handle(line, ret);
        return true;
}

void fdinfo_marks(const char *text, fdinfo_fn fn, void *userdata) {
        char line[512];

        while (*text) {
                size_t n = strcspn(text, "\n");
                struct fdinfo_mark mark;

                if (n < sizeof(line)) {
                        memcpy(line, text, n);
                        line[n] = '\0';
                        if (parse(line, &mark))
                                fn(userdata, &mark);
                }
                text += n + (text[n] != '\0');
        }
}

/* The line of flags; cut off the text. */
static const char *find_make(char *text) {
        char *make = strstr(text, "fanotify flags:");

        if (make)
                make[strcspn(make, "\n")] = '\0';
        return make;
}

/* It comes before the marks, of which there may be very many. */
static const char *read_make(int group, char text[static HEAD_SIZE]) {
        _cleanup_close_ int fd = open_info(group);
        ssize_t n = fd >= 0 ? read(fd, text, HEAD_SIZE - 1) : -1;

        if (n <= 0)
                return NULL;
        text[n] = '\0';
        return find_make(text);
}

static bool same_make(int a, int b) {
        char text_a[HEAD_SIZE], text_b[HEAD_SIZE];
        const char *make_a = read_make(a, text_a), *make_b = read_make(b, text_b);

        return make_a && make_b && strcmp(make_a, make_b) == 0;
}

static void *close_thread(void *userdata) {
        close_fd((int)(intptr_t)userdata);
        return NULL;
}

/* Without waiting: the kernel takes some ten milliseconds for that. */
static void close_elsewhere(int group) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, close_thread, (void *)(intptr_t)group) != 0)
                close_fd(group);
        else
                (void)pthread_detach(thread);
}

bool fdinfo_prefer(int kept, int *group) {
        if (kept < 0 || !same_make(kept, *group))
                return false;
        close_elsewhere(*group);
        *group = kept;
        return true;
}

int fdinfo_open(const struct fdinfo_mark *mark, int mount) {
        union {
                struct file_handle handle;
                char buf[sizeof(struct file_handle) + CHANGES_HANDLE_MAX];
        } h = { .handle = { .handle_bytes = mark->size, .handle_type = mark->type } };
        int fd;

        if (mark->size == 0)
                return -EOPNOTSUPP;
        memcpy(h.handle.f_handle, mark->handle, mark->size);
        fd = open_by_handle_at(mount, &h.handle, O_PATH | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}
