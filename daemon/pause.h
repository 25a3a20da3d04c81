/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pause: for a limited time every open is let through unscanned, for an admin whose mail is stuck.
 * Nothing is judged or stamped meanwhile; stamps are still taken off what somebody may write to, or they
 * would be believed afterwards. Everything here runs on the gate thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/gate.h"
#include "daemon/journal.h"
#include "daemon/many.h"
#include "daemon/scans.h"
#include "daemon/stamper.h"
#include "daemon/stats.h"

#define PAUSE_MAX_USEC (24 * 3600 * USEC_PER_SEC)

struct pause {
        /* Set by the owner. */
        struct gate *gate;
        struct scans *scans;
        struct many *many;
        struct stats *stats;
        struct journal *journal;
        void (*changed)(void *userdata); /* it began or ended */
        void *userdata;

        /* Its own; zeroed: there is none. */
        uint64_t until_usec; /* 0: no pause */
        uint64_t let_before; /* of stats.paused, when it began */
        unsigned n_withdrawing;
};

/* Begins a pause of usec from now, or sets another end for the one that is on, and lets go of everybody
 * who waits. by: who orders it, for the log. 0; -EINVAL: no time, or more than PAUSE_MAX_USEC. */
int pause_begin(struct pause *pause, uint64_t usec, const char *by);

/* Ends it, if there is one. */
void pause_end(struct pause *pause, const char *by);

/* Ends it when its time is over. Called once a loop; returns when it wants to be called next. */
uint64_t pause_run(struct pause *pause, uint64_t now);

static inline bool pause_is_on(const struct pause *pause) {
        return pause->until_usec > 0;
}

/* Lets an event go whose fd is given. stamped_writer: somebody may write to a file whose stamp holds; the
 * stamp is taken off behind the answer. False: there is no memory for that, and it is to be judged. */
bool pause_let(struct pause *pause, int fd, bool stamped_writer);

/* Whether stamps are still being taken off. */
bool pause_busy(const struct pause *pause);
