/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "status", "stats", "reload", "pause" and "resume": what the running storescand says of itself, and is told. */

#include <inttypes.h>
#include <stdio.h>

#include "daemon/bus-names.h"
#include "daemon/config.h"
#include "daemon/ctl/ask.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "daemon/pause.h"
#include "daemon/stats.h"
#include "store/util.h"

#define HOOKS_MAX 512 /* stores of which it is told whether they are hooked */

struct hook_status {
        char store[64], state[16], problem[128];
        uint64_t age_usec;
};

struct status {
        struct metrics says;
        struct hook_status hooks[HOOKS_MAX];
        size_t n_hooks;
};

static int get_hooks(sd_bus *bus, struct status *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *store, *state, *problem;
        uint64_t age;
        int r = ctl_bus_get(bus, "Hooked", "a(ssts)", &reply), error;

        if (r != STATUS_OK)
                return r;
        error = sd_bus_message_enter_container(reply, 'a', "(ssts)");
        while (error >= 0 && ret->n_hooks < HOOKS_MAX &&
               (error = sd_bus_message_read(reply, "(ssts)", &store, &state, &age, &problem)) > 0) {
                struct hook_status *hook = &ret->hooks[ret->n_hooks++];

                (void)snprintf(hook->store, sizeof(hook->store), "%s", store);
                (void)snprintf(hook->state, sizeof(hook->state), "%s", state);
                (void)snprintf(hook->problem, sizeof(hook->problem), "%s", problem);
                hook->age_usec = age;
        }
        return error < 0 ? ctl_bus_error(error, NULL) : STATUS_OK;
}

static int get_status(sd_bus *bus, struct status *ret) {
        int r = ask_metrics(bus, &ret->says);

        return r == STATUS_OK ? get_hooks(bus, ret) : r;
}

static bool is_hooked(const struct hook_status *hook) {
        return streq(hook->state, "yes");
}

static bool any_unhooked(const struct status *s) {
        for (size_t i = 0; i < s->n_hooks; i++)
                if (streq(s->hooks[i].state, "no"))
                        return true;
        return false;
}

/* One line of all that are, and one for each that is not. */
static void print_hooks(const struct status *s) {
        uint64_t oldest = 0;
        size_t n = 0;
        char text[256];

        for (size_t i = 0; i < s->n_hooks; i++)
                if (is_hooked(&s->hooks[i])) {
                        oldest = MAX(oldest, s->hooks[i].age_usec);
                        n++;
                }
        (void)snprintf(text, sizeof(text), "yes, checked %" PRIu64 " s ago", oldest / USEC_PER_SEC);
        if (n > 0 || s->n_hooks == 0)
                output_line("Hooked", n > 0 ? text : "not tested yet");
        for (size_t i = 0; i < s->n_hooks; i++) {
                const struct hook_status *hook = &s->hooks[i];

                if (is_hooked(hook))
                        continue;
                (void)snprintf(text, sizeof(text),
                               hook->problem[0]
                                       ? "store '%s' can't be tested: %s"
                                       : "NO: opens in store '%s' pass by; see the journal%s",
                               hook->store, hook->problem);
                output_line("Hooked", text);
        }
}

static void print_hooks_json(const struct status *s) {
        printf("\"hooks\":[");
        for (size_t i = 0; i < s->n_hooks; i++) {
                const struct hook_status *hook = &s->hooks[i];

                printf("%s{", i > 0 ? "," : "");
                output_json("store", hook->store, strlen(hook->store));
                putchar(',');
                output_json("hooked", hook->state, strlen(hook->state));
                if (hook->age_usec == UINT64_MAX)
                        printf(",\"age_usec\":null,");
                else
                        printf(",\"age_usec\":%" PRIu64 ",", hook->age_usec);
                output_json("problem", hook->problem, strlen(hook->problem));
                putchar('}');
        }
        printf("],");
}

static void print_status(const struct status *s) {
        const struct metrics *says = &s->says;
        char text[128];

        printf("storescand %s: %s\n", says->version,
               says->paused     ? "PAUSED, every open passes unscanned; see 'storescanctl resume'"
               : says->guarding ? "guards its stores"
                                : "does not guard yet");
        (void)snprintf(text, sizeof(text), "%s%s",
                       says->generation[0] ? says->generation : "none yet",
                       says->database_version ? "" : ", own signatures");
        if (says->database_version)
                (void)snprintf(text, sizeof(text), "%s, daily.cvd %" PRIu32, says->generation,
                               says->database_version);
        output_line("Generation", text);
        print_hooks(s);
        (void)snprintf(text, sizeof(text), "%" PRIu32 ", the oldest since %.3f s", says->waiting,
                       (double)says->oldest_usec / USEC_PER_SEC);
        output_line("Waiting", says->waiting > 0 ? text : "nobody");
        (void)snprintf(text, sizeof(text),
                       "%" PRIu64 " by stamps, %" PRIu64 " by digests, %" PRIu64
                       " by hubs' stamps, %" PRIu64 " scanned",
                       says->stats.stamp_hits, says->stats.digest_hits + says->stats.cache_hits,
                       says->stats.hub_accepted, says->stats.scans);
        output_line("Known", text);
        (void)snprintf(text, sizeof(text),
                       "%" PRIu64 " infected, %" PRIu64 " not scannable, %" PRIu64
                       " undecided; %" PRIu64 " opens denied",
                       says->stats.infected, says->stats.unscannable, says->stats.undecided,
                       says->stats.denied - MIN(says->stats.denied, says->stats.self_tests));
        output_line("Found", text);
}

static void print_counters_json(const struct stats *stats) {
        const char *comma = "";

#define X(name, meaning)                                        \
        printf("%s\"" #name "\":%" PRIu64, comma, stats->name); \
        comma = ",";
        STATS_TABLE(X)
#undef X
}

static void print_status_json(const struct status *s) {
        const struct metrics *says = &s->says;

        printf("{\"guarding\":%s,\"paused\":%s,", says->guarding ? "true" : "false",
               says->paused ? "true" : "false");
        output_json("version", says->version, strlen(says->version));
        putchar(',');
        output_json("generation", says->generation, strlen(says->generation));
        printf(",\"database_version\":%" PRIu32 ",\"waiting\":%" PRIu32
               ",\"oldest_wait_usec\":%" PRIu64 ",",
               says->database_version, says->waiting, says->oldest_usec);
        print_hooks_json(s);
        printf("\"counters\":{");
        print_counters_json(&says->stats);
        printf("}}\n");
}

int verb_status(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        static struct status status; /* large */
        int r = ctl_bus_open(&bus);

        if (r == STATUS_OK)
                r = get_status(bus, &status);
        if (r != STATUS_OK)
                return r;
        if (ctl->json)
                print_status_json(&status);
        else
                print_status(&status);
        return status.says.guarding && !status.says.paused && !any_unhooked(&status) ? STATUS_OK
                                                                                     : STATUS_FOUND;
}

int verb_stats(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_(metrics_done) struct metrics says = {};
        int r = ctl_bus_open(&bus);

        if (r == STATUS_OK)
                r = ask_metrics(bus, &says);
        if (r != STATUS_OK)
                return r;
        if (ctl->json) {
                putchar('{');
                print_counters_json(&says.stats);
                puts("}");
                return STATUS_OK;
        }
#define X(name, meaning) printf("%-16s %12" PRIu64 "  %s\n", #name, says.stats.name, meaning);
        STATS_TABLE(X)
#undef X
        return STATUS_OK;
}

int verb_reload(const struct ctl *ctl, char **args, int n) {
        int r = ctl_bus_call("Reload", "");

        if (r == STATUS_OK)
                printf("storescand looks at signatures and configuration; its log tells what comes "
                       "of "
                       "it:\n    journalctl -u storescand -n 20\n");
        return r;
}

int verb_pause(const struct ctl *ctl, char **args, int n) {
        char problem[CONFIG_PROBLEM_MAX];
        uint64_t usec;
        int r;

        if (config_duration(args[0], USEC_PER_SEC, PAUSE_MAX_USEC, &usec, problem) < 0) {
                fprintf(stderr, "storescanctl: %s.\n", problem);
                return STATUS_ERROR;
        }
        r = ctl_bus_call("Pause", "t", usec);
        if (r == STATUS_OK)
                puts("Every open passes unscanned until then, or until 'storescanctl resume'.");
        return r;
}

int verb_resume(const struct ctl *ctl, char **args, int n) {
        return ctl_bus_call("Resume", "");
}
