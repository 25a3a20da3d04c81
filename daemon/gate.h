/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The gate's fanotify permission group (P): what the kernel offers, reading events, answering
 * them in batches, and the event fds with their bound. What the answer is, is judge.c's business.
 * Everything here runs on the gate thread, gate_mark() excepted.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/ring.h"
#include "daemon/stats.h"
#include "store/util.h"

struct changes_key;
struct gate;
struct orphans;

#define GATE_DEVICES 64 /* file systems with files of many items, beyond which these are slower */

/* What the probe found; printed once. */
struct gate_kernel {
        bool pre_content; /* FAN_CLASS_PRE_CONTENT */
        bool fd_error;    /* FAN_REPORT_FD_ERROR: events whose fd could not be made are told */
        bool pre_access;  /* FAN_PRE_ACCESS (6.14): range events, for files of many items */
        bool ranges;      /* their ranges can be relied on (6.18; mmap(2)'s were wrong before) */
        bool overlay;     /* opens through an overlayfs on top are told (6.5, bc2473c90fca) */
};

enum gate_access {
        GATE_OPEN, /* open(2) waits */
        GATE_READ, /* an access to an open file waits: where it was asked for by the marks */
};

/* Somebody waits for an answer. fd is an own O_RDONLY|O_NONBLOCK description of the file whose use
 * raises no events (fanotify(7), FMODE_NONOTIFY); but for what was taken over and is aloud: that was opened
 * anew, and the gate thread would wait for itself if it read it. */
struct gate_event {
        int fd;
        pid_t pid;
        enum gate_access access;
        uint64_t offset,
                size; /* READ: the bytes that it is about, widened to whole pages; writes and
                                * mmap(2) are told alike. The whole file where ranges are not known */
        bool has_range;
        bool aloud;
        uint64_t since_usec; /* when the process before was told of it (clock.h); 0: it is new */
};

/* The callee owns the event's fd until it hands it back with the answer. */
typedef void (*gate_event_fn)(void *userdata, const struct gate_event *event);

/* Whether one who comes at the very end, when nothing can be asked any more, may have it. Must not block; the
 * fd stays the caller's. */
typedef bool (*gate_last_fn)(void *userdata, const struct gate_event *event);

struct gate_parts {
        struct ring *ring;
        /* Event fds that may be open at once: reading pauses there, and the kernel queues the rest (no
         * event is ever dropped or failed for want of fds). */
        unsigned max_held;
        gate_event_fn on_event;
        void *userdata;
        gate_last_fn on_last;
        void *last_userdata;
        struct stats *stats;
        uint64_t spin_usec; /* how long the next event is looked for, where that pays; 0: not */
        int kept;           /* the group of the process before; -EBADF: there is none */
        struct orphans *orphans; /* where events without an answer are noted; NULL: nowhere */
        _Atomic uint64_t
                *devices; /* where gate_note_access() writes, GATE_DEVICES; NULL: of its own */
};

/* Opens the group, or takes over the kept one if it is as it would be opened now: its fd is the gate's
 * then, with all marks. On failure one sentence with the fix goes to errors. */
int gate_new(const struct gate_parts *parts, FILE *errors, struct gate **ret);
struct gate *gate_free(struct gate *gate);
DEFINE_CLEANUP(struct gate *, gate_free);

const struct gate_kernel *gate_kernel(const struct gate *gate);

/* The group, and whether it is the kept one. */
int gate_group(const struct gate *gate);
bool gate_is_kept(const struct gate *gate);

/* Starts reading events. */
void gate_start(struct gate *gate);

/* Ends reading: for good, and then who still comes (marks are gone by then) is answered by gate_last_fn; or the
 * group lives on, and nothing more is read from it. gate_stopped() says when no operation of the gate is in the
 * ring any more, so that it may be freed. */
void gate_stop(struct gate *gate);
void gate_stop_to_next(struct gate *gate);
bool gate_stopped(const struct gate *gate);

/* Reads what is queued without sleeping. */
void gate_drain(struct gate *gate);

/* This event will wait for longer: should we end before it is answered, its file must be known. Needed only
 * where much is done before gate_event_fn returns. */
void gate_waits(struct gate *gate, const struct gate_event *event);

/* The same, where the key of its file is known; and that key, as far as it was asked for before. */
void gate_waits_as(struct gate *gate, const struct gate_event *event,
                   const struct changes_key *key);
void gate_key(const struct gate *gate, const struct gate_event *event, struct changes_key *ret);

/* Puts an answer into the batch. With keep the fd stays open and the caller's, to be closed by
 * gate_close() later; otherwise it is closed after the answer. */
void gate_answer(struct gate *gate, int fd, bool allow, bool keep);

/* Writes the batch of answers: one writev(2). Also done whenever the batch is full. */
void gate_flush(struct gate *gate);

/* What was just begun needs a CPU, and this one is the nearest: no looking for events awake (spin.h) until the
 * gate has slept. */
void gate_rest(struct gate *gate);

/* At a turn's end: where answers went out that took a worker, and nobody waits, who was answered comes again at
 * once. Whether somebody did. */
bool gate_linger(struct gate *gate);

/* Closes an event fd that was kept; an answer must have gone out before. */
void gate_close(struct gate *gate, int fd);

/* An event fd that was kept, and whose answer is out, is the caller's for good: it no longer counts,
 * and the caller closes it itself. */
void gate_disown(struct gate *gate);

/* An fd that the process before was given as an event's counts as one from now on. */
void gate_adopt(struct gate *gate);

/* Whether reading has paused for want of fds. */
bool gate_paused(const struct gate *gate);

/* Resumes reading when it had paused and fds are free again. Called once a loop. */
void gate_resume(struct gate *gate);

/* Adds or removes a mark of the group (fanotify_mark(2) with these flags, mask, dirfd and path); may be called from any thread.
 * 0 or negative errno. */
int gate_mark(const struct gate *gate, unsigned flags, uint64_t mask, int dirfd, const char *path);

/* What marks have to ask for, so that accesses to files of many items are told, on the file system of a
 * folder. Tried with a group of its own. For the marker's thread. */
uint64_t gate_probe_access(const struct gate *gate, int fd);

/* Notes that marks on files of this st_dev ask for accesses, too. From any thread. */
void gate_note_access(struct gate *gate, dev_t dev, uint64_t mask);

/* All that readers of a file can raise there; and whether accesses tell of their ranges. */
uint64_t gate_mask_of(const struct gate *gate, dev_t dev);
bool gate_has_ranges(const struct gate *gate, dev_t dev);

/* Takes every mark away: opens pass without an event from then on. */
void gate_unmark_all(const struct gate *gate);
