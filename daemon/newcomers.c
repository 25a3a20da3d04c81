/* SPDX-License-Identifier: Apache-2.0 */

/* Owns: one inotify fd, and the table from its watch numbers to folders' handles. Knows nothing of
 * stores or marks. */

#include "daemon/newcomers.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/queue.h>

#include "daemon/late-close.h"
#include "daemon/proc-fd.h"

#define BUCKETS 1024
#define MASK    (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
#define FILES   IN_CLOSE_WRITE

struct watched {
        LIST_ENTRY(watched) link;
        int wd;
        bool files;
        char *mount;
        struct {
                struct file_handle head;
                unsigned char bytes[MAX_HANDLE_SZ];
        } handle;
};

struct newcomers {
        int fd;
        LIST_HEAD(, watched) buckets[BUCKETS];
};

static struct watched *find(struct newcomers *n, int wd) {
        struct watched *w;

        LIST_FOREACH(w, &n->buckets[(unsigned)wd % BUCKETS], link)
                if (w->wd == wd)
                        return w;
        return NULL;
}

static void forget(struct watched *w) {
        LIST_REMOVE(w, link);
        free(w->mount);
        free(w);
}

int newcomers_new(struct newcomers **ret) {
        struct newcomers *n = calloc(1, sizeof(*n));

        if (!n)
                return -ENOMEM;
        n->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (n->fd < 0) {
                int r = -errno;

                free(n);
                return r;
        }
        late_close_hold(n->fd);
        *ret = n;
        return 0;
}

struct newcomers *newcomers_free(struct newcomers *n) {
        struct watched *w;

        if (!n)
                return NULL;
        for (size_t i = 0; i < BUCKETS; i++)
                while ((w = LIST_FIRST(&n->buckets[i])))
                        forget(w);
        late_close(n->fd);
        free(n);
        return NULL;
}

int newcomers_fd(const struct newcomers *n) {
        return n->fd;
}

int newcomers_watch(struct newcomers *n, int fd, const char *mount, bool files) {
        char link[PROC_FD_MAX];
        struct watched *w = calloc(1, sizeof(*w)), *before;
        int mount_id, r;

        if (!w)
                return -ENOMEM;
        w->handle.head.handle_bytes = MAX_HANDLE_SZ;
        w->mount = strdup(mount);
        w->files = files;
        if (!w->mount)
                r = -ENOMEM;
        else if (name_to_handle_at(fd, "", &w->handle.head, &mount_id, AT_EMPTY_PATH) < 0 ||
                 (w->wd = inotify_add_watch(n->fd, proc_fd_link(fd, link),
                                            files ? MASK | FILES : MASK)) < 0)
                r = -errno;
        else {
                before = find(n, w->wd);
                if (before)
                        forget(before); /* a second walk came by: for another store, maybe */
                LIST_INSERT_HEAD(&n->buckets[(unsigned)w->wd % BUCKETS], w, link);
                return 0;
        }
        free(w->mount);
        free(w);
        return r;
}

void newcomers_unwatch(struct newcomers *n, int fd) {
        char link[PROC_FD_MAX];
        /* The number of the watch; no other way tells it. */
        int wd = inotify_add_watch(n->fd, proc_fd_link(fd, link), MASK);
        struct watched *w = find(n, wd);

        if (wd >= 0)
                (void)inotify_rm_watch(n->fd, wd);
        if (w)
                forget(w);
}

static void tell(struct watched *w, const struct inotify_event *e, newcomers_fn came,
                 void *userdata) {
        enum newcomers_what what = e->mask & IN_ISDIR                         ? NEWCOMERS_FOLDER
                                   : e->mask & (IN_MOVED_TO | IN_CLOSE_WRITE) ? NEWCOMERS_DELIVERED
                                                                              : NEWCOMERS_CREATED;
        _cleanup_close_ int mount = open(w->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int parent = -EBADF;

        if (mount < 0)
                return;
        parent = open_by_handle_at(mount, &w->handle.head, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent >= 0)
                came(userdata, parent, e->name, w->mount, what);
}

bool newcomers_take(struct newcomers *n, newcomers_fn came, void *userdata) {
        char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool lost = false;
        ssize_t size;

        while ((size = read(n->fd, buf, sizeof(buf))) > 0) {
                const char *p = buf;

                while (p < buf + size) {
                        const struct inotify_event *e = (const void *)p;
                        struct watched *w = find(n, e->wd);

                        p += sizeof(*e) + e->len;
                        if (e->mask & IN_Q_OVERFLOW)
                                lost = true;
                        else if (w && e->mask & IN_IGNORED)
                                forget(w);
                        else if (w && (e->mask & IN_ISDIR || w->files) && e->len > 0)
                                tell(w, e, came, userdata);
                }
        }
        return lost;
}
