/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether stores are hooked: now and then a file without a name is made in each store's folder and
 * opened by a thread of ours, as anybody would open mail. The gate denies just that open. One that
 * succeeds passed by the gate, and so does mail.
 *
 * That the engine finds what it should is proven elsewhere (daemon/worker/canary.h).
 */

#include "daemon/config.h"
#include "daemon/journal.h"
#include "daemon/stats.h"
#include "daemon/store-states.h"

struct selftest;

enum hook { HOOK_UNKNOWN, HOOK_YES, HOOK_NO, _HOOK_MAX };

/* "unknown", "yes", "no"; stable. */
const char *hook_name(enum hook hook);

struct selftest_result {
        char *store;
        enum hook hook;
        uint64_t checked_usec; /* when that was found; 0: never yet */
        int error;             /* why the last check said nothing; or 0 */
        bool news;             /* it was another one before the last round */
};

/* Stores that are detached by states are left out. */
int selftest_new(const struct config *config, const struct store_states *states,
                 struct stats *stats, struct journal *journal, struct selftest **ret);

/* NULL, unless a file system keeps its thread: then it stays, and only the end of the process ends it. */
struct selftest *selftest_free(struct selftest *selftest);

/* For events of our own: whether it is the open that is to be denied. Counts it then. */
bool selftest_is_canary(struct selftest *selftest, int fd);

/* Whether opens of a store pass us by, as was found twice in a row. */
bool selftest_failed(const struct selftest *selftest);

/* The last result of each store that was looked at; valid until selftest_run(). */
const struct selftest_result *selftest_results(const struct selftest *selftest, size_t *ret_n);

/* How many rounds brought anything new. */
unsigned selftest_changes(const struct selftest *selftest);

/* Whether a round is under way: its thread may have any store open. */
bool selftest_busy(const struct selftest *selftest);

/* Starts rounds when they are due, takes their results. Called once a loop while all marks are in
 * place; returns when it wants to be called next. */
uint64_t selftest_run(struct selftest *selftest, uint64_t now);
