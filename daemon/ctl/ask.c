/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the reading of storescand's properties from one message. */

#include "daemon/ctl/ask.h"

#include <stdlib.h>

#include "daemon/bus-names.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "store/util.h"

/* Every reader is given the message before the variant; negative errno or at least 0. */

static int read_text(sd_bus_message *m, char *out, size_t size) {
        const char *text;
        int r = sd_bus_message_read(m, "v", "s", &text);

        if (r >= 0)
                (void)snprintf(out, size, "%s", text);
        return r;
}

static int read_bool(sd_bus_message *m, bool *out) {
        int value, r = sd_bus_message_read(m, "v", "b", &value);

        if (r >= 0)
                *out = value;
        return r;
}

/* Counters that this storescanctl does not know are passed over; those that storescand does not know stay
 * 0. */
static void set_counter(struct stats *stats, const char *name, uint64_t value) {
#define X(counter, meaning)             \
        if (streq(name, #counter)) {    \
                stats->counter = value; \
                return;                 \
        }
        STATS_TABLE(X)
#undef X
}

static void set_store_counter(struct store_stats *of, const char *name, uint64_t value) {
#define X(counter, meaning)          \
        if (streq(name, #counter)) { \
                of->counter = value; \
                return;              \
        }
        STORE_STATS_TABLE(X)
#undef X
        for (int i = 0; i < _HUB_CHECK_MAX; i++)
                if (startswith(name, "hub_") && streq(name + strlen("hub_"), stats_hub_name(i)))
                        of->hub[i] = value;
}

/* ret_since: of what is counted since some time. */
static int read_counters(sd_bus_message *m, struct stats *stats, uint64_t *ret_since) {
        const char *name;
        uint64_t value;
        int r = sd_bus_message_enter_container(m, 'v', "a{st}");

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{st}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{st}", &name, &value)) > 0)
                if (ret_since && streq(name, "since_usec"))
                        *ret_since = value;
                else
                        set_counter(stats, name, value);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_store(sd_bus_message *m, struct stats *stats) {
        const char *name, *store;
        uint64_t value;
        char *copy;
        int r = sd_bus_message_read(m, "s", &store);

        if (r < 0)
                return r;
        copy = strdup(store);
        if (!copy || stats_of(stats, copy) == &stats->nowhere) {
                free(copy);
                return -ENOMEM;
        }
        r = sd_bus_message_enter_container(m, 'a', "{st}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{st}", &name, &value)) > 0)
                set_store_counter(stats_of(stats, copy), name, value);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_stores(sd_bus_message *m, struct stats *stats) {
        int r = sd_bus_message_enter_container(m, 'v', "a{sa{st}}");

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sa{st}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{st}")) > 0) {
                r = read_store(m, stats);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_states(sd_bus_message *m, struct metrics *to) {
        const char *name, *state;
        int detached, r = sd_bus_message_enter_container(m, 'v', "a(ssb)");

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ssb)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ssb)", &name, &state, &detached)) > 0) {
                struct store_said *grown =
                        reallocarray(to->stores, to->n_stores + 1, sizeof(*grown));
                char *copy = strdup(name);

                if (grown)
                        to->stores = grown;
                if (!grown || !copy) {
                        free(copy);
                        return -ENOMEM;
                }
                grown[to->n_stores] = (struct store_said){ .name = copy, .detached = detached };
                (void)snprintf(grown[to->n_stores].state, sizeof(grown->state), "%s", state);
                to->n_stores++;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Histograms with other bounds are those of another version: they are passed over. */
static int read_latency(sd_bus_message *m, struct stats *stats) {
        const void *bounds, *counts;
        size_t n_bounds, n_counts;
        const char *stage;
        uint64_t sum;
        int r = sd_bus_message_read(m, "s", &stage);

        if (r >= 0)
                r = sd_bus_message_read_array(m, 't', &bounds, &n_bounds);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 't', &counts, &n_counts);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &sum);
        if (r < 0)
                return r;
        for (int i = 0; i < _LATENCY_STAGE_MAX; i++) {
                struct latency *l = &stats->latency[i];

                if (streq(stage, latency_stage_name(i)) && n_bounds == sizeof(latency_bounds) &&
                    memcmp(bounds, latency_bounds, n_bounds) == 0 &&
                    n_counts == sizeof(l->counts)) {
                        memcpy(l->counts, counts, n_counts);
                        l->sum_usec = sum;
                }
        }
        return 0;
}

static int read_latencies(sd_bus_message *m, struct stats *stats) {
        int r = sd_bus_message_enter_container(m, 'v', "a(satatt)");

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(satatt)");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "satatt")) > 0) {
                r = read_latency(m, stats);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_refused(sd_bus_message *m, struct metrics *to) {
        const char *what;
        int r = sd_bus_message_enter_container(m, 'v', "as");

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &what)) > 0) {
                to->refused_signatures = to->refused_signatures || streq(what, "signatures");
                to->refused_config = to->refused_config || streq(what, "configuration");
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_sweeps(sd_bus_message *m, struct metrics *to) {
        const char *store, *state;
        uint64_t numbers[5];
        int r = sd_bus_message_enter_container(m, 'v', "a(ssttttt)");

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ssttttt)");
        while (r >= 0 &&
               (r = sd_bus_message_read(m, "(ssttttt)", &store, &state, &numbers[0], &numbers[1],
                                        &numbers[2], &numbers[3], &numbers[4])) > 0)
                if (streq(state, "failed") && !to->failed_sweep[0])
                        (void)snprintf(to->failed_sweep, sizeof(to->failed_sweep), "%s", store);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_property(sd_bus_message *m, const char *name, struct metrics *to) {
        const struct {
                const char *name;
                uint32_t *number;
        } numbers[] = {
                { "DatabaseVersion", &to->database_version },
                { "Waiting", &to->waiting },
                { "Queued", &to->queued },
                { "Background", &to->background },
        };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(name, numbers[i].name))
                        return sd_bus_message_read(m, "v", "u", numbers[i].number);
        if (streq(name, "Version"))
                return read_text(m, to->version, sizeof(to->version));
        if (streq(name, "Generation"))
                return read_text(m, to->generation, sizeof(to->generation));
        if (streq(name, "Guarding"))
                return read_bool(m, &to->guarding);
        if (streq(name, "Paused"))
                return read_bool(m, &to->paused);
        if (streq(name, "OldestWaitUSec"))
                return sd_bus_message_read(m, "v", "t", &to->oldest_usec);
        if (streq(name, "Counters"))
                return read_counters(m, &to->stats, NULL);
        if (streq(name, "Today"))
                return read_counters(m, &to->today, &to->today_usec);
        if (streq(name, "SignaturesUSec"))
                return sd_bus_message_read(m, "v", "t", &to->database_usec);
        if (streq(name, "Refused"))
                return read_refused(m, to);
        if (streq(name, "Sweeps"))
                return read_sweeps(m, to);
        if (streq(name, "Breaker"))
                return read_text(m, to->breaker, sizeof(to->breaker));
        if (streq(name, "StoreStates"))
                return read_states(m, to);
        if (streq(name, "StoreCounters"))
                return read_stores(m, &to->stats);
        if (streq(name, "Latencies"))
                return read_latencies(m, &to->stats);
        return sd_bus_message_skip(m, "v");
}

int ask_metrics(sd_bus *bus, struct metrics *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;
        int r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.Properties",
                                   "GetAll", &error, &reply, "s", BUS_MANAGER_INTERFACE);

        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0)
                        r = read_property(reply, name, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return ctl_bus_error(r, &error);
        ret->up = true;
        return STATUS_OK;
}

int ask_store(sd_bus_message *m, struct ask_store *ret) {
        const char *name, *kind, *format, *infected, *error, *unscannable;
        struct ask_store s = {};
        const void *path;
        size_t n;
        int r = sd_bus_message_enter_container(m, 'r', "saysssss");

        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &path, &n);
        if (r >= 0)
                r = sd_bus_message_read(m, "sssss", &kind, &format, &infected, &error,
                                        &unscannable);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        (void)snprintf(s.name, sizeof(s.name), "%s", name);
        memcpy(s.path, path, MIN(n, sizeof(s.path) - 1));
        (void)snprintf(s.kind, sizeof(s.kind), "%s", kind);
        (void)snprintf(s.format, sizeof(s.format), "%s", format);
        (void)snprintf(s.on_infected, sizeof(s.on_infected), "%s", infected);
        (void)snprintf(s.on_error, sizeof(s.on_error), "%s", error);
        (void)snprintf(s.on_unscannable, sizeof(s.on_unscannable), "%s", unscannable);
        *ret = s;
        return 1;
}

int ask_call(sd_bus *bus, const char *method, sd_bus_message **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_MANAGER_INTERFACE, method, &error,
                                   ret, "");

        return r < 0 ? ctl_bus_error(r, &error) : STATUS_OK;
}
