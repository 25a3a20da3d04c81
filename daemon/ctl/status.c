/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "status", "stats", "reload", "pause" and "resume": what the running storescand says of itself, and is told. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemon/bus-names.h"
#include "daemon/config.h"
#include "daemon/ctl/ask.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/health.h"
#include "daemon/ctl/output.h"
#include "daemon/pause.h"
#include "daemon/stats.h"
#include "store/util.h"

#define HOOKS_MAX 512 /* stores of which it is told whether they are hooked */
#define MOST      990 /* of a thousand: how long these take is shown of each stage */

struct status {
        struct metrics says;
        struct hook_status hooks[HOOKS_MAX];
        size_t n_hooks;
        struct health_report report;
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

/* Which are not is among the reasons. */
static void print_hooks(const struct status *s) {
        uint64_t oldest = 0;
        size_t n = 0;
        char text[128];

        for (size_t i = 0; i < s->n_hooks; i++)
                if (is_hooked(&s->hooks[i])) {
                        oldest = MAX(oldest, s->hooks[i].age_usec);
                        n++;
                }
        if (n == s->n_hooks)
                (void)snprintf(text, sizeof(text), "yes, checked %" PRIu64 " s ago",
                               oldest / USEC_PER_SEC);
        else
                (void)snprintf(text, sizeof(text), "as far as is known %zu of %zu stores", n,
                               s->n_hooks);
        output_line("Hooked", s->n_hooks > 0 ? text : "not tested yet");
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

/* Problems first, each with the next step. */
static void print_reasons(const struct health_report *report) {
        for (size_t i = 0; i < report->n; i++) {
                char text[256];

                output_line("Attention", report->reasons[i].text);
                (void)snprintf(text, sizeof(text), "-> %s", report->reasons[i].advice);
                output_line("", text);
        }
}

static void print_generation(const struct metrics *says) {
        char text[160], day[32] = "";
        time_t made = (time_t)(says->database_usec / USEC_PER_SEC);
        struct tm tm;

        if (made != 0 && localtime_r(&made, &tm))
                (void)strftime(day, sizeof(day), " of %Y-%m-%d", &tm);
        if (says->database_version)
                (void)snprintf(text, sizeof(text), "%s, daily.cvd %" PRIu32 "%s", says->generation,
                               says->database_version, day);
        else
                (void)snprintf(text, sizeof(text), "%s, own signatures",
                               says->generation[0] ? says->generation : "none yet");
        output_line("Generation", text);
}

static void print_queue(const struct metrics *says) {
        char text[128];

        (void)snprintf(text, sizeof(text), "%" PRIu32 ", the oldest since %.3f s", says->waiting,
                       (double)says->oldest_usec / USEC_PER_SEC);
        output_line("Waiting", says->waiting > 0 ? text : "nobody");
        (void)snprintf(text, sizeof(text),
                       "%" PRIu32 " contents wait for a worker, %" PRIu32 " in the background",
                       says->queued, says->background);
        output_line("Queue", text);
}

/* Opens that were denied, but for those of the self-test. */
static uint64_t denied(const struct stats *stats) {
        return stats->denied - MIN(stats->denied, stats->self_tests);
}

static void print_found(const char *name, const struct stats *stats, const char *since) {
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "%" PRIu64 " infected, %" PRIu64 " not scannable, %" PRIu64
                       " undecided; %" PRIu64 " opens denied, %" PRIu64 " replaced%s",
                       stats->infected, stats->unscannable, stats->undecided, denied(stats),
                       stats->replaced, since);
        output_line(name, text);
}

static void print_today(const struct metrics *says) {
        time_t since = (time_t)(says->today_usec / USEC_PER_SEC);
        char text[32] = "";
        struct tm tm;

        if (localtime_r(&since, &tm))
                (void)strftime(text, sizeof(text), " (since %H:%M)", &tm);
        print_found("Today", &says->today, text);
}

/* The slowest first. */
static void print_stages(const struct metrics *says) {
        bool shown[_LATENCY_STAGE_MAX] = {};
        char text[160] = "99 of 100 within";
        const char *comma = "";

        for (;;) {
                uint64_t slowest = 0;
                size_t n = strlen(text);
                int stage = -1;

                for (int i = 0; i < _LATENCY_STAGE_MAX; i++) {
                        uint64_t usec = latency_within(&says->stats.latency[i], MOST);

                        if (!shown[i] && usec > slowest) {
                                slowest = usec;
                                stage = i;
                        }
                }
                if (stage < 0)
                        break;
                shown[stage] = true;
                if (slowest == UINT64_MAX)
                        (void)snprintf(text + n, sizeof(text) - n, "%s %s over a minute", comma,
                                       latency_stage_name(stage));
                else
                        (void)snprintf(text + n, sizeof(text) - n, "%s %s %g ms", comma,
                                       latency_stage_name(stage), (double)slowest / USEC_PER_MSEC);
                comma = ",";
        }
        output_line("Stages", comma[0] ? text : "nothing was scanned yet");
}

static enum output_color health_color(enum health health) {
        return health == HEALTH_WELL        ? OUTPUT_GOOD
               : health == HEALTH_ATTENTION ? OUTPUT_WARNING
                                            : OUTPUT_BAD;
}

static void print_status(const struct status *s) {
        const struct metrics *says = &s->says;
        char text[160];

        printf("storescand %s: %s%s%s\n", says->version,
               output_color(health_color(s->report.health)),
               says->paused      ? "PAUSED, every open passes unscanned; see 'storescanctl resume'"
               : !says->guarding ? "does not guard yet"
               : s->report.health == HEALTH_NOT_HOOKED ? "NOT HOOKED, opens pass by"
                                                       : "guards its stores",
               output_color(OUTPUT_PLAIN));
        print_reasons(&s->report);
        print_hooks(s);
        print_generation(says);
        print_queue(says);
        (void)snprintf(text, sizeof(text),
                       "%" PRIu64 " by stamps, %" PRIu64 " by digests, %" PRIu64
                       " by hubs' stamps, %" PRIu64 " scanned",
                       says->stats.stamp_hits, says->stats.digest_hits + says->stats.cache_hits,
                       says->stats.hub_accepted, says->stats.scans);
        output_line("Known", text);
        print_found("Found", &says->stats, "");
        print_today(says);
        print_stages(says);
}

static void print_counters_json(const struct stats *stats) {
        const char *comma = "";

#define X(name, meaning)                                        \
        printf("%s\"" #name "\":%" PRIu64, comma, stats->name); \
        comma = ",";
        STATS_TABLE(X)
#undef X
}

static void print_folders_json(const struct metrics *says) {
        printf("\"stores\":[");
        for (size_t i = 0; i < says->n_stores; i++) {
                const struct store_said *store = &says->stores[i];

                printf("%s{", i > 0 ? "," : "");
                output_json("store", store->name, strlen(store->name));
                printf(",\"state\":\"%s\",\"detached\":%s}", store->state,
                       store->detached ? "true" : "false");
        }
        printf("],");
}

static void print_reasons_json(const struct health_report *report) {
        printf("\"attention\":[");
        for (size_t i = 0; i < report->n; i++) {
                const struct health_reason *reason = &report->reasons[i];

                printf("%s{", i > 0 ? "," : "");
                output_json("text", reason->text, strlen(reason->text));
                putchar(',');
                output_json("advice", reason->advice, strlen(reason->advice));
                putchar('}');
        }
        printf("],");
}

static void print_today_json(const struct metrics *says) {
        printf("\"today\":{\"since_usec\":%" PRIu64 ",\"infected\":%" PRIu64
               ",\"unscannable\":%" PRIu64 ",\"undecided\":%" PRIu64 ",\"denied\":%" PRIu64
               ",\"replaced\":%" PRIu64 "},",
               says->today_usec, says->today.infected, says->today.unscannable,
               says->today.undecided, denied(&says->today), says->today.replaced);
}

static void print_stages_json(const struct metrics *says) {
        printf("\"stages\":{");
        for (int i = 0; i < _LATENCY_STAGE_MAX; i++) {
                const struct latency *l = &says->stats.latency[i];
                uint64_t within = latency_within(l, MOST);

                printf("%s\"%s\":{\"count\":%" PRIu64 ",\"sum_usec\":%" PRIu64 ",\"p99_usec\":",
                       i > 0 ? "," : "", latency_stage_name(i), latency_total(l), l->sum_usec);
                if (within == UINT64_MAX)
                        printf("null}");
                else
                        printf("%" PRIu64 "}", within);
        }
        printf("},");
}

static void print_status_json(const struct status *s) {
        const struct metrics *says = &s->says;

        printf("{\"health\":\"%s\",\"guarding\":%s,\"paused\":%s,", health_name(s->report.health),
               says->guarding ? "true" : "false", says->paused ? "true" : "false");
        print_reasons_json(&s->report);
        output_json("version", says->version, strlen(says->version));
        putchar(',');
        output_json("generation", says->generation, strlen(says->generation));
        printf(",\"database_version\":%" PRIu32 ",\"database_usec\":%" PRIu64
               ",\"waiting\":%" PRIu32 ",\"oldest_wait_usec\":%" PRIu64 ",\"queued\":%" PRIu32
               ",\"background\":%" PRIu32 ",",
               says->database_version, says->database_usec, says->waiting, says->oldest_usec,
               says->queued, says->background);
        output_json("breaker", says->breaker, strlen(says->breaker));
        putchar(',');
        print_hooks_json(s);
        print_folders_json(says);
        print_today_json(says);
        print_stages_json(says);
        printf("\"counters\":{");
        print_counters_json(&says->stats);
        printf("}}\n");
}

/* Its exit status is the health (health.h), whatever could not be asked. */
int verb_status(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        static struct status status; /* large */
        int r = ctl_bus_open(&bus);

        if (r == STATUS_OK)
                r = get_status(bus, &status);
        if (r != STATUS_OK) {
                if (ctl->json)
                        printf("{\"health\":\"%s\"}\n", health_name(HEALTH_NOT_RUNNING));
                return HEALTH_NOT_RUNNING;
        }
        health_judge(&status.says, status.hooks, status.n_hooks, output_now(), &status.report);
        if (ctl->json)
                print_status_json(&status);
        else
                print_status(&status);
        return status.report.health;
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
        return output_done(ctl->json, ctl_bus_call("Reload", ""), "asked",
                           "storescand looks at signatures and configuration; its log tells what "
                           "comes of it:\n    journalctl -u storescand -n 20\n");
}

int verb_pause(const struct ctl *ctl, char **args, int n) {
        char problem[CONFIG_PROBLEM_MAX];
        uint64_t usec;

        if (config_duration(args[0], USEC_PER_SEC, PAUSE_MAX_USEC, &usec, problem) < 0) {
                fprintf(stderr, "storescanctl: %s.\n", problem);
                return STATUS_ERROR;
        }
        return output_done(ctl->json, ctl_bus_call("Pause", "t", usec), "paused",
                           "Every open passes unscanned until then, or until 'storescanctl "
                           "resume'.\n");
}

int verb_resume(const struct ctl *ctl, char **args, int n) {
        return output_done(ctl->json, ctl_bus_call("Resume", ""), "resumed", "");
}
