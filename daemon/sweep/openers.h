/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The opens of a sweep: a few threads, since an open waits for the gate's answer. Files are given in
 * order and come back in order, each with what the gate said of it.
 */

#include "daemon/sweep/order.h"
#include "daemon/sweep/talk.h"

struct openers;

enum opened {
        OPENED_NOT, /* nobody wanted it opened */
        OPENED_YES,
        OPENED_DENIED,
        OPENED_GONE, /* renamed, removed, or no regular file any more */
        OPENED_FAILED,
};

struct opening {
        struct order_item item; /* the queue's */
        bool wanted;            /* else it only keeps its place in the order */
        uint64_t dev, ino;
        uint64_t ctime_msec;
        unsigned tag; /* the caller's */

        enum opened opened;
        enum sweep_outcome outcome;
        uint64_t done_usec; /* monotonic */
};

/* board is the one that the gate writes on. */
int openers_new(struct sweep_board *board, unsigned threads, unsigned most, struct openers **ret);

/* To wait for: readable when the oldest may have come back. */
int openers_fd(const struct openers *openers);

/* Whether another may be given. */
bool openers_have_room(const struct openers *openers);

/* Takes the item. */
void openers_give(struct openers *openers, const struct opening *opening);

/* The oldest that was given, if it is back; else NULL. openers_take() removes it, and lets go of its
 * item. */
struct opening *openers_oldest(struct openers *openers);
void openers_take(struct openers *openers);

/* How many were given and not taken yet. */
unsigned openers_pending(const struct openers *openers);
