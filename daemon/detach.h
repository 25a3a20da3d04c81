/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Letting go of a store, so that its file system can be unmounted, and taking it up again. Marks stay
 * meanwhile, and every open is judged; only nothing of ours stays open there.
 */

#include "daemon/hot.h"
#include "daemon/journal.h"
#include "daemon/legacy.h"
#include "daemon/many.h"
#include "daemon/marker.h"
#include "daemon/scans.h"
#include "daemon/selftest.h"
#include "daemon/store-states.h"
#include "daemon/sweeps.h"

struct detach {
        struct store_states *states;
        struct hot *hot;
        struct many *many;
        struct scans *scans;
        struct sweeps *sweeps; /* NULL: there are none */
        struct selftest *selftest;
        struct marker *marker; /* NULL: not yet */
        struct journal *journal;
        struct legacy *legacy; /* which are detached over a restart; NULL: none */
        unsigned looked;       /* the last ticket of marker_look() that was answered */
};

/* Detaches a store, for root. To be called again and again, in turns of the loop, until it returns other than
 * -EINPROGRESS. 0: nothing of ours is open there. -ECANCELED: storescand is starting or ending. */
int detach_begin(struct detach *d, const struct config_store *store);

/* Attaches it, detached or not, and looks for it. To be called likewise. 0: it
 * is there, and guarded. -ENOENT: its folder is not there. -ENODEV: its file system is not mounted. -EIO: it
 * could not be marked. */
int detach_end(struct detach *d, const struct config_store *store);

/* Detaches what the process before had detached; before anything is open. */
void detach_again(struct detach *d, const struct config *config);

/* The marker tells. */
void detach_state(struct detach *d, const char *store, enum store_state state, bool mounted);
void detach_looked(struct detach *d, unsigned ticket);
