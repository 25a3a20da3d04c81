/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns an inotify instance with a watch on the database itself and on each folder above it, by the
 * path as configured and by the one behind its links. Of the folders above only the one name counts
 * that leads to the database, of the database only names of signatures. Must not open a signature.
 *
 * A file is new when its writer closes it or renames it there; not when it is created, since it is
 * half-written then. Who goes on writing postpones what is due, for a while.
 */

#include "daemon/database-watch.h"

#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "daemon/late-close.h"
#include "daemon/signature-names.h"

#define SETTLE_USEC (1 * USEC_PER_SEC)
#define SETTLE_MAX  (30 * USEC_PER_SEC) /* behind the first of changes that do not end */

#define SELF_MASK                                                                           \
        (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY | IN_ATTRIB | \
         IN_DELETE_SELF | IN_MOVE_SELF)
#define ABOVE_MASK (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

struct watched {
        int wd;
        bool self;               /* the database; else a folder above it */
        char name[NAME_MAX + 1]; /* of what leads to it, in a folder above */
};

struct database_watch {
        int inotify;
        char path[PATH_MAX];
        struct watched *list;
        size_t n;
        bool lost;                      /* a watch went: aim again */
        uint64_t first_usec, last_usec; /* of changes that have not come to rest; 0: none */
};

/* ---- Watches ---- */

static void add(struct database_watch *watch, const char *path, bool self, const char *name) {
        int wd = inotify_add_watch(watch->inotify, path,
                                   (self ? SELF_MASK : ABOVE_MASK) | IN_MASK_ADD);
        struct watched *grown;

        if (wd < 0)
                return; /* what is above it tells when it comes */
        grown = reallocarray(watch->list, watch->n + 1, sizeof(*grown));
        if (!grown)
                return;
        watch->list = grown;
        grown[watch->n] = (struct watched){ .wd = wd, .self = self };
        if (name)
                snprintf(grown[watch->n].name, sizeof(grown[watch->n].name), "%s", name);
        watch->n++;
}

/* A path and the folders above it. */
static void add_chain(struct database_watch *watch, const char *path) {
        char above[PATH_MAX];
        char *slash;

        add(watch, path, true, NULL);
        snprintf(above, sizeof(above), "%s", path);
        while ((slash = strrchr(above, '/'))) {
                char name[NAME_MAX + 1];

                snprintf(name, sizeof(name), "%s", slash + 1);
                slash[slash == above] = '\0';
                if (name[0] != '\0')
                        add(watch, above, false, name);
                if (slash == above)
                        return;
        }
}

static bool is_listed(const struct watched *list, size_t n, int wd) {
        for (size_t i = 0; i < n; i++)
                if (list[i].wd == wd)
                        return true;
        return false;
}

void database_watch_aim(struct database_watch *watch, const char *path) {
        _cleanup_free_ struct watched *before = TAKE_PTR(watch->list);
        _cleanup_free_ char *real = NULL;
        size_t n = watch->n;

        watch->n = 0;
        watch->lost = false;
        if (path != watch->path)
                snprintf(watch->path, sizeof(watch->path), "%s", path);
        add_chain(watch, watch->path);
        real = realpath(watch->path, NULL);
        if (real && !streq(real, watch->path))
                add_chain(watch, real);
        /* One that is gone by itself is refused, which does no harm. */
        for (size_t i = 0; i < n; i++)
                if (!is_listed(watch->list, watch->n, before[i].wd))
                        (void)inotify_rm_watch(watch->inotify, before[i].wd);
}

/* ---- Events ---- */

static void changed(struct database_watch *watch, uint64_t now) {
        if (watch->first_usec == 0)
                watch->first_usec = now;
        watch->last_usec = now;
}

static void take_self(struct database_watch *watch, const struct inotify_event *e, uint64_t now) {
        const char *name = e->len > 0 ? e->name : "";

        if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
                watch->lost = true;
                changed(watch, now);
        } else if (e->mask & IN_ISDIR && name[0] != '\0')
                return;
        else if (name[0] != '\0' && !is_signature_name(name))
                return;
        else if (!(e->mask & IN_MODIFY) || watch->first_usec != 0)
                changed(watch, now);
}

static void take(struct database_watch *watch, const struct inotify_event *e, uint64_t now) {
        if (e->mask & IN_Q_OVERFLOW) {
                watch->lost = true;
                changed(watch, now);
        }
        for (size_t i = 0; i < watch->n; i++) {
                const struct watched *w = &watch->list[i];

                if (w->wd != e->wd || e->mask & IN_IGNORED)
                        continue;
                if (w->self)
                        take_self(watch, e, now);
                else if (e->len > 0 && streq(e->name, w->name)) {
                        watch->lost = true;
                        changed(watch, now);
                }
        }
}

void database_watch_take(struct database_watch *watch, uint64_t now) {
        char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t n;

        while ((n = read(watch->inotify, buf, sizeof(buf))) > 0) {
                const char *p = buf;

                while (p < buf + n) {
                        const struct inotify_event *e = (const void *)p;

                        p += sizeof(*e) + e->len;
                        take(watch, e, now);
                }
        }
        if (watch->lost)
                database_watch_aim(watch, watch->path);
}

uint64_t database_watch_due(const struct database_watch *watch) {
        return watch->first_usec == 0
                       ? USEC_INFINITY
                       : MIN(watch->last_usec + SETTLE_USEC, watch->first_usec + SETTLE_MAX);
}

bool database_watch_settled(struct database_watch *watch, uint64_t now) {
        if (database_watch_due(watch) > now)
                return false;
        watch->first_usec = 0;
        return true;
}

/* ---- The object ---- */

int database_watch_fd(const struct database_watch *watch) {
        return watch->inotify;
}

int database_watch_new(struct database_watch **ret) {
        struct database_watch *watch = calloc(1, sizeof(*watch));

        if (!watch)
                return -ENOMEM;
        watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (watch->inotify < 0) {
                free(watch);
                return -errno;
        }
        late_close_hold(watch->inotify);
        *ret = watch;
        return 0;
}

struct database_watch *database_watch_free(struct database_watch *watch) {
        if (!watch)
                return NULL;
        late_close(watch->inotify);
        free(watch->list);
        free(watch);
        return NULL;
}
