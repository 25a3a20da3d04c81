/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the order: first nothing more is kept, then what is kept goes, then it is waited for what goes by
 * itself. */

#include "daemon/detach.h"

static void set(struct detach *d, struct store_status *status, bool detached) {
        store_states_detach(d->states, status, detached);
        if (d->sweeps)
                sweeps_detach(d->sweeps, status->name, detached);
        legacy_note_detached(d->legacy, status->name, detached);
}

static void attach(struct detach *d, struct store_status *status) {
        if (!status->detached)
                return;
        set(d, status, false);
        journal_say(d->journal, EVENT_STORE_ATTACHED, status->name, "Store '%s' is attached again.",
                    status->name);
}

static int begin(struct detach *d, const struct config_store *store, struct store_status *status) {
        if (!marker_forget(d->marker, store->path))
                return -EINPROGRESS;
        set(d, status, true);
        hot_drop_all(d->hot);
        journal_say(d->journal, EVENT_STORE_DETACHED, store->name,
                    "Store '%s' is detached: nothing there is kept open. Its marks stay, and opens "
                    "are judged.",
                    store->name);
        return -EINPROGRESS;
}

int detach_begin(struct detach *d, const struct config_store *store) {
        struct store_status *status = store_states_of(d->states, store->name);

        if (!d->marker)
                return -ECANCELED;
        if (!status)
                return -ENOMEM;
        if (!status->detached)
                return begin(d, store, status);
        if (many_rest(d->many, store->name) > 0 || scans_in(d->scans, store->name) > 0 ||
            hot_busy(d->hot) || !marker_forgot(d->marker) || selftest_busy(d->selftest) ||
            (d->sweeps && sweeps_works_in(d->sweeps, store->name)))
                return -EINPROGRESS;
        return 0;
}

int detach_end(struct detach *d, const struct config_store *store) {
        struct store_status *status = store_states_of(d->states, store->name);

        if (!d->marker)
                return -ECANCELED;
        if (!status)
                return -ENOMEM;
        if (status->ticket == 0) {
                attach(d, status);
                status->ticket = marker_look(d->marker);
        }
        /* Numbers that are far apart have come round. */
        if ((int)(d->looked - status->ticket) < 0)
                return -EINPROGRESS;
        status->ticket = 0;
        switch (status->state) {
        case STORE_STATE_GUARDED: return 0;
        case STORE_STATE_MISSING: return -ENOENT;
        case STORE_STATE_UNMOUNTED: return -ENODEV;
        default: return -EIO;
        }
}

void detach_again(struct detach *d, const struct config *config) {
        for (size_t i = 0; i < config->n_stores; i++) {
                const char *name = config->stores[i].name;
                struct store_status *status = legacy_is_detached(d->legacy, name)
                                                      ? store_states_of(d->states, name)
                                                      : NULL;

                if (!status)
                        continue;
                set(d, status, true);
                journal_say(d->journal, EVENT_STORE_DETACHED, name,
                            "Store '%s' is detached, as it was before the restart.", name);
        }
}

void detach_state(struct detach *d, const char *store, enum store_state state, bool mounted) {
        struct store_status *status = store_states_of(d->states, store);
        bool first;

        if (!status)
                return;
        /* At the first look all that is mounted is new. */
        first = status->state == STORE_STATE_UNKNOWN;
        status->state = state;
        if (mounted && !first)
                attach(d, status);
}

void detach_looked(struct detach *d, unsigned ticket) {
        d->looked = ticket;
}
