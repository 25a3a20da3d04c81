/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the order: first nothing more is kept, then what is kept goes, then it is waited for what goes by
 * itself. */

#include "daemon/detach.h"

static void attach(struct detach *d, struct store_status *status) {
        if (!status->detached)
                return;
        store_states_detach(d->states, status, false);
        if (d->sweeps)
                sweeps_detach(d->sweeps, status->name, false);
        journal_say(d->journal, EVENT_STORE_ATTACHED, status->name, "Store '%s' is attached again.",
                    status->name);
}

static int begin(struct detach *d, const struct config_store *store, struct store_status *status) {
        if (!marker_forget(d->marker, store->path))
                return -EINPROGRESS;
        store_states_detach(d->states, status, true);
        if (d->sweeps)
                sweeps_detach(d->sweeps, store->name, true);
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

void detach_state(struct detach *d, const char *store, enum store_state state, bool mounted) {
        struct store_status *status = store_states_of(d->states, store);

        if (!status)
                return;
        status->state = state;
        if (mounted)
                attach(d, status);
}

void detach_looked(struct detach *d, unsigned ticket) {
        d->looked = ticket;
}
