/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "sweep start", "sweep stop" and "sweep status": asked of the running storescand. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

#define BAR_WIDTH 20

struct sweep_line {
        const char *store, *state;
        uint64_t done, total, rate_milli, eta, infected;
};

/* "3 h 07 min" and the like; "" when nobody knows. */
static void format_eta(uint64_t seconds, char *out, size_t size) {
        if (seconds == UINT64_MAX)
                out[0] = '\0';
        else if (seconds >= 3600)
                (void)snprintf(out, size, ", %" PRIu64 " h %02" PRIu64 " min to go", seconds / 3600,
                               seconds % 3600 / 60);
        else if (seconds >= 60)
                (void)snprintf(out, size, ", %" PRIu64 " min %02" PRIu64 " s to go", seconds / 60,
                               seconds % 60);
        else
                (void)snprintf(out, size, ", %" PRIu64 " s to go", seconds);
}

static bool is_running(const char *state) {
        return streq(state, "running") || streq(state, "waiting") || streq(state, "paused");
}

static void print_bar(const struct sweep_line *s) {
        uint64_t filled = s->total > 0 ? MIN(s->done, s->total) * BAR_WIDTH / s->total : 0;

        fputs(" [", stdout);
        for (uint64_t i = 0; i < BAR_WIDTH; i++)
                putchar(i < filled ? '#' : '.');
        putchar(']');
}

static void print_line(const struct sweep_line *s, bool bar) {
        char eta[64];

        format_eta(is_running(s->state) ? s->eta : UINT64_MAX, eta, sizeof(eta));
        printf("%-16s %-8s", s->store, s->state);
        if (bar)
                print_bar(s);
        if (!streq(s->state, "never")) {
                printf(" %" PRIu64, s->done);
                if (s->total > 0)
                        printf(" of %" PRIu64, s->total);
                printf(" items, %" PRIu64 " infected", s->infected);
        }
        if (is_running(s->state))
                printf(", %.1f a second%s", (double)s->rate_milli / 1000, eta);
        putchar('\n');
}

static void print_json(const struct sweep_line *s) {
        putchar('{');
        output_json("store", s->store, strlen(s->store));
        putchar(',');
        output_json("state", s->state, strlen(s->state));
        printf(",\"done\":%" PRIu64 ",\"total\":%" PRIu64 ",\"rate_milli\":%" PRIu64
               ",\"eta_seconds\":",
               s->done, s->total, s->rate_milli);
        if (s->eta == UINT64_MAX)
                fputs("null", stdout);
        else
                printf("%" PRIu64, s->eta);
        printf(",\"infected\":%" PRIu64 "}\n", s->infected);
}

/* Prints what there is; how many lines, and how many sweeps run. */
static int show(sd_bus *bus, const struct ctl *ctl, bool bar, unsigned *ret_lines,
                unsigned *ret_running) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct sweep_line s;
        int r = ctl_bus_get(bus, "Sweeps", "a(ssttttt)", &reply), error;

        *ret_lines = *ret_running = 0;
        if (r != STATUS_OK)
                return r;
        error = sd_bus_message_enter_container(reply, 'a', "(ssttttt)");
        while (error >= 0 &&
               (error = sd_bus_message_read(reply, "(ssttttt)", &s.store, &s.state, &s.done,
                                            &s.total, &s.rate_milli, &s.eta, &s.infected)) > 0) {
                if (bar)
                        fputs("\033[K", stdout);
                if (ctl->json)
                        print_json(&s);
                else
                        print_line(&s, bar);
                (*ret_lines)++;
                *ret_running += is_running(s.state);
        }
        (void)fflush(stdout);
        return error < 0 ? ctl_bus_error(error, NULL) : STATUS_OK;
}

int verb_sweep_status(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        bool bar = ctl->watch && !ctl->json && isatty(STDOUT_FILENO);
        unsigned lines, running;
        int r = ctl_bus_open(&bus);

        while (r == STATUS_OK) {
                r = show(bus, ctl, bar, &lines, &running);
                if (r != STATUS_OK || !ctl->watch || running == 0)
                        break;
                (void)nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
                if (bar)
                        printf("\033[%uA", lines);
        }
        return r;
}

static int call(const char *store, const char *method) {
        return ctl_bus_call(method, "s", store);
}

int verb_sweep_start(const struct ctl *ctl, char **args, int n) {
        return ctl_bus_call_each(ctl, args, n, call, "SweepStart", "started");
}

int verb_sweep_stop(const struct ctl *ctl, char **args, int n) {
        return ctl_bus_call_each(ctl, args, n, call, "SweepStop", "stopped");
}
