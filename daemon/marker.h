/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Places and keeps the marks: a thread of its own, since it opens folders, which the gate thread
 * never does. Follows mounts, stores that vanish and come back, and, where folders are marked one
 * by one, new and renamed-in folders (group N, fanotify notification events with file handles). Hands
 * over files to be scanned with nobody waiting, [scanner] low_queue of them at once at most: found ones
 * wait here for their turn, delivered ones that are too many are left to their first reader.
 */

#include <stdio.h>

#include "daemon/changes.h"
#include "daemon/config.h"
#include "daemon/gate.h"
#include "daemon/journal.h"
#include "daemon/places.h"
#include "daemon/ring.h"

struct marker;

/* Called on the gate thread. */
struct marker_events {
        /* The first round is over: every store that is there is guarded (0), or one can't be
         * (-errno; the reason was written to errors). */
        void (*placed)(void *userdata, int error);
        /* A file that lay in a folder before its mark did, or that was delivered; fd is the callee's, and
         * aloud if reading it raises events.
         * Each is followed by a marker_found_done() some time later. */
        void (*found)(void *userdata, int fd, bool aloud, enum places_news news);
        /* So many were delivered while as many as may be had were had. */
        void (*overflowed)(void *userdata, unsigned n);
        /* The answers to marker_change() and marker_let_go(). */
        void (*changed)(void *userdata, int error, const char *text);
        void (*let_go)(void *userdata);
        /* As places_state_fn; and the answer to marker_look(). */
        void (*state)(void *userdata, const char *store, enum store_state state, bool mounted);
        void (*looked)(void *userdata, unsigned ticket);
        void *userdata;
};

struct marker_parts {
        struct ring *ring;
        const struct config *config;
        const struct config
                *former; /* of the process before, until the marker ends; NULL: not known */
        struct gate *gate;
        const struct changes *changes;
        int news; /* places_open_news(); its owner's */
        struct journal *journal;
        struct marker_events events;
};

/* Starts the thread. errors must live until placed() was called. */
int marker_new(const struct marker_parts *parts, FILE *errors, struct marker **ret);

/* Goes over to another configuration, which must live until the next one's marker_change() is
 * answered: marks what is new in it. An error is explained in its text; the caller then goes back to
 * the one before. */
void marker_change(struct marker *marker, const struct config *config);

/* Takes the marks off what is in the configuration no more. */
void marker_let_go(struct marker *marker);

/* Has it look at all stores at once: what is there then is marked when its ticket, which is returned, or a
 * later one, is told by looked(). Never 0. */
unsigned marker_look(struct marker *marker);

/* Has it forget the files that were found below a path, and waits for nothing: false means that it is still
 * at the one before. marker_forgot(): it is through, and holds nothing there. */
bool marker_forget(struct marker *marker, const char *path);
bool marker_forgot(const struct marker *marker);

/* Tells the thread to end; marker_ended() says when it has. The gate must go on meanwhile: the thread
 * may be inside of an open that waits for it. The gate's marks stay. */
void marker_stop(struct marker *marker);
bool marker_ended(struct marker *marker);

/* Frees a marker whose thread has ended. */
struct marker *marker_free(struct marker *marker);

/* A found file is through with: the next may come. */
void marker_found_done(struct marker *marker);
