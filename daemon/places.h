/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The marks of all stores, and what the kernel tells of their folders and mounts. Opens folders, so
 * it belongs to the marker's thread.
 */

#include <stdbool.h>
#include <stdio.h>

#include "daemon/changes.h"
#include "daemon/config.h"
#include "daemon/gate.h"
#include "daemon/journal.h"
#include "daemon/store-states.h"

struct places;

/* What is told of a regular file. */
enum places_news {
        PLACES_FOUND,     /* it lies in a folder which was marked just now */
        PLACES_CREATED,   /* somebody made it, or a link to it: it may be written to still */
        PLACES_DELIVERED, /* a writer has closed it, or it was moved to where it is */
};

/* mount is the place it is in, a path above it. */
typedef void (*places_file_fn)(void *userdata, const char *mount, const char *path,
                               enum places_news news);

/* What a store is found to be, when that changes. mounted: a file system was mounted on its folder, be it
 * that of before. */
typedef void (*places_state_fn)(void *userdata, const char *store, enum store_state state,
                                bool mounted);

/* Opens group N. kept: that of the process before, or -EBADF; it is taken over, and returned, if it is
 * as it would be made now. An fd or negative errno, explained in errors. */
int places_open_news(int kept, FILE *errors);

/* What it works with. */
struct places_parts {
        const struct config *config;
        struct gate *gate;
        const struct changes *changes;
        int news; /* group N; its owner's, but for its marks and events */
        struct journal *journal;
        places_file_fn on_file;
        places_state_fn on_state;
        void *userdata;
};

/* Opens the watches, the mount table. A failure is explained in errors. */
int places_new(const struct places_parts *parts, FILE *errors, struct places **ret);
struct places *places_free(struct places *places);
DEFINE_CLEANUP(struct places *, places_free);

/* What to wait for: events of group N and of the watches (POLLIN), changes of mounts (POLLPRI). */
int places_group_fd(const struct places *places);
int places_watch_fd(const struct places *places);
int places_newcomers_fd(const struct places *places);
int places_mounts_fd(const struct places *places);

/* Brings marks in line with what is there now. Failures of single folders and lost stores are
 * logged. Negative: a store can't be guarded at all; explained in errors, or logged if NULL. By a former
 * configuration (config.h) that is logged, too, unless the system lacks something. */
int places_round(struct places *places, FILE *errors);

/* Takes off what a process before has marked in the gate's group, and nothing needs: after a round. former:
 * the configuration it had; NULL: that is not known. */
void places_drop_left(struct places *places, const struct config *former);

/* Goes over to another configuration, which must live on: marks stores that are new or kept in another
 * way, before those that are in it no more lose their marks. Negative: a store can't be guarded;
 * explained in errors. Then the caller goes back. */
int places_change(struct places *places, const struct config *config, FILE *errors);

/* Takes the marks off stores that are in the configuration no more. */
void places_let_go(struct places *places);

/* Marks new and renamed-in folders that group N tells of, tells of new mail where that is wanted;
 * whether there were events. */
bool places_take_group(struct places *places);

/* The same where group N can't tell. */
void places_take_newcomers(struct places *places);

/* Takes note of roots that went or were unmounted; a round is due then. */
void places_take_watches(struct places *places);
