/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the process before has left in the group that was kept: opens that wait for an answer by the
 * number of an fd that is no more (orphans), and ignore marks whose leases are no more.
 *
 * An answer to a number goes to the oldest event that has it. So before the first event is read, when
 * new ones could get the same numbers, every orphan is answered, or its number is taken: those whose
 * file is known are judged once more as if they had just come, under their old number.
 */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/gate.h"
#include "daemon/journal.h"
#include "daemon/keep.h"
#include "daemon/orphans.h"
#include "daemon/ring.h"
#include "daemon/stats.h"

struct settle;

/* Before anything else is opened, keep_take() excepted, and RLIMIT_NOFILE is what it will be. Answers
 * what can be answered: by what was decided; else nobody knows what is asked for, and it is denied,
 * unless all stores would let it through (on_error). *ret_orphans is the table to go on with: the one
 * before, if it is to be trusted; NULL: there is none. 0 or negative errno. */
int settle_begin(struct keep *keep, const struct config *config, struct orphans **ret_orphans,
                 struct settle **ret);

/* Frees it; while its thread is under way it is left. Returns what is left. */
struct settle *settle_free(struct settle *settle);

/* The group can't be gone on with: its orphans are denied, and all who come to it wait until settle_retire(), when
 * the marks of another group are in place: then gate_last_fn decides, or, until there is one, on_error. fd is
 * settle's from then on. True: until then it is to be kept as KEEP_BEFORE; false: one from before it is. */
bool settle_give_up(struct settle *settle, int group);
void settle_ask_last(struct settle *settle, gate_last_fn last, void *userdata);

/* Whether there was one: nobody needs to keep it any more. */
bool settle_retire(struct settle *settle);

/* Whether files of orphans are still being opened; and the end of waiting for that, where nobody comes after us:
 * who was not judged is answered like who can't be. group: as settle_begin() found it. */
bool settle_busy(const struct settle *settle);
void settle_end(struct settle *settle, int group);

struct settle_parts {
        const struct config *config;
        struct ring *ring;
        struct gate *gate;
        gate_event_fn judge;
        void *judge_userdata;
        struct stats *stats;
        struct journal *journal;
};

/* Once the gate reads, and workers are there: opens the files of orphans, in a thread, since that
 * raises events that the gate answers; then has them judged. Logs what came of all. */
int settle_start(struct settle *settle, const struct settle_parts *parts);
