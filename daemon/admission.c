/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each check has a file, a fanotify group and threads of its own; nothing is kept. Whoever opens the
 * file is a thread, since the open waits for this one's answer; closing the group lets it go, whatever
 * went wrong.
 */

#include "daemon/admission.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/proc-fd.h"
#include "store/util.h"

#define PATIENCE_MSEC 2000
#define EVENT_FLAGS   (O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NOATIME)

static const char content[] = "storescan";

struct scratch {
        int file; /* O_RDONLY: nobody has it open for writing */
        int group;
        char path[PROC_FD_MAX];
        struct admission_result *result;
};

struct opener {
        pthread_t thread;
        const char *path;
        int flags;
        int fd, error; /* what came of it */
        bool joined;
        _Atomic(bool) done;
};

/* What went wrong; false. */
static bool bad(struct scratch *s, const char *format, ...) _printf_(2, 3);

static bool bad(struct scratch *s, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(s->result->detail, sizeof(s->result->detail), format, ap);
        va_end(ap);
        return false;
}

/* ---- Files and groups ---- */

static int new_group(unsigned class) {
        int fd = fanotify_init(class | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE |
                                       FAN_UNLIMITED_MARKS,
                               EVENT_FLAGS);

        return fd < 0 ? -errno : fd;
}

/* As the gate's. */
static int new_permission_group(void) {
        int fd = new_group(FAN_CLASS_PRE_CONTENT);

        return fd == -EINVAL ? new_group(FAN_CLASS_CONTENT) : fd;
}

static int scratch_open(struct scratch *s) {
        _cleanup_close_ int memory = memfd_create("storescan-admission", MFD_CLOEXEC);
        char path[PROC_FD_MAX];

        if (memory < 0 || pwrite(memory, content, sizeof(content), 0) != sizeof(content))
                return -errno;
        s->file = open(proc_fd_link(memory, path), O_RDONLY | O_CLOEXEC);
        if (s->file < 0)
                return -errno;
        proc_fd_link(s->file, s->path);
        s->group = new_permission_group();
        return MIN(s->group, 0);
}

static void scratch_close(struct scratch *s) {
        s->group = close_fd(s->group);
        s->file = close_fd(s->file);
}

static bool mark(struct scratch *s, int group, unsigned flags, uint64_t mask) {
        if (fanotify_mark(group, FAN_MARK_ADD | flags, mask, s->file, NULL) == 0)
                return true;
        return bad(s, "a mark is refused: %s", error_text(errno));
}

/* ---- Opens and their events ---- */

static void *open_thread(void *userdata) {
        struct opener *o = userdata;

        o->fd = open(o->path, o->flags | O_CLOEXEC);
        o->error = o->fd < 0 ? errno : 0;
        atomic_store(&o->done, true);
        return NULL;
}

static bool opener_start(struct scratch *s, struct opener *o, int flags) {
        *o = (struct opener){ .path = s->path, .flags = flags, .fd = -EBADF };
        if (pthread_create(&o->thread, NULL, open_thread, o) == 0)
                return true;
        o->joined = true;
        return bad(s, "there is no thread to be had");
}

/* Waits for its end, for a while. */
static bool opener_wait(struct scratch *s, struct opener *o) {
        uint64_t until = now_usec() + PATIENCE_MSEC * USEC_PER_MSEC;

        if (!o->joined && join_until(o->thread, NULL, until) != 0)
                return bad(s, "an open hangs though it was answered");
        o->joined = true;
        return true;
}

/* Lets it go however it stands. */
static void opener_end(struct scratch *s, struct opener *o) {
        if (!o->joined) {
                s->group = close_fd(s->group);
                (void)pthread_join(o->thread, NULL);
        }
        o->fd = close_fd(o->fd);
}

/* The event of an open that waits. Negative: there is none. */
static int event_of(struct scratch *s, int group, int patience_msec) {
        struct pollfd p = { .fd = group, .events = POLLIN };
        struct fanotify_event_metadata event;

        if (poll(&p, 1, patience_msec) <= 0 ||
            read(group, &event, sizeof(event)) < (ssize_t)sizeof(event))
                return -EAGAIN;
        return event.fd;
}

static bool answer(struct scratch *s, int fd, bool allow) {
        struct fanotify_response response = { .fd = fd, .response = allow ? FAN_ALLOW : FAN_DENY };

        if (write(s->group, &response, sizeof(response)) == sizeof(response))
                return true;
        return bad(s, "an answer is refused: %s", error_text(errno));
}

/* Starts an open and takes its event. */
static int held_open(struct scratch *s, struct opener *o, int flags) {
        int fd;

        if (!opener_start(s, o, flags))
                return -EAGAIN;
        fd = event_of(s, s->group, PATIENCE_MSEC);
        if (fd < 0)
                (void)bad(s, "an open raises no event");
        return fd;
}

/* ---- Checks ---- */

static bool check_open(struct scratch *s, bool allow) {
        _cleanup_close_ int fd = -EBADF;
        struct opener o;
        bool good;

        if (!mark(s, s->group, 0, FAN_OPEN_PERM))
                return false;
        fd = held_open(s, &o, O_RDONLY);
        good = fd >= 0;
        if (good && atomic_load(&o.done))
                good = bad(s, "an open does not wait for its answer");
        good = good && answer(s, fd, allow) && opener_wait(s, &o);
        if (good && allow && o.fd < 0)
                good = bad(s, "it fails: %s", error_text(o.error));
        else if (good && !allow && (o.fd >= 0 || o.error != EPERM))
                good = bad(s, "it %s", o.fd >= 0 ? "succeeds" : error_text(o.error));
        opener_end(s, &o);
        return good;
}

static bool check_deny(struct scratch *s) {
        return check_open(s, false);
}

static bool check_allow(struct scratch *s) {
        return check_open(s, true);
}

static void *read_thread(void *userdata) {
        struct opener *o = userdata;
        char data[sizeof(content)];

        o->error = pread(o->fd, data, sizeof(data), 0) == sizeof(data) ? 0 : EIO;
        return NULL;
}

static bool check_own(struct scratch *s) {
        struct opener o, reader = { .joined = true, .fd = -EBADF };
        bool good;
        int fd;

        if (!mark(s, s->group, 0, FAN_OPEN_PERM | FAN_ACCESS_PERM))
                return false;
        fd = held_open(s, &o, O_RDONLY);
        good = fd >= 0;
        if (good) {
                reader.fd = fd; /* closed with it */
                reader.joined = pthread_create(&reader.thread, NULL, read_thread, &reader) != 0;
                good = !reader.joined || bad(s, "there is no thread to be had");
        }
        if (good && !opener_wait(s, &reader))
                good = bad(s, "it waits for an answer itself");
        if (good && reader.error != 0)
                good = bad(s, "it fails");
        good = good && answer(s, fd, true) && opener_wait(s, &o);
        opener_end(s, &reader);
        opener_end(s, &o);
        return good;
}

/* The lease that is asked for on the event fd of an open with these flags. */
static bool check_lease(struct scratch *s, int flags, int expected) {
        struct opener o;
        bool good;
        int fd, error;

        if (!mark(s, s->group, 0, FAN_OPEN_PERM))
                return false;
        fd = held_open(s, &o, flags);
        good = fd >= 0;
        error = good && fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? errno : 0;
        if (good && error != expected)
                good = bad(s, "it is %s%s", error ? "refused: " : "granted",
                           error ? error_text(error) : "");
        good = good && answer(s, fd, true) && opener_wait(s, &o);
        close_fd(fd);
        opener_end(s, &o);
        return good;
}

static bool check_lease_free(struct scratch *s) {
        return check_lease(s, O_RDONLY, 0);
}

static bool check_lease_opening(struct scratch *s) {
        return check_lease(s, O_RDWR, EAGAIN);
}

static bool check_lease_writer(struct scratch *s) {
        _cleanup_close_ int writer = open(s->path, O_RDWR | O_CLOEXEC);

        return writer >= 0 ? check_lease(s, O_RDONLY, EAGAIN)
                           : bad(s, "no writer: %s", error_text(errno));
}

static bool check_lease_mapping(struct scratch *s) {
        int writer = open(s->path, O_RDWR | O_CLOEXEC);
        void *p = writer < 0 ? MAP_FAILED
                             : mmap(NULL, sizeof(content), PROT_READ | PROT_WRITE, MAP_SHARED,
                                    writer, 0);
        bool good;

        close_fd(writer);
        if (p == MAP_FAILED)
                return bad(s, "no mapping: %s", error_text(errno));
        good = check_lease(s, O_RDONLY, EAGAIN);
        (void)munmap(p, sizeof(content));
        return good;
}

static bool check_lease_break(struct scratch *s) {
        struct opener o;
        bool good;

        if (fcntl(s->file, F_SETLEASE, F_RDLCK) < 0)
                return bad(s, "there is none: %s", error_text(errno));
        if (!opener_start(s, &o, O_RDWR | O_NONBLOCK))
                return false;
        good = opener_wait(s, &o);
        if (good && (o.fd >= 0 || o.error != EWOULDBLOCK))
                good = bad(s, "the writer's open %s", o.fd >= 0 ? "succeeds" : error_text(o.error));
        if (good && fcntl(s->file, F_GETLEASE) != F_UNLCK)
                good = bad(s, "its holder is not told");
        (void)fcntl(s->file, F_SETLEASE, F_UNLCK);
        opener_end(s, &o);
        return good;
}

static bool check_modify(struct scratch *s) {
        _cleanup_close_ int group = new_group(FAN_CLASS_NOTIF), writer = -EBADF, fd = -EBADF;

        if (group < 0)
                return bad(s, "there is no such group: %s", error_text(-group));
        writer = open(s->path, O_RDWR | O_CLOEXEC);
        if (writer < 0 || !mark(s, group, 0, FAN_MODIFY) || pwrite(writer, "S", 1, 0) != 1)
                return bad(s, "no write: %s", error_text(errno));
        fd = event_of(s, group, 0);
        return fd >= 0 || bad(s, "nothing is queued");
}

static bool check_ignore(struct scratch *s) {
        _cleanup_close_ int fd = -EBADF;
        struct opener o;
        bool good;

        if (!mark(s, s->group, 0, FAN_OPEN_PERM) ||
            !mark(s, s->group, FAN_MARK_IGNORED_MASK, FAN_OPEN_PERM) ||
            !opener_start(s, &o, O_RDWR))
                return false;
        good = opener_wait(s, &o);
        if (good && o.fd < 0)
                good = bad(s, "its open fails: %s", error_text(o.error));
        if (good && pwrite(o.fd, "S", 1, 0) != 1)
                good = bad(s, "no write: %s", error_text(errno));
        opener_end(s, &o);
        if (!good)
                return false;
        fd = held_open(s, &o, O_RDONLY);
        good = fd >= 0 && answer(s, fd, true) && opener_wait(s, &o);
        opener_end(s, &o);
        return good;
}

static const struct {
        const char *name, *what;
        bool (*check)(struct scratch *s);
} checks[] = {
        { "deny", "an open that is denied fails", check_deny },
        { "allow", "an open waits until it is allowed, and succeeds then", check_allow },
        { "own-reads", "what is read through an event raises no event", check_own },
        { "lease", "a read lease can be had of what nobody writes to", check_lease_free },
        { "lease-opening", "a read lease is refused while an open for writing waits",
          check_lease_opening },
        { "lease-writer", "a read lease is refused while somebody can write", check_lease_writer },
        { "lease-mapping", "a read lease is refused while there is a writable mapping",
          check_lease_mapping },
        { "lease-break", "a writer breaks a read lease, and its holder is told",
          check_lease_break },
        { "modify", "a change is told before write(2) returns", check_modify },
        { "ignore", "opens that are ignored are asked for again after a change", check_ignore },
};

/* ---- All of it ---- */

static int run_all(struct admission_result ret[static ADMISSION_MAX]) {
        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                struct scratch s = { .file = -EBADF, .group = -EBADF, .result = &ret[i] };
                int r = scratch_open(&s);

                ret[i] =
                        (struct admission_result){ .name = checks[i].name, .what = checks[i].what };
                if (r >= 0)
                        ret[i].good = checks[i].check(&s);
                scratch_close(&s);
                if (r < 0)
                        return r;
        }
        return ELEMENTSOF(checks);
}

int admission_run(struct admission_result ret[static ADMISSION_MAX]) {
        const struct timespec at_once = {};
        sigset_t set, before;
        int r;

        /* A lease that is broken raises SIGIO, whose default is the end. */
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGIO);
        (void)pthread_sigmask(SIG_BLOCK, &set, &before);
        r = run_all(ret);
        while (sigtimedwait(&set, NULL, &at_once) > 0)
                ;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}
