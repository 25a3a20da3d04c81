/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns what was told last. A message that finds no room waits in sd-bus; nothing here waits for it. Must take
 * no requests behind the answers of a turn: what they answer would lie there until the next.
 */

#include "daemon/bus-private.h"

#define CHANGES_MAX 8

/* Names of the properties that are not what they were. */
static void list_changes(const struct bus_told *told, const struct bus_told *now,
                         const char *ret[static CHANGES_MAX + 1]) {
        const struct bus_state *a = &told->state, *b = &now->state;
        size_t n = 0;

        if (a->guarding != b->guarding)
                ret[n++] = "Guarding";
        if (a->paused != b->paused)
                ret[n++] = "Paused";
        if (a->breaker != b->breaker)
                ret[n++] = "Breaker";
        if (a->refused_signatures != b->refused_signatures ||
            a->refused_config != b->refused_config)
                ret[n++] = "Refused";
        if (a->database_version != b->database_version)
                ret[n++] = "DatabaseVersion";
        if (memcmp(&told->generation, &now->generation, sizeof(now->generation)) != 0) {
                ret[n++] = "Generation";
                ret[n++] = "SignaturesUSec";
        }
        if (a->hook_changes != b->hook_changes)
                ret[n++] = "Hooked";
        ret[n] = NULL;
}

bool bus_tell(struct bus *bus, const struct bus_state *state) {
        struct bus_told now = { .state = *state };
        const char *changes[CHANGES_MAX + 1];
        uint64_t unsent = 0;
        bool hooks;

        if (!bus)
                return false;
        now.state.generation = NULL;
        if (state->generation)
                now.generation = *state->generation;
        list_changes(&bus->told, &now, changes);
        if (!changes[0])
                return false;
        hooks = bus->told.state.hook_changes != state->hook_changes;
        bus->told = now;
        /* Who comes later reads it all. */
        if (!bus->sd || sd_bus_is_ready(bus->sd) <= 0)
                return false;
        (void)sd_bus_emit_properties_changed_strv(bus->sd, BUS_PATH, BUS_MANAGER_INTERFACE,
                                                  (char **)changes);
        if (hooks)
                bus_stores_changed(bus);
        (void)sd_bus_get_n_queued_write(bus->sd, &unsent);
        bus->unsent = unsent > 0;
        return bus->unsent;
}

bool bus_waits(const struct bus *bus) {
        return bus && !LIST_EMPTY(&bus->waiting);
}

void bus_run(struct bus *bus) {
        if (!bus)
                return;
        bus_requests_run(bus);
        if (!bus->unsent)
                return;
        bus->unsent = false;
        bus_dispatch(bus);
}
