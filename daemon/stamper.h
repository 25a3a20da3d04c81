/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes stamps, after the answer, without ever waiting: through the ring (its kernel workers may
 * hang in a frozen file system, the gate does not), and keeps writers out by a read lease until the
 * clock is past the stamp's window, so that no change can hide in the window (stamp.h).
 */

#include <stdint.h>

#include "daemon/gate.h"
#include "daemon/journal.h"
#include "daemon/ring.h"
#include "daemon/stats.h"
#include "store/stamp.h"

struct stamper;

/* Whose an fd is. */
enum fd_kind {
        FD_FOUND, /* of a file that lay there before the marks */
        FD_EVENT, /* of an event: it counts (gate.h) */
        FD_OWN,   /* a copy of ours */
};

/* Gives an fd back when the stamper is through with it. */
typedef void (*stamper_close_fn)(void *userdata, int fd, enum fd_kind kind);

/* Offers an fd whose stamp was written and holds, with its lease, to somebody else, who may take it
 * (true). */
typedef bool (*stamper_keep_fn)(void *userdata, int fd, const struct stamp *stamp);

int stamper_new(struct ring *ring, struct stats *stats, struct journal *journal,
                stamper_close_fn on_close, stamper_keep_fn on_keep, void *userdata,
                struct stamper **ret);
struct stamper *stamper_free(struct stamper *stamper);
DEFINE_CLEANUP(struct stamper *, stamper_free);

/* Takes a read lease on an fd that was opened for reading. 0: nobody has the file open for
 * writing, nor will until lease_drop() or the fd's end, unless lease_holds() says no. -EAGAIN:
 * somebody writes, or the open that waits for its answer is one for writing. Other: no leases
 * here (EINVAL: the file system has none; EACCES: no CAP_LEASE). fcntl(2), F_SETLEASE. */
int lease_take(int fd);
bool lease_holds(int fd);
void lease_drop(int fd);

/* Takes fd, with a lease on it, and writes the stamp's verdict, generation, size and digest with
 * the time of now. on_close gets fd back in any case, later or before this returns, unless on_keep,
 * which is asked if it is wanted, takes it. */
void stamper_write(struct stamper *stamper, int fd, enum fd_kind kind, bool wanted,
                   const char *store, const struct stamp *stamp);

/* Makes a file's stamp say nothing, for a caller that keeps fd. done() is called when that is so (0)
 * or could not be done (negative errno), later or before this returns. */
struct stamper_withdrawal {
        void (*done)(struct stamper_withdrawal *withdrawal, int error);
        struct ring_op op; /* the stamper's own */
};
void stamper_withdraw(struct stamper *stamper, int fd, struct stamper_withdrawal *withdrawal);

/* Lets go of the files whose window has passed. Called once a loop; returns when it wants to be
 * called next (monotonic; USEC_INFINITY: when something happens). */
uint64_t stamper_run(struct stamper *stamper, uint64_t now);

/* How many stamps are under way. */
unsigned stamper_pending(const struct stamper *stamper);

/* How many of them in a store. */
unsigned stamper_pending_in(const struct stamper *stamper, const char *store);
