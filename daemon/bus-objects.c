/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is said of storescand on the bus. Owns nothing: every answer is made of what runs at that moment.
 */

#include "daemon/bus-private.h"
#include "daemon/clock.h"

static struct bus_view look(struct bus *bus) {
        struct bus_view view = {};

        bus->calls.look(bus->calls.userdata, &view);
        return view;
}

/* ---- storescand ---- */

static int get_version(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", STORESCAN_VERSION);
}

static int get_guarding(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", look(userdata).guarding);
}

static int get_generation(sd_bus *sd, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct generation *generation = look(userdata).generation;
        char text[GENERATION_LENGTH + 1] = "";

        if (generation)
                generation_format(generation, text);
        return sd_bus_message_append(reply, "s", text);
}

static int get_database_version(sd_bus *sd, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", look(userdata).database_version);
}

static int get_signatures_usec(sd_bus *sd, const char *path, const char *interface,
                               const char *property, sd_bus_message *reply, void *userdata,
                               sd_bus_error *error) {
        return sd_bus_message_append(reply, "t", look(userdata).database_usec);
}

/* What is on disk and does not run, because it was refused. */
static int get_refused(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus_view view = look(userdata);
        int r = sd_bus_message_open_container(reply, 'a', "s");

        if (r >= 0 && view.refused_signatures)
                r = sd_bus_message_append(reply, "s", "signatures");
        if (r >= 0 && view.refused_config)
                r = sd_bus_message_append(reply, "s", "configuration");
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_breaker(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", breaker_state_name(look(userdata).breaker));
}

static int get_waiting(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", look(userdata).waiting);
}

static int get_oldest(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        uint64_t since = look(userdata).oldest_usec, now = now_usec();

        return sd_bus_message_append(reply, "t", since == 0 || since > now ? 0 : now - since);
}

static int get_counters(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct stats *stats = look(userdata).stats;
        int r = sd_bus_message_open_container(reply, 'a', "{st}");

#define X(name, meaning) \
        if (r >= 0)      \
                r = sd_bus_message_append(reply, "{st}", #name, stats->name);
        STATS_TABLE(X)
#undef X
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* What was counted since midnight, and since when that is, in microseconds since 1970. */
static int get_today(sd_bus *sd, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus_view view = look(userdata);
        int r = sd_bus_message_open_container(reply, 'a', "{st}");

        if (r >= 0)
                r = sd_bus_message_append(reply, "{st}", "since_usec", view.today->since_usec);
#define X(name)                                                 \
        if (r >= 0)                                             \
                r = sd_bus_message_append(reply, "{st}", #name, \
                                          view.stats->name - view.today->name);
        TODAY_TABLE(X)
#undef X
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Of each store: whether it is hooked, how long ago (in microseconds) that was found, and why the last
 * test could not tell. */
static int get_hooked(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus_view view = look(userdata);
        int r = sd_bus_message_open_container(reply, 'a', "(ssts)");
        uint64_t now = now_usec();

        for (size_t i = 0; i < view.n_hooks && r >= 0; i++) {
                const struct selftest_result *hook = &view.hooks[i];

                r = sd_bus_message_append(
                        reply, "(ssts)", hook->store, hook_name(hook->hook),
                        hook->checked_usec == 0 ? UINT64_MAX : now - MIN(now, hook->checked_usec),
                        hook->error != 0 ? error_text(hook->error) : "");
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_queued(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", look(userdata).queued);
}

static int get_background(sd_bus *sd, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", look(userdata).background);
}

/* Stage, count of each bucket alone, sum of all. The bounds are in daemon/latency.h. */
static int get_latencies(sd_bus *sd, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct stats *stats = look(userdata).stats;
        int r = sd_bus_message_open_container(reply, 'a', "(satatt)");

        for (int i = 0; r >= 0 && i < _LATENCY_STAGE_MAX; i++) {
                const struct latency *l = &stats->latency[i];

                r = sd_bus_message_open_container(reply, 'r', "satatt");
                if (r >= 0)
                        r = sd_bus_message_append(reply, "s", latency_stage_name(i));
                if (r >= 0)
                        r = sd_bus_message_append_array(reply, 't', latency_bounds,
                                                        sizeof(latency_bounds));
                if (r >= 0)
                        r = sd_bus_message_append_array(reply, 't', l->counts, sizeof(l->counts));
                if (r >= 0)
                        r = sd_bus_message_append(reply, "t", l->sum_usec);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_store_counters(sd_bus_message *reply, const struct store_stats *of) {
        char name[64];
        int r = sd_bus_message_open_container(reply, 'a', "{st}");

#define X(counter, meaning) \
        if (r >= 0)         \
                r = sd_bus_message_append(reply, "{st}", #counter, of->counter);
        STORE_STATS_TABLE(X)
#undef X
        for (int i = 0; r >= 0 && i < _HUB_CHECK_MAX; i++) {
                (void)snprintf(name, sizeof(name), "hub_%s", stats_hub_name(i));
                r = sd_bus_message_append(reply, "{st}", name, of->hub[i]);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* By name, of the stores of the configuration that is in force. */
static int get_store_counters(sd_bus *sd, const char *path, const char *interface,
                              const char *property, sd_bus_message *reply, void *userdata,
                              sd_bus_error *error) {
        struct bus_view view = look(userdata);
        int r = sd_bus_message_open_container(reply, 'a', "{sa{st}}");

        for (size_t i = 0; r >= 0 && i < view.config->n_stores; i++) {
                const char *name = view.config->stores[i].name;

                r = sd_bus_message_open_container(reply, 'e', "sa{st}");
                if (r >= 0)
                        r = sd_bus_message_append(reply, "s", name);
                if (r >= 0)
                        r = append_store_counters(reply, stats_of(view.stats, name));
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Name, state of the folder, whether it is detached. */
static int get_store_states(sd_bus *sd, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *error) {
        struct bus_view view = look(userdata);
        int r = sd_bus_message_open_container(reply, 'a', "(ssb)");

        for (size_t i = 0; r >= 0 && i < view.config->n_stores; i++) {
                const char *name = view.config->stores[i].name;

                r = sd_bus_message_append(reply, "(ssb)", name,
                                          store_state_name(store_states_state(view.states, name)),
                                          store_states_is_detached(view.states, name));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_paused(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", look(userdata).paused);
}

static int pause_stores(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        uint64_t usec;

        if (sd_bus_message_read(message, "t", &usec) < 0 ||
            bus->calls.pause(bus->calls.userdata, usec) < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "A pause has an end: from 1 us to 24 hours from now.");
        return 0;
}

static int on_pause(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, pause_stores);
}

static int resume(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        bus->calls.resume(bus->calls.userdata);
        return 0;
}

static int on_resume(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, resume);
}

static int reload(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        bus->calls.reload(bus->calls.userdata);
        return 0;
}

static int on_reload(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, reload);
}

static int clear_poison(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        bus->calls.clear_poison(bus->calls.userdata);
        return 0;
}

static int on_clear_poison(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, clear_poison);
}

/* ---- Sweeps ---- */

static int get_sweeps(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct sweeps *sweeps = look(userdata).sweeps;
        int r = sd_bus_message_open_container(reply, 'a', "(ssttttt)");
        struct sweeps_status s;

        for (size_t i = 0; r >= 0 && sweeps && sweeps_status(sweeps, i, &s); i++)
                r = sd_bus_message_append(reply, "(ssttttt)", s.store, s.state, s.done, s.total,
                                          s.rate_milli, s.eta, s.counters.infected);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* What sweeps_start() and sweeps_stop() return, for people. */
static int sweep_error(int r, const char *store, sd_bus_error *error) {
        switch (r) {
        case -ENOENT:
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_STORE,
                                         "There is no store '%s' in the configuration.", store);
        case -EALREADY:
                return sd_bus_error_setf(error, BUS_ERROR_SWEEP_RUNS,
                                         "The sweep of store '%s' runs already.", store);
        case -ESRCH:
                return sd_bus_error_setf(error, BUS_ERROR_NO_SWEEP_RUNS,
                                         "No sweep of store '%s' runs.", store);
        case -EOPNOTSUPP:
                return sd_bus_error_setf(
                        error, BUS_ERROR_NOT_SWEPT,
                        "Store '%s' is not swept: attachments_only is set, and its "
                        "format does not tell them apart.",
                        store);
        case -EBUSY:
                return sd_bus_error_set(error, BUS_ERROR_PAUSED,
                                        "Everything is paused; 'storescanctl resume' ends that.");
        case -ENOTCONN:
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                         "Store '%s' is detached; 'storescanctl store attach %s' "
                                         "ends that.",
                                         store, store);
        case -ECANCELED:
                return sd_bus_error_set(error, BUS_ERROR_NOT_READY,
                                        "storescand is starting or ending; try again later.");
        default: return sd_bus_error_set_errno(error, r);
        }
}

static int sweep_start(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        const char *store = "";
        int r = sd_bus_message_read(message, "s", &store);

        if (r >= 0)
                r = bus->calls.sweep_start(bus->calls.userdata, store);
        return r < 0 ? sweep_error(r, store, error) : 0;
}

static int on_sweep_start(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, sweep_start);
}

static int sweep_stop(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        const char *store = "";
        int r = sd_bus_message_read(message, "s", &store);

        if (r >= 0)
                r = bus->calls.sweep_stop(bus->calls.userdata, store);
        return r < 0 ? sweep_error(r, store, error) : 0;
}

static int on_sweep_stop(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, sweep_stop);
}

static int on_explain(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, bus_explain);
}

static int on_scan_begin(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, bus_scan_begin);
}

static int on_scan_result(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, bus_scan_result);
}

static int on_list_pending(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(userdata, message, bus_list_pending);
}

/* See bus_append_store(). */
static int get_stores(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct config *config = look(userdata).config;
        int r = sd_bus_message_open_container(reply, 'a', "(saysssss)");

        for (size_t i = 0; r >= 0 && i < config->n_stores; i++) {
                const struct config_store *s = &config->stores[i];

                r = sd_bus_message_open_container(reply, 'r', "saysssss");
                if (r >= 0)
                        r = bus_append_store(reply, s);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Guarding", "b", get_guarding, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Generation", "s", get_generation, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DatabaseVersion", "u", get_database_version, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SignaturesUSec", "t", get_signatures_usec, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Refused", "as", get_refused, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Breaker", "s", get_breaker, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Waiting", "u", get_waiting, 0, 0),
        SD_BUS_PROPERTY("OldestWaitUSec", "t", get_oldest, 0, 0),
        SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
        SD_BUS_PROPERTY("Today", "a{st}", get_today, 0, 0),
        SD_BUS_PROPERTY("Hooked", "a(ssts)", get_hooked, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StoreCounters", "a{sa{st}}", get_store_counters, 0, 0),
        SD_BUS_PROPERTY("Stores", "a(saysssss)", get_stores, 0, 0),
        SD_BUS_PROPERTY("StoreStates", "a(ssb)", get_store_states, 0, 0),
        SD_BUS_PROPERTY("Latencies", "a(satatt)", get_latencies, 0, 0),
        SD_BUS_PROPERTY("Queued", "u", get_queued, 0, 0),
        SD_BUS_PROPERTY("Background", "u", get_background, 0, 0),
        SD_BUS_PROPERTY("Paused", "b", get_paused, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD("Pause", "t", "", on_pause, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Resume", "", "", on_resume, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Sweeps", "a(ssttttt)", get_sweeps, 0, 0),
        SD_BUS_METHOD("SweepStart", "s", "", on_sweep_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SweepStop", "s", "", on_sweep_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        /* How many wait; usec, pid, "open" or "read", stage, store and path of each. */
        SD_BUS_METHOD("ListPending", "", "ua(tusssay)", on_list_pending,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        /* Path; device, inode, mode, size, links, seconds of mtime, nanoseconds of ctime; whether the
         * name is a mount, whether the file system is read-only; the stamp or "". What decides,
         * the answer, what the stamp's generation is worth, hot, being scanned; the store, if any. */
        SD_BUS_METHOD("Explain", "ayttuttttbbs", "sssbba(saysssss)", on_explain,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        /* Process, device, inode: its next open of that file is made to have it scanned; then: what was
         * found, "none" if it was not looked for, and whether the stamp said so. */
        SD_BUS_METHOD("ScanBegin", "utt", "", on_scan_begin, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ScanResult", "utt", "sb", on_scan_result, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", "", "", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ClearPoison", "", "", on_clear_poison, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int bus_add_objects(struct bus *bus) {
        int r = sd_bus_add_object_vtable(bus->sd, NULL, BUS_PATH, BUS_MANAGER_INTERFACE,
                                         manager_vtable, bus);

        return r < 0 ? r : bus_add_stores(bus);
}
