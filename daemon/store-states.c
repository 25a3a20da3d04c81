/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the table, and counts those that are detached: mostly none, which is asked for often. */

#include "daemon/store-states.h"

#include <assert.h>
#include <stdlib.h>

#include "store/util.h"

const char *store_state_name(enum store_state state) {
        static const char *const names[] = {
                [STORE_STATE_UNKNOWN] = "unknown", [STORE_STATE_GUARDED] = "guarded",
                [STORE_STATE_MISSING] = "missing", [STORE_STATE_UNMOUNTED] = "unmounted",
                [STORE_STATE_FAILED] = "failed",
        };

        static_assert(ELEMENTSOF(names) == _STORE_STATE_MAX, "a name for each");
        return (unsigned)state < _STORE_STATE_MAX ? names[state] : "invalid";
}

static struct store_status *find(const struct store_states *states, const char *name) {
        for (size_t i = 0; i < states->n; i++)
                if (streq(states->all[i].name, name))
                        return &states->all[i];
        return NULL;
}

struct store_status *store_states_of(struct store_states *states, const char *name) {
        struct store_status *found = find(states, name), *grown;
        char *copy;

        if (found)
                return found;
        grown = reallocarray(states->all, states->n + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        states->all = grown;
        copy = strdup(name);
        if (!copy)
                return NULL;
        grown[states->n] = (struct store_status){ .name = copy };
        return &grown[states->n++];
}

void store_states_detach(struct store_states *states, struct store_status *status, bool detached) {
        if (status->detached == detached)
                return;
        status->detached = detached;
        if (detached)
                states->n_detached++;
        else
                states->n_detached--;
}

enum store_state store_states_state(const struct store_states *states, const char *name) {
        const struct store_status *found = find(states, name);

        return found ? found->state : STORE_STATE_UNKNOWN;
}

bool store_states_is_detached(const struct store_states *states, const char *name) {
        const struct store_status *found = states->n_detached > 0 ? find(states, name) : NULL;

        return found && found->detached;
}

static bool is_configured(const struct config *config, const char *name) {
        for (size_t i = 0; i < config->n_stores; i++)
                if (streq(config->stores[i].name, name))
                        return true;
        return false;
}

void store_states_follow(struct store_states *states, const struct config *config) {
        for (size_t i = states->n; i > 0; i--) {
                struct store_status *status = &states->all[i - 1];

                if (is_configured(config, status->name))
                        continue;
                store_states_detach(states, status, false);
                free(status->name);
                *status = states->all[--states->n];
        }
}

void store_states_done(struct store_states *states) {
        for (size_t i = 0; i < states->n; i++)
                free(states->all[i].name);
        free(states->all);
        *states = (struct store_states){};
}
