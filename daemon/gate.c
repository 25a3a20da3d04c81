/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the permission group's fd, the batch of answers, the count of event fds that are open, and
 * what the table of events without an answer (orphans.h) says of them: it has a number no longer than
 * the fd lives, and from an answer's write on no longer.
 * An event fd belongs to the judge between gate_event_fn and gate_answer(). Must not own: any idea
 * of stores, stamps or scans; must never block, open a path or log.
 *
 * Facts relied on, each with a system test (tests/system/kernel-*):
 * - FAN_NONBLOCK: the group is read until nothing is left.
 * - The ring only polls it. A READ that waits in the ring is still carried out for a process that has been
 *   killed, which never sees the events that it takes off the queue: those opens would be refused (TEST-80).
 * - One write(2) takes one answer, a writev(2) of n answers takes n.
 * - FAN_UNLIMITED_QUEUE: a limited queue lets opens pass unseen when it is full (fanotify(7)).
 * - An answer names its event by the fd's number: the fd is closed after the answer, never before,
 *   or the number could name the next event.
 */

#include "daemon/gate.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/fanotify.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "daemon/clock.h"
#include "daemon/fdinfo.h"
#include "daemon/orphans.h"
#include "daemon/spin.h"

/* Newer than Debian 12's headers. */
#ifndef FAN_REPORT_FD_ERROR
#        define FAN_REPORT_FD_ERROR 0x00002000
#endif
#ifndef FAN_PRE_ACCESS
#        define FAN_PRE_ACCESS 0x00100000
#endif

#ifndef FAN_EVENT_INFO_TYPE_RANGE
#        define FAN_EVENT_INFO_TYPE_RANGE 6
struct fanotify_event_info_range {
        struct fanotify_event_info_header hdr;
        __u32 pad;
        __u64 offset;
        __u64 count;
};
#endif

#define BATCH   64   /* events a read */
#define ANSWERS 1024 /* at most a write (IOV_MAX) */
#define EVENT_SIZE_MAX \
        (sizeof(struct fanotify_event_metadata) + sizeof(struct fanotify_event_info_range))
#define READS_PER_WAKE 8   /* further reads before the ring gets its turn */
#define TURN_USEC      200 /* and how long reads that wait a little may keep it from that */

struct gate {
        struct ring *ring;
        struct gate_kernel kernel;
        gate_event_fn on_event;
        void *userdata;
        gate_last_fn on_last;
        void *last_userdata;
        struct stats *stats;
        struct orphans *orphans;

        int fd;
        bool kept; /* it was the process before's */
        struct ring_op poll_op, cancel_op;
        bool polling, cancelling; /* a POLL_ADD, its cancellation, is in the ring */
        bool paused;              /* max_held was reached */
        bool stopped, to_next;
        unsigned held, max_held;
        struct spin spin, spin_after; /* behind an event; behind answers that took a worker */
        bool resting;                 /* no spinning until the next sleep */
        bool flushed;                 /* answers, since events were looked for */

        struct fanotify_response answers[ANSWERS];
        bool keep[ANSWERS];
        size_t n_answers;

        _Atomic uint64_t *devices; /* st_dev << 1 | whether it has range events; 0: none */
        _Atomic uint64_t own_devices[GATE_DEVICES];

        uint8_t events[BATCH * EVENT_SIZE_MAX]
                __attribute__((aligned(__alignof__(struct fanotify_event_metadata))));
};

/* O_NONBLOCK: the kernel opens the event fd itself, and opening a FIFO for reading would wait for a
 * writer, in the gate's read(2). O_NOATIME: scanning must not look like reading. */
#define EVENT_FLAGS (O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NOATIME | O_NONBLOCK)
#define GROUP_FLAGS (FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS)

/* Whether the running kernel is of this version or newer. */
static bool kernel_is(unsigned major, unsigned minor) {
        unsigned has_major = 0, has_minor = 0;
        struct utsname name;

        if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &has_major, &has_minor) != 2)
                return false;
        return has_major > major || (has_major == major && has_minor >= minor);
}

static int open_group(struct gate_kernel *kernel, FILE *errors) {
        static const struct gate_kernel tries[] = {
                { .pre_content = true, .fd_error = true },
                { .pre_content = true },
                {},
        };
        int fd = -EBADF, probe;

        for (size_t i = 0; i < ELEMENTSOF(tries) && fd < 0; i++) {
                unsigned class = tries[i].pre_content ? FAN_CLASS_PRE_CONTENT : FAN_CLASS_CONTENT;

                fd = fanotify_init(GROUP_FLAGS | class |
                                           (tries[i].fd_error ? FAN_REPORT_FD_ERROR : 0),
                                   EVENT_FLAGS);
                if (fd >= 0)
                        *kernel = tries[i];
                else if (errno != EINVAL)
                        break;
        }
        if (fd < 0) {
                int r = -errno;

                if (r == -EPERM)
                        fprintf(errors,
                                "fanotify_init(2) is not permitted; storescand needs "
                                "CAP_SYS_ADMIN in the initial user namespace (run it as root "
                                "or by its unit).\n");
                else if (r == -ENOSYS)
                        fprintf(errors,
                                "This kernel has no fanotify (or a seccomp filter hides it); "
                                "storescand needs Linux 6.1 with "
                                "CONFIG_FANOTIFY_ACCESS_PERMISSIONS=y.\n");
                else if (r == -EINVAL)
                        fprintf(errors, "This kernel's fanotify has no permission events with an "
                                        "unlimited queue; storescand needs Linux 6.1 with "
                                        "CONFIG_FANOTIFY_ACCESS_PERMISSIONS=y.\n");
                else
                        fprintf(errors, "Failed to open a fanotify group: %s.\n", strerror(-r));
                return r;
        }

        /* PRE_ACCESS is refused at the mark, by kernel (EINVAL) or file system (EOPNOTSUPP); a mask
         * that is known is refused for the bad dirfd only. */
        probe = fanotify_mark(fd, FAN_MARK_ADD, FAN_PRE_ACCESS, -1, NULL);
        kernel->pre_access = kernel->pre_content && probe < 0 && errno == EBADF;
        kernel->ranges = kernel->pre_access && kernel_is(6, 18);
        kernel->overlay = kernel_is(6, 5);
        return fd;
}

static void polled(struct ring_op *op, int res);

int gate_new(const struct gate_parts *parts, FILE *errors, struct gate **ret) {
        _cleanup_free_ struct gate *gate = calloc(1, sizeof(*gate));

        if (!gate)
                return -ENOMEM;
        *gate = (struct gate){
                .ring = parts->ring,
                .on_event = parts->on_event,
                .userdata = parts->userdata,
                .on_last = parts->on_last,
                .last_userdata = parts->last_userdata,
                .stats = parts->stats,
                .orphans = parts->orphans,
                .poll_op.done = polled,
                .max_held = MAX(parts->max_held, 2U * BATCH),
                .spin.most_usec = parts->spin_usec,
                .spin_after.most_usec = parts->spin_usec,
        };
        gate->fd = open_group(&gate->kernel, errors);
        if (gate->fd < 0)
                return gate->fd;
        gate->devices = parts->devices ?: gate->own_devices;
        gate->kept = fdinfo_prefer(parts->kept, &gate->fd);
        *ret = TAKE_PTR(gate);
        return 0;
}

struct gate *gate_free(struct gate *gate) {
        if (!gate)
                return NULL;
        gate->fd = close_fd(gate->fd);
        free(gate);
        return NULL;
}

const struct gate_kernel *gate_kernel(const struct gate *gate) {
        return &gate->kernel;
}

int gate_group(const struct gate *gate) {
        return gate->fd;
}

bool gate_is_kept(const struct gate *gate) {
        return gate->kept;
}

/* The bytes that an event tells of. offset of mmap(2) was wrong before 6.18 (28bba2c2935e). */
static void find_range(const struct gate *gate, const struct fanotify_event_metadata *event,
                       struct gate_event *ret) {
        const uint8_t *p = (const uint8_t *)event + event->metadata_len;
        const uint8_t *end = (const uint8_t *)event + event->event_len;
        struct fanotify_event_info_range range;

        ret->offset = 0;
        ret->size = UINT64_MAX;
        while ((size_t)(end - p) >= sizeof(struct fanotify_event_info_header)) {
                struct fanotify_event_info_header header;

                memcpy(&header, p, sizeof(header));
                if (header.len < sizeof(header) || header.len > (size_t)(end - p))
                        return;
                if (header.info_type == FAN_EVENT_INFO_TYPE_RANGE && gate->kernel.ranges &&
                    header.len >= sizeof(range)) {
                        memcpy(&range, p, sizeof(range));
                        ret->offset = range.offset;
                        ret->size = range.count;
                        ret->has_range = true;
                }
                p += header.len;
        }
}

void gate_waits(struct gate *gate, const struct gate_event *event) {
        gate_waits_as(gate, event, NULL);
}

void gate_waits_as(struct gate *gate, const struct gate_event *event,
                   const struct changes_key *key) {
        if (gate->orphans && orphans_waits(gate->orphans, event->fd))
                orphans_identify(gate->orphans, event, key);
}

void gate_key(const struct gate *gate, const struct gate_event *event, struct changes_key *ret) {
        const struct changes_key *noted = NULL;

        /* What a process before has noted is not relied on. */
        if (gate->orphans && event->since_usec == 0)
                noted = orphans_key(gate->orphans, event->fd);
        if (noted)
                *ret = *noted;
        else
                changes_key(event->fd, ret);
}

static void take_event(struct gate *gate, const struct fanotify_event_metadata *event) {
        struct gate_event e = { .fd = event->fd, .pid = event->pid };

        if (event->vers != FANOTIFY_METADATA_VERSION)
                abort(); /* another kernel interface than we were built for: nothing here can be trusted */

        if (event->mask & FAN_OPEN_PERM)
                e.access = GATE_OPEN;
        else if (event->mask & (FAN_PRE_ACCESS | FAN_ACCESS_PERM)) {
                e.access = GATE_READ;
                find_range(gate, event, &e);
        } else {
                if (event->fd >= 0)
                        close_fd(event->fd);
                return;
        }
        gate->stats->events++;
        if (event->fd < 0) {
                /* The kernel could not give us an fd (no memory, stale handle) and has denied the
                 * open. */
                gate->stats->lost++;
                return;
        }
        gate->held++;
        if (gate->stopped) {
                gate_answer(gate, e.fd, gate->on_last(gate->last_userdata, &e), false);
                return;
        }
        if (gate->orphans)
                orphans_note(gate->orphans, e.fd);
        gate->on_event(gate->userdata, &e);
        /* By its stamp it would have been answered: this one waits for longer. */
        gate_waits(gate, &e);
}

static void take_events(struct gate *gate, size_t size) {
        const struct fanotify_event_metadata *event = (const void *)gate->events;

        for (size_t left = size; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left))
                take_event(gate, event);
}

/* How many bytes of events may be read now: every event is an fd. */
static size_t read_size(const struct gate *gate) {
        unsigned room = gate->max_held - MIN(gate->held, gate->max_held);

        /* Never less than one event with its range takes, which would be refused. */
        return room == 0 ? 0
                         : MAX(MIN(room, (unsigned)BATCH) * sizeof(struct fanotify_event_metadata),
                               EVENT_SIZE_MAX);
}

static void submit_poll(struct gate *gate) {
        struct io_uring_sqe *sqe;

        if (gate->stopped || gate->to_next || gate->polling)
                return;
        if (read_size(gate) == 0) {
                if (!gate->paused)
                        gate->stats->pressure++;
                gate->paused = true;
                return;
        }
        gate->paused = false;
        gate->polling = true;
        sqe = ring_entry(gate->ring);
        io_uring_prep_poll_add(sqe, gate->fd, POLLIN);
        ring_bind(sqe, &gate->poll_op);
}

/* Reads without sleeping; whether there was something. ret_left: bytes that were asked for beyond. */
static bool read_events(struct gate *gate, size_t *ret_left) {
        size_t size = read_size(gate);
        ssize_t n;

        if (size == 0 || gate->to_next)
                return false;
        n = read(gate->fd, gate->events, size);
        /* Before FAN_REPORT_FD_ERROR (6.13), the event that no fd could be made for is all that is read. */
        if (n < 0 && errno != EAGAIN && errno != EINTR)
                gate->stats->lost++;
        if (n <= 0)
                return false;
        take_events(gate, (size_t)n);
        *ret_left = size - (size_t)n;
        return true;
}

static bool read_now(struct gate *gate) {
        size_t left;

        if (!read_events(gate, &left))
                return false;
        /* A crowd waits, all of which each write wakes: the others that it is read with are answered
         * with these. */
        if (left >= EVENT_SIZE_MAX)
                gate_flush(gate);
        return true;
}

/* Waits for somebody awake, if that pays. */
static bool read_soon(struct gate *gate, struct spin *spin, uint64_t until) {
        uint64_t usec, now = now_usec();
        bool came = false;

        usec = now < until && !gate->resting ? spin_begin(spin) : 0;
        if (usec == 0)
                return false;
        gate_flush(gate);
        until = now + usec;
        do
                came = read_now(gate);
        while (!came && now_usec() < until);
        spin_end(spin, came);
        return came;
}

static unsigned unanswered(const struct gate *gate) {
        return gate->held - (unsigned)gate->n_answers;
}

static void polled(struct ring_op *op, int res) {
        struct gate *gate = container_of(op, struct gate, poll_op);
        unsigned before = unanswered(gate);
        size_t left;

        gate->polling = false;
        gate->resting = false;
        if (res > 0 && read_events(gate, &left)) {
                uint64_t until = now_usec() + TURN_USEC;

                /* One alone: most likely nobody else is about to come, who could be answered with it. */
                if (gate->n_answers == 1)
                        gate_flush(gate);
                /* What is answered by its stamp goes out now, with all verdicts that came before; else
                 * the turn's end is soon enough: each write wakes everybody who waits. Who was put off
                 * just now does not come again, and what is done for him begins with the turn's end. */
                for (unsigned i = 1;
                     (i < READS_PER_WAKE && read_now(gate)) ||
                     (unanswered(gate) <= before && read_soon(gate, &gate->spin, until));
                     i++)
                        ;
        }
        gate->flushed = false;
        submit_poll(gate);
}

void gate_rest(struct gate *gate) {
        gate->resting = true;
}

bool gate_linger(struct gate *gate) {
        uint64_t until = now_usec() + TURN_USEC;
        bool came;

        if (!gate->flushed || gate->held > 0 || gate->stopped)
                return false;
        gate->resting = false;
        came = read_soon(gate, &gate->spin_after, until);
        while (came && gate->held == 0 && read_soon(gate, &gate->spin, until))
                ;
        gate_flush(gate);
        gate->flushed = false;
        return came;
}

void gate_start(struct gate *gate) {
        submit_poll(gate);
}

static void cancelled(struct ring_op *op, int res) {
        struct gate *gate = container_of(op, struct gate, cancel_op);

        (void)res;
        gate->cancelling = false;
}

static void end_poll(struct gate *gate) {
        struct io_uring_sqe *sqe;

        if (!gate->polling || gate->cancelling)
                return;
        /* A poll that stays would keep the group open, and all who wait in it. */
        gate->cancel_op.done = cancelled;
        gate->cancelling = true;
        sqe = ring_entry(gate->ring);
        io_uring_prep_cancel(sqe, &gate->poll_op, 0);
        ring_bind(sqe, &gate->cancel_op);
}

void gate_stop(struct gate *gate) {
        gate->stopped = true;
        end_poll(gate);
}

void gate_stop_to_next(struct gate *gate) {
        gate->to_next = true;
        end_poll(gate);
}

bool gate_stopped(const struct gate *gate) {
        return (gate->stopped || gate->to_next) && !gate->polling && !gate->cancelling;
}

void gate_drain(struct gate *gate) {
        while (read_now(gate))
                ;
}

void gate_resume(struct gate *gate) {
        if (gate->paused && gate->held + BATCH <= gate->max_held)
                submit_poll(gate);
}

void gate_answer(struct gate *gate, int fd, bool allow, bool keep) {
        gate->answers[gate->n_answers] = (struct fanotify_response){
                .fd = fd,
                .response = allow ? FAN_ALLOW : FAN_DENY,
        };
        gate->keep[gate->n_answers++] = keep;
        if (gate->orphans)
                orphans_set(gate->orphans, fd, allow ? ORPHAN_ALLOW : ORPHAN_DENY);
        if (allow)
                gate->stats->allowed++;
        else
                gate->stats->denied++;
        if (gate->n_answers == ANSWERS)
                gate_flush(gate);
}

/* Writes the answers from the first on; every one is tried, one that the kernel refuses is left
 * behind: there is nobody to answer (ENOENT). */
static void write_answers(struct gate *gate) {
        struct iovec iov[ANSWERS];
        size_t n = gate->n_answers;

        for (size_t i = 0; i < n; i++)
                iov[i] = (struct iovec){
                        .iov_base = &gate->answers[i],
                        .iov_len = sizeof(gate->answers[i]),
                };
        for (size_t i = 0; i < n;) {
                ssize_t w = n - i == 1 ? write(gate->fd, iov[i].iov_base, iov[i].iov_len)
                                       : writev(gate->fd, iov + i, (int)(n - i));

                if (w < 0 && errno == EINTR)
                        continue;
                i += w > 0 ? (size_t)w / sizeof(struct fanotify_response) : 1;
        }
}

/* Closes the fds that are not kept; runs of consecutive numbers by one call. */
static void close_answered(struct gate *gate) {
        size_t n = gate->n_answers;

        for (size_t i = 0, end; i < n; i = end) {
                end = i + 1;
                if (gate->keep[i])
                        continue;
                while (end < n && !gate->keep[end] &&
                       gate->answers[end].fd == gate->answers[end - 1].fd + 1)
                        end++;
                if (end - i == 1)
                        close_fd(gate->answers[i].fd);
                else
                        (void)close_range((unsigned)gate->answers[i].fd,
                                          (unsigned)gate->answers[end - 1].fd, 0);
                gate->held -= (unsigned)(end - i);
        }
}

void gate_flush(struct gate *gate) {
        if (gate->n_answers == 0)
                return;
        write_answers(gate);
        for (size_t i = 0; gate->orphans && i < gate->n_answers; i++)
                orphans_set(gate->orphans, gate->answers[i].fd, ORPHAN_NONE);
        close_answered(gate);
        gate->n_answers = 0;
        gate->flushed = true;
}

void gate_close(struct gate *gate, int fd) {
        assert(gate->held > 0);
        close_fd(fd);
        gate->held--;
}

void gate_disown(struct gate *gate) {
        assert(gate->held > 0);
        gate->held--;
}

void gate_adopt(struct gate *gate) {
        gate->held++;
        gate->stats->events++;
}

bool gate_paused(const struct gate *gate) {
        return gate->paused;
}

int gate_mark(const struct gate *gate, unsigned flags, uint64_t mask, int dirfd, const char *path) {
        return fanotify_mark(gate->fd, flags, mask, dirfd, path) < 0 ? -errno : 0;
}

uint64_t gate_probe_access(const struct gate *gate, int fd) {
        _cleanup_close_ int group = -EBADF;

        if (!gate->kernel.pre_access)
                return FAN_ACCESS_PERM;
        group = fanotify_init(FAN_CLOEXEC | FAN_CLASS_PRE_CONTENT, O_RDONLY | O_CLOEXEC);
        return group >= 0 && fanotify_mark(group, FAN_MARK_ADD, FAN_PRE_ACCESS | FAN_EVENT_ON_CHILD,
                                           fd, NULL) >= 0
                       ? FAN_PRE_ACCESS
                       : FAN_ACCESS_PERM;
}

void gate_note_access(struct gate *gate, dev_t dev, uint64_t mask) {
        for (size_t i = 0; i < GATE_DEVICES; i++) {
                uint64_t none = 0, wanted = (uint64_t)dev << 1 | (mask == FAN_PRE_ACCESS);

                /* Only the marker writes here. The number may have been another file system's. */
                if (atomic_load(&gate->devices[i]) >> 1 == (uint64_t)dev) {
                        atomic_store(&gate->devices[i], wanted);
                        return;
                }
                if (atomic_compare_exchange_strong(&gate->devices[i], &none, wanted))
                        return;
        }
}

/* 0: no accesses are told there, as far as is known. */
static uint64_t access_mask(const struct gate *gate, dev_t dev) {
        for (size_t i = 0; i < GATE_DEVICES; i++) {
                uint64_t d = atomic_load_explicit(&gate->devices[i], memory_order_relaxed);

                if (d == 0)
                        break;
                if (d >> 1 == (uint64_t)dev)
                        return d & 1 ? FAN_PRE_ACCESS : FAN_ACCESS_PERM;
        }
        return 0;
}

uint64_t gate_mask_of(const struct gate *gate, dev_t dev) {
        return FAN_OPEN_PERM | access_mask(gate, dev);
}

bool gate_has_ranges(const struct gate *gate, dev_t dev) {
        return gate->kernel.ranges && access_mask(gate, dev) == FAN_PRE_ACCESS;
}

void gate_unmark_all(const struct gate *gate) {
        (void)fanotify_mark(gate->fd, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/");
        (void)fanotify_mark(gate->fd, FAN_MARK_FLUSH, 0, AT_FDCWD, "/");
}
