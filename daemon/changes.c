/* SPDX-License-Identifier: Apache-2.0 */

/* Owns group M. Must not know what the files are, nor open any. */

#include "daemon/changes.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "daemon/fan-event.h"
#include "daemon/fdinfo.h"

/* Of one event with its file handle (MAX_HANDLE_SZ: 128 bytes): twice what it can be. */
#define EVENT_MAX 512

struct changes {
        int group;
        bool kept;
};

int changes_new(int kept, struct changes **ret) {
        struct changes *changes = calloc(1, sizeof(*changes));

        if (!changes)
                return -ENOMEM;
        changes->group =
                fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK |
                                      FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                              O_RDONLY | O_LARGEFILE | O_CLOEXEC);
        if (changes->group < 0) {
                int r = -errno;

                free(changes);
                return r;
        }
        changes->kept = fdinfo_prefer(kept, &changes->group);
        *ret = changes;
        return 0;
}

bool changes_is_kept(const struct changes *changes) {
        return changes->kept;
}

struct changes *changes_free(struct changes *changes) {
        if (!changes)
                return NULL;
        close_fd(changes->group);
        free(changes);
        return NULL;
}

int changes_mark_filesystem(const struct changes *changes, int fd) {
        return fanotify_mark(changes->group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, fd,
                             NULL) < 0
                       ? -errno
                       : 0;
}

int changes_mark_folder(const struct changes *changes, int fd) {
        return fanotify_mark(changes->group, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
                             FAN_MODIFY | FAN_EVENT_ON_CHILD, fd, NULL) < 0
                       ? -errno
                       : 0;
}

void changes_key(int fd, struct changes_key *ret) {
        union {
                struct file_handle handle;
                char buf[sizeof(struct file_handle) + CHANGES_HANDLE_MAX];
        } h = { .handle.handle_bytes = CHANGES_HANDLE_MAX };
        struct statfs fs;
        int mount;

        memset(ret, 0, sizeof(*ret));
        if (fstatfs(fd, &fs) < 0 || name_to_handle_at(fd, "", &h.handle, &mount, AT_EMPTY_PATH) < 0)
                return;
        memcpy(&ret->fsid, &fs.f_fsid, sizeof(ret->fsid));
        ret->type = h.handle.handle_type;
        ret->size = h.handle.handle_bytes;
        memcpy(ret->handle, h.handle.f_handle, ret->size);
}

bool changes_key_equal(const struct changes_key *a, const struct changes_key *b) {
        return a->size == b->size && a->type == b->type && a->fsid == b->fsid &&
               memcmp(a->handle, b->handle, a->size) == 0;
}

static bool key_of(const struct fanotify_event_metadata *event, struct changes_key *ret) {
        const struct fanotify_event_info_fid *info =
                (const void *)((const char *)event + event->metadata_len);
        const struct file_handle *handle = (const void *)info->handle;

        if (event->event_len < event->metadata_len + sizeof(*info) + sizeof(*handle) ||
            info->hdr.info_type != FAN_EVENT_INFO_TYPE_FID ||
            handle->handle_bytes > CHANGES_HANDLE_MAX ||
            event->event_len <
                    event->metadata_len + sizeof(*info) + sizeof(*handle) + handle->handle_bytes)
                return false;
        memset(ret, 0, sizeof(*ret));
        memcpy(&ret->fsid, &info->fsid, sizeof(ret->fsid));
        ret->type = handle->handle_type;
        ret->size = handle->handle_bytes;
        memcpy(ret->handle, handle->f_handle, ret->size);
        return true;
}

int changes_fd(const struct changes *changes) {
        return changes->group;
}

/* Reads once; returns the number of bytes and, in *left, what is left of it in events. */
static ssize_t take(struct changes *changes, changes_fn fn, void *userdata, int *left) {
        char buf[4096];
        ssize_t size = read(changes->group, buf, sizeof(buf));
        size_t n = size > 0 ? (size_t)size : 0;
        union fan_event event;

        for (const char *at = buf; fan_event_next(&at, &n, &event);) {
                struct changes_key key;

                *left -= (int)sizeof(event.metadata);
                if (event.metadata.mask & FAN_MODIFY && key_of(&event.metadata, &key))
                        fn(userdata, &key, event.metadata.pid);
        }
        /* With room left for another one there was none. */
        return size > (ssize_t)(sizeof(buf) - EVENT_MAX) ? size : 0;
}

void changes_drain(struct changes *changes, changes_fn fn, void *userdata) {
        int left = 0;

        if (take(changes, fn, userdata, &left) <= 0)
                return;
        /* What is queued now, and no more: writers may be faster than we are. FIONREAD counts the
         * metadata of events, whatever their handles take. */
        if (ioctl(changes->group, FIONREAD, &left) < 0)
                left = INT_MAX;
        while (left > 0 && take(changes, fn, userdata, &left) > 0)
                ;
}
