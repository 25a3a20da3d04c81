/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What outlives the process: fds that the service manager keeps for the next one (sd_notify(3),
 * FDSTORE=1; FileDescriptorStoreMax= of the unit). It keeps them over crashes, kills and "systemctl
 * restart"; after "systemctl stop" it closes them, and with the group all marks go.
 */

#include "daemon/notify.h"
#include "store/util.h"

enum keep_what {
        KEEP_GATE,    /* the permission group (gate.h), with its marks and its openers */
        KEEP_CHANGES, /* groups M and N */
        KEEP_NEWS,
        KEEP_ORPHANS, /* orphans.h */
        KEEP_LEGACY,  /* legacy.h */
        KEEP_BEFORE, /* a group that can't be gone on with, until the marks of KEEP_GATE are in place */
        _KEEP_MAX
};

/* Of those that have openers, to whom else they are called so. */
#define KEEP_GATE_NAME   "gate"
#define KEEP_BEFORE_NAME "gate-before"

/* Set by a keeper: it has what it was given, whatever a service manager behind it does. */
#define KEEPER "STORESCAN_KEEPER"

/* Set by a keeper behind which nobody else keeps anything: to KEEPER_LAST for who is started to answer those who
 * wait, and to end. */
#define KEEPER_ALONE "STORESCAN_KEEPER_ALONE"
#define KEEPER_LAST  "last"

struct keep {
        bool put;    /* it was given something since keep_finish() */
        bool kept;   /* there is a service manager or a keeper, and it took what it was given */
        bool keeper; /* it is a keeper */
        bool alone;  /* it is a keeper, which opens the stores when it is told to end */
        bool last;   /* and it was: nobody comes after us, whoever ends us */
        int fds[_KEEP_MAX]; /* of the process before; -EBADF: none. Whoever takes one sets that */
};

/* Takes what was kept. Before anything else is opened: the numbers of fds mean something (settle.h). */
void keep_take(struct keep *keep);

/* Gives those that are left numbers from this one on. */
void keep_move(struct keep *keep, unsigned from);

/* Has fd kept, instead of what was kept in its place. It may sleep until the manager reads. */
void keep_put(struct keep *keep, enum keep_what what, int fd);

/* What was kept there need not be any more. Waits for nobody: where that can't be told, it stays. */
void keep_drop(const struct keep *keep, const struct notify *notify, enum keep_what what);

/* To a keeper that is alone: nobody waits any more, nor will. Behind the last answer: until it is told, it has another
 * process answer those who wait. */
void keep_let_go(const struct keep *keep, const struct notify *notify);

/* Sleeps, for a limited time, until the manager has all that it was given; else it is not known to keep it. A keeper
 * has it at once, and sees to it that the manager gets it before its own end. */
void keep_finish(struct keep *keep);

/* Closes those that nobody took. */
void keep_done(struct keep *keep);
