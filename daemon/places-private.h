/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Shared by places.c (marks, and what the kernel tells), places-round.c (what is there now),
 * places-change.c (stores that come and go) and places-left.c (what a process before has left).
 */

#include <limits.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "daemon/newcomers.h"
#include "daemon/places.h"
#include "daemon/scope.h"

#define MASK_P FAN_OPEN_PERM
#define MASK_N (FAN_CREATE | FAN_MOVED_TO | FAN_ONDIR)
/* Of new mail, where it is scanned before anybody asks: of a whole file system without folders. */
#define MASK_NEWS (FAN_CREATE | FAN_MOVED_TO | FAN_CLOSE_WRITE)

/* What makes the folder at a path still the same one. */
struct identity {
        dev_t dev;
        ino_t ino;
        uint64_t mount;
        struct statx_timestamp born;
};

struct guarded {
        char *path;
        bool filesystem;
        struct identity identity;
        fsid_t fsid;
        int watch;
};

struct marked_store {
        const struct config_store *config;
        struct guarded *places;
        size_t n;
        bool told, lost, leaves;
        bool point; /* a file system was mounted on its folder once */
        dev_t dev;  /* of its folder */
        enum store_state state;
        char *complaint; /* said last: not again every round */
};

struct places {
        const struct config *config;
        struct gate *gate;
        const struct changes *changes;
        struct journal *journal;
        places_file_fn on_file;
        places_state_fn on_state;
        void *userdata;
        FILE *errors; /* of the round under way, or NULL */
        const char *own[4];

        int group, inotify, mountinfo;
        struct newcomers *newcomers;
        struct marked_store *stores; /* those of config, and behind them those that leave */
        size_t n_stores;
        unsigned marked, failed;            /* in the walk under way */
        const struct config_store *walking; /* its store */
        uint64_t walking_mask;              /* what P's marks there ask for */
        const char *walking_mount;          /* the place it is in */
};

/* ---- places.c ---- */

/* Whether new mail in a store is told of. */
bool places_tell_news(const struct config *config, const struct config_store *store);

/* Which store's folders are marked from now on, and how. */
void places_walk_store(struct places *m, const struct config_store *store, const char *mount);

/* Marks the folders from name below parent down; with find, files that lie there already are told. */
int places_mark_tree(struct places *m, const struct config_store *store, const char *mount,
                     int parent, const char *name, const char *path, bool find);

/* Files of many items: their changes are told as well, in a folder or on its file system. Where they can't
 * be, every change of a file's times is taken for one of all of it. */
void places_note_changes(struct places *m, int fd, bool filesystem);

void places_mark_failed(struct places *m, const char *path, int error);

/* ---- places-round.c ---- */

/* NULL: there is none. */
struct guarded *places_find(struct marked_store *s, const char *path);

/* Brings the marks of one store in line with what is there now. mounts are read again where they have
 * changed meanwhile. */
int places_store_round(struct places *m, struct marked_store *s, struct scope_mounts *mounts);

/* Watches the folders above a root, so that its coming back is told. */
void places_watch_above(struct places *m, const char *path);

/* Ends a place's watch. Its marks stay. */
void place_forget(struct places *m, struct guarded *g);

/* Where a folder belongs to. Stores may lie in each other, and side by side on one file system, and of
 * only some the accesses are told. */
struct belongs {
        const struct config_store *store; /* NULL: nowhere */
        const char *mount;                /* the place it is in */
};

/* ---- places-change.c ---- */

/* Takes the marks off the folders from path down that belong to no store; how many had some. */
unsigned places_unmark_tree(struct places *m, const struct config_store *store, const char *path);

/* Whether there is a store in that place still. */
bool places_stays(const struct places *m, const struct config_store *store);

/* ---- places.c ---- */

/* By its path: the innermost store above it, as for files (stores.c); none that leaves. */
struct belongs places_belong(const struct places *m, const char *path);
