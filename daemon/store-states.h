/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is known on the gate's thread of each store's folder: whether it is there and marked, as the
 * marker tells (marker.h), and whether root has detached it (detach.h). Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"

enum store_state {
        STORE_STATE_UNKNOWN, /* not looked at yet */
        STORE_STATE_GUARDED, /* there, and marked */
        STORE_STATE_MISSING, /* no such folder */
        STORE_STATE_UNMOUNTED, /* its file system is gone; the folder that it was mounted on is guarded */
        STORE_STATE_FAILED, /* it, or something mounted below it, could not be marked */
        _STORE_STATE_MAX
};

/* "unknown", "guarded", "missing", "unmounted", "failed"; stable. */
const char *store_state_name(enum store_state state);

struct store_status {
        char *name;
        enum store_state state;
        bool detached;
        unsigned ticket; /* detach.c's */
};

struct store_states {
        struct store_status *all; /* in no order */
        size_t n, n_detached;
};

void store_states_done(struct store_states *states);

/* That of a store, made if there is none yet; NULL: no memory. Valid until the next is made. */
struct store_status *store_states_of(struct store_states *states, const char *name);

void store_states_detach(struct store_states *states, struct store_status *status, bool detached);

/* Of a store that nothing is known of: UNKNOWN, and not detached. */
enum store_state store_states_state(const struct store_states *states, const char *name);
bool store_states_is_detached(const struct store_states *states, const char *name);

/* Forgets the stores that are not in the configuration. */
void store_states_follow(struct store_states *states, const struct config *config);
