/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the thread that reads the list, the list in force. The thread leaves what it has read in
 * `next`; the gate thread takes it from there when it asks for the first time afterwards. Must not
 * keep the gate thread waiting: the folder's file system may hang.
 */

#include "daemon/allow-list.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "daemon/allow-read.h"
#include "daemon/clock.h"
#include "daemon/late-close.h"

#define END_USEC (2 * USEC_PER_SEC)

struct allow_list {
        /* The gate thread's. */
        struct allowed current;
        uint64_t version;

        /* Shared. */
        _Atomic(struct allowed *) next; /* whoever takes it out owns it */
        _Atomic(bool) stop;
        int wake;
        pthread_t thread;
        pthread_mutex_t say; /* held while logging; the gate thread takes it only to end */
        bool mute;

        /* The thread's. */
        struct journal *journal;
        char *path;
        int folder, watch;
};

/* ---- The thread ---- */

#define say(list, ...)                                                                            \
        do {                                                                                      \
                (void)pthread_mutex_lock(&(list)->say);                                           \
                if (!(list)->mute)                                                                \
                        journal_say((list)->journal, EVENT_ALLOW_LIST_FAILED, NULL, __VA_ARGS__); \
                (void)pthread_mutex_unlock(&(list)->say);                                         \
        } while (0)

static void forget(struct allowed *allowed) {
        if (!allowed)
                return;
        allowed_done(allowed);
        free(allowed);
}

static void read_list(struct allow_list *list) {
        struct allowed *allowed = calloc(1, sizeof(*allowed));
        unsigned line = 0;
        int r = allowed ? allow_read(list->folder, allowed, &line) : -ENOMEM;

        if (r >= 0) {
                forget(atomic_exchange(&list->next, allowed));
                return;
        }
        free(allowed);
        if (r == -EINVAL)
                say(list,
                    "%s/%s:%u: this is no digest with a generation, or it stands out of order; the "
                    "list "
                    "that was in force before stays. Change it by 'storescanctl allow' only.",
                    list->path, ALLOW_FILE_NAME, line);
        else
                say(list, "Failed to read %s/%s: %s; the list that was in force before stays.",
                    list->path, ALLOW_FILE_NAME, error_text(-r));
}

/* Whether any of the events is about the list. */
static bool is_changed(struct allow_list *list) {
        _Alignas(struct inotify_event) char buffer[4096];
        bool changed = false;
        ssize_t n;

        while ((n = read(list->watch, buffer, sizeof(buffer))) > 0)
                for (char *p = buffer; p < buffer + n;) {
                        const struct inotify_event *event = (const void *)p;

                        if (event->mask & IN_Q_OVERFLOW ||
                            (event->len > 0 && streq(event->name, ALLOW_FILE_NAME)))
                                changed = true;
                        p += sizeof(*event) + event->len;
                }
        return changed;
}

static void *allow_thread(void *userdata) {
        struct allow_list *list = userdata;
        struct pollfd fds[] = {
                { .fd = list->watch, .events = POLLIN },
                { .fd = list->wake, .events = POLLIN },
        };

        read_list(list);
        while (!atomic_load(&list->stop)) {
                if (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno != EINTR)
                        break;
                if (!atomic_load(&list->stop) && is_changed(list))
                        read_list(list);
        }
        return NULL;
}

/* ---- The object ---- */

static void destroy(struct allow_list *list) {
        forget(atomic_load(&list->next));
        allowed_done(&list->current);
        close_fd(list->folder);
        late_close(list->watch);
        close_fd(list->wake);
        free(list->path);
        (void)pthread_mutex_destroy(&list->say);
        free(list);
}

static int start(struct allow_list *list, const char *folder) {
        list->path = strdup(folder);
        if (!list->path)
                return -ENOMEM;
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        list->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (list->folder < 0)
                return -errno;
        list->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        list->wake = eventfd(0, EFD_CLOEXEC);
        if (list->watch < 0 || list->wake < 0 ||
            inotify_add_watch(list->watch, folder,
                              IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM) < 0)
                return -errno;
        late_close_hold(list->watch);
        return -pthread_create(&list->thread, NULL, allow_thread, list);
}

int allow_list_new(const char *folder, struct journal *journal, struct allow_list **ret) {
        struct allow_list *list = calloc(1, sizeof(*list));
        int r;

        if (!list)
                return -ENOMEM;
        list->journal = journal;
        list->folder = list->watch = list->wake = -EBADF;
        (void)pthread_mutex_init(&list->say, NULL);
        r = start(list, folder);
        if (r < 0) {
                destroy(list);
                return r;
        }
        *ret = list;
        return 0;
}

struct allow_list *allow_list_free(struct allow_list *list) {
        const uint64_t one = 1;

        if (!list)
                return NULL;
        atomic_store(&list->stop, true);
        (void)!write(list->wake, &one, sizeof(one));
        if (join_until(list->thread, NULL, now_usec() + END_USEC) != 0) {
                (void)pthread_mutex_lock(&list->say);
                list->mute = true; /* the journal ends before the thread does */
                (void)pthread_mutex_unlock(&list->say);
                return list;
        }
        destroy(list);
        return NULL;
}

static void take_next(struct allow_list *list) {
        struct allowed *next;

        if (!atomic_load_explicit(&list->next, memory_order_relaxed))
                return;
        next = atomic_exchange(&list->next, NULL);
        if (!next)
                return;
        allowed_done(&list->current);
        list->current = *next;
        free(next);
        list->version++;
}

bool allow_list_holds(struct allow_list *list, const uint8_t digest[static STAMP_DIGEST_SIZE],
                      const struct generation *running) {
        if (!list)
                return false;
        take_next(list);
        return allowed_holds(&list->current, digest, STAMP_DIGEST_SIZE, running);
}

uint64_t allow_list_version(struct allow_list *list) {
        if (!list)
                return 0;
        take_next(list);
        return list->version;
}
