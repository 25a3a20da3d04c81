/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Opens that wait for an answer, and the contents that are judged for them: one scan serves
 * everybody who opens the same content meanwhile. What follows the answer happens here as well:
 * log, stamp, count, close. Which content needs a scan is judge.c's business.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "daemon/allow-list.h"
#include "daemon/config.h"
#include "daemon/gate.h"
#include "daemon/hot.h"
#include "daemon/journal.h"
#include "daemon/keys.h"
#include "daemon/pending.h"
#include "daemon/pool.h"
#include "daemon/stamper.h"
#include "daemon/stats.h"
#include "daemon/sweeps.h"
#include "daemon/verdicts.h"

struct breaker;
struct cures;
struct scans;
struct names;

/* A found file (a scan without is_event) is through with. */
typedef void (*scans_found_done_fn)(void *userdata);

/* A content to be judged. */
struct scan_subject {
        int fd;        /* taken: an event fd, or an own one (found) */
        bool is_event; /* somebody waits for it: pid */
        pid_t pid;
        uint64_t since_usec; /* of the event: 0, or since when he waits already */
        bool aloud;          /* reading fd raises events of ours */
        bool leased;         /* a read lease is on fd: nobody writes */
        bool withdraw;       /* somebody can write: the stamp must go before the answer */
        bool old_stamp; /* there is one of older signatures that holds: it must go if more is found */
        const struct stat *st;
        const struct stamp *stamp; /* of the running generation, or NULL */
        const struct config_store *store;
        const struct sweep_manner *sweep; /* the opener is a sweep; NULL: it is not */
};

int scans_new(const struct config *config, struct pool *pool, struct ring *ring,
              struct verdicts *verdicts, struct stats *stats, struct journal *journal,
              scans_found_done_fn on_found_done, void *userdata, struct scans **ret);
struct scans *scans_free(struct scans *scans);
DEFINE_CLEANUP(struct scans *, scans_free);

/* The gate is made after the judge whose events it brings. */
void scans_set_gate(struct scans *scans, struct gate *gate);

/* The keys by which stamps in headers are believed; NULL: none are looked for. */
void scans_set_keys(struct scans *scans, const struct keys *keys);

/* What stands between opens and an engine that fails again and again. */
void scans_set_breaker(struct scans *scans, struct breaker *breaker);

/* Likewise where content that is asked for again and again is kept. Its stamps are withdrawn by the
 * same stamper that writes them. */
void scans_set_hot(struct scans *scans, struct hot *hot);
/* Who is told what the files are that sweeps open; NULL: nobody sweeps. */
void scans_set_sweeps(struct scans *scans, struct sweeps *sweeps);

/* What is let through though it is infected; NULL: nothing. Stays the caller's. */
void scans_set_allow_list(struct scans *scans, struct allow_list *list);
/* Who logs verdicts. */
void scans_set_names(struct scans *scans, struct names *names);
/* Who has a notice put in the place of what is infected; NULL: nobody, it is blocked. */
void scans_set_cures(struct scans *scans, struct cures *cures);
struct stamper *scans_stamper(struct scans *scans);

/* Whether an open of st is let wait for a scan of the very same content that is under way; fd is
 * taken then. */
bool scans_join(struct scans *scans, const struct scan_subject *subject);

/* Whether somebody is scanning this very content. */
bool scans_has(struct scans *scans, const struct stat *st);

/* Starts a scan. With a stamp whose content holds, it may end without the engine. -ENOMEM: fd is
 * not taken. */
int scans_begin(struct scans *scans, const struct scan_subject *subject);

/* Whether there is use in trying a scan now; if not, scans_refuse() answers at once. suspect: older
 * signatures found the content infected. -ENOMEM: fd is not taken. */
bool scans_try(struct scans *scans);
int scans_refuse(struct scans *scans, const struct scan_subject *subject, bool suspect);

/* Tells the breaker of a verdict that the engine gave, or of why it did not; and of an opener who has
 * waited for one since then. */
void scans_tell_engine(struct scans *scans, enum verdict verdict, enum reason reason);
void scans_tell_late(struct scans *scans, uint64_t since);

/* Answers and logs an open by its valid stamp. -ENOMEM: fd is not taken. */
int scans_settle(struct scans *scans, const struct scan_subject *subject);

/* Whether leases and stamps tell all about writers of this file: not on overlayfs, where a mapping is
 * a writer that a lease does not see. (Files that other hosts write are on no file system that is
 * marked, see scope.h.) st: the file's, if it is known, which may spare a system call; or NULL. */
bool scans_can_know_writers(int fd, const struct stat *st);

/* Gives back an fd that no scan was made for. */
void scans_release(struct scans *scans, int fd, bool is_event);

/* Deadlines, and what follows the answers that were flushed. Called once a loop after
 * gate_flush(); returns when it wants to be called next. */
uint64_t scans_run(struct scans *scans, uint64_t now);

/* Answers everybody who still waits by on_error, with this reason: the end. */
void scans_give_up(struct scans *scans, enum reason reason);

/* Lets everybody go who waits; what is being scanned for them goes on. */
void scans_let_go(struct scans *scans);

/* Since when the oldest open waits for its answer; 0: none waits. */
uint64_t scans_oldest(const struct scans *scans);

/* When the first of the opens that wait must have its answer; USEC_INFINITY: none waits. */
uint64_t scans_due(const struct scans *scans);

/* How many opens wait for their answer. */
unsigned scans_waiting(const struct scans *scans);

/* Tells of each of them. */
void scans_list(const struct scans *scans, pending_fn *each, void *userdata);

/* Whether the stamps of hubs count in this store, for content that somebody waits for or not. */
bool scans_honour_stamps(const struct scans *scans, const struct config_store *store, bool awaited);

/* Judges the stamps that a worker found, by what it says of them and of the content: it could
 * as well have said that the content is clean. Other than GOOD: none counts. */
enum hub_check scans_judge_stamps(struct scans *scans, const struct config_store *store,
                                  const struct hub_content *content);

/* How many contents of a store are being judged or stamped. */
unsigned scans_in(const struct scans *scans, const char *store);

/* Whether anything is left to do: opens, scans or stamps. */
bool scans_busy(const struct scans *scans);
