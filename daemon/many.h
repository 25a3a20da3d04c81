/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Store files that hold many items, and to which mail is appended while others have them open: mbox,
 * mdbox. Not their open but each access is judged, by the items that it overlaps. What is known of
 * each file in use is kept in a table (store/spans.h), and holds until something is written to the
 * file: before every answer the changes are asked for (changes.h) and the file's times compared.
 *
 * Everything here runs on the gate thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "daemon/allow-list.h"
#include "daemon/changes.h"
#include "daemon/config.h"
#include "daemon/cures.h"
#include "daemon/gate.h"
#include "daemon/hot.h"
#include "daemon/journal.h"
#include "daemon/pending.h"
#include "daemon/pool.h"
#include "daemon/scans.h"
#include "daemon/stats.h"
#include "daemon/sweeps.h"
#include "daemon/verdicts.h"

struct many;
struct names;

struct many_parts {
        struct ring *ring;
        const struct config *config;
        unsigned max_files; /* that may be in use, with an fd each */
        struct pool *pool;
        struct gate *gate;
        struct scans *scans;
        struct hot *hot;
        struct cures *cures;             /* NULL: nothing is replaced */
        const struct remedies *remedies; /* whose writes are none of others */
        struct changes *changes;
        struct verdicts *verdicts;
        struct allow_list *allow_list;
        struct sweeps *sweeps; /* NULL: nobody sweeps */
        struct stats *stats;
        struct journal *journal;
        struct names *names;
};

int many_new(const struct many_parts *parts, struct many **ret);

/* Once many_busy() is false. */
struct many *many_free(struct many *many);
DEFINE_CLEANUP(struct many *, many_free);

/* An open of such a file. Takes the event's fd. stamped: the file is clean by a stamp that is accepted
 * and still true of it. writer: somebody has the file open for writing, or this open
 * is for it; leased: a read lease is on fd, nobody has. */
struct many_open {
        const struct gate_event *event;
        const struct stat *st;
        const struct config_store *store;
        bool rooted; /* the file lies in the store; else it is judged as what it is known for */
        bool stamped, writer, leased;
        bool older; /* its stamp, which holds, is one of an older generation; stamped: it is accepted */
        const struct sweep_manner *sweep; /* the opener is a sweep; NULL: it is not */
};
void many_opened(struct many *many, const struct many_open *open);

/* The configuration is another one. */
void many_follow_config(struct many *many);

/* Whether a file is in use that holds many items. */
bool many_knows(const struct many *many, const struct stat *st);

/* Has the accesses to a file no longer told, until somebody writes to it or many_heed() is called. */
void many_ignore(struct many *many, int fd, const struct stat *st);
void many_heed(struct many *many, int fd, const struct stat *st);

/* Closes what is kept of the files of a store, without stamps for them. How many are left: of those somebody
 * waits, or something is being done about them. */
unsigned many_rest(struct many *many, const char *store);

/* The marks are in place: who starts now has nothing open from before. */
void many_guards(struct many *many);

/* An access to a file that is open. False: no file that is known here; the caller finds out what it is,
 * and calls many_learn() for one that holds many items. Else the event's fd is taken. */
bool many_accessed(struct many *many, const struct gate_event *event, const struct stat *st);
void many_learn(struct many *many, const struct many_open *open);

/* Deadlines, and what follows the answers. Called once a loop behind gate_flush(); returns when it wants
 * to be called next. */
uint64_t many_run(struct many *many, uint64_t now);

/* Answers everybody who still waits by on_error: the end. */
void many_give_up(struct many *many);

/* Lets everybody go who waits. */
void many_let_go(struct many *many);

/* Since when the oldest access waits for its answer; 0: none waits. */
uint64_t many_oldest(const struct many *many);

/* When the first of the accesses that wait must have its answer; USEC_INFINITY: none waits. */
uint64_t many_due(const struct many *many);

/* How many accesses wait for their answer. */
unsigned many_waiting(const struct many *many);

/* Tells of each of them. */
void many_list(const struct many *many, pending_fn *each, void *userdata);

/* Whether anybody waits, or anything is being judged. */
bool many_busy(const struct many *many);
