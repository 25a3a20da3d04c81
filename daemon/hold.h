/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Events that are put off: after a restart marks are there before everything that judges is. Own
 * processes are let through meanwhile, or what has to come first could not be done.
 */

#include "daemon/judge.h"

struct hold {
        struct judge *judge;
        bool on;
        struct gate_event *events;
        size_t n, room;
};

/* The gate's callback: to the judge, now or once it is let go. */
void hold_event(void *userdata, const struct gate_event *event);

/* Has all that was put off judged, and from now on all that comes. */
void hold_let_go(struct hold *hold);
