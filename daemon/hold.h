/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Events that are put off: after a restart marks are there before everything that judges is. What stamps
 * decide, and what is no mail, need not wait for that. Own processes are let through, or what has to come
 * first could not be done.
 */

#include "daemon/judge.h"

struct hold {
        struct judge *judge;
        bool on;
        enum judge_need met; /* what is there; who needs more is put off */
        struct gate_event *events;
        size_t n, room;
};

/* The gate's callback: to the judge, now or when what it needs is there. */
void hold_event(void *userdata, const struct gate_event *event);

/* That much is there: has those judged that were put off for it. */
void hold_meet(struct hold *hold, enum judge_need need);

/* Has all that was put off judged, and from now on all that comes. */
void hold_let_go(struct hold *hold);
