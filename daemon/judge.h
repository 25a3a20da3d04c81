/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The decision for one open, cheapest first: own process or no mail, valid stamp, mail that is left to
 * a sweep, the same content being scanned already, scan. (Readers of hot files raise no event, see hot.h.) Pure control: what waits, and what follows an answer, is scans.c's.
 */

#include <sys/types.h>

#include "daemon/history.h"
#include "daemon/many.h"
#include "daemon/pause.h"
#include "daemon/places.h"
#include "daemon/scans.h"
#include "daemon/sweeps.h"

struct judge {
        const struct config *config;
        struct pool *pool;
        struct scans *scans;
        struct hot *hot;
        struct many *many;
        struct remedies *remedies; /* NULL: nothing is replaced */
        struct sweeps *sweeps;     /* NULL: none */
        const struct history *history;
        struct pause *pause;
        struct selftest *selftest; /* NULL: none is made */
        struct gate
                *gate; /* set once it is made: it brings the events that the judge is made for */
        struct stats *stats;
        struct journal *journal;
        pid_t own_pid;
};

/* Whether a process is one of ours, which are let through. */
bool judge_is_own(const struct judge *judge, pid_t pid);

/* What judge_event() needs for an event beside stamps and paths: it may be put off until that is there. */
enum judge_need {
        JUDGE_NEEDS_NOTHING,
        JUDGE_NEEDS_REMEDY, /* what was interrupted: a scan of what is half replaced would say nothing */
        JUDGE_NEEDS_MARKS, /* of accesses and changes */
};
enum judge_need judge_needs(const struct judge *judge, const struct gate_event *event);

/* gate_event_fn, userdata is a judge: somebody waits for an answer. */
void judge_event(void *userdata, const struct gate_event *event);

/* gate_last_fn, userdata is a judge: nothing is scanned any more, so that what only a scan could tell is left to
 * on_error. What is no mail is let through, as ever. */
bool judge_last(void *userdata, const struct gate_event *event);

/* A file that nobody waits for (it appeared before its folder's mark, or is new mail): judged at low
 * priority, stamped, logged if bad. Takes fd, an O_RDONLY one. */
void judge_found(struct judge *judge, int fd, bool aloud, enum places_news news);
