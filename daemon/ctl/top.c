/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verb "top": how much of what happens a second, from two looks at the counters. On a terminal again
 * and again until it is interrupted, else once.
 */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ctl/ask.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

#define FIRST_SEC 1 /* between the first two looks */
#define NEXT_SEC  2 /* between others */

#define COUNTER(field, text) \
        { #field, text, offsetof(struct stats, field) }
static const struct {
        const char *name, *text;
        size_t offset;
} rows[] = {
        COUNTER(events, "permission events"),
        COUNTER(stamp_hits, "known by stamp"),
        COUNTER(digest_hits, "known by digest"),
        COUNTER(cache_hits, "known by verdict cache"),
        COUNTER(hub_accepted, "known by hub's stamp"),
        COUNTER(scans, "scanned"),
        COUNTER(bytes, "bytes scanned"),
        COUNTER(infected, "infected"),
        COUNTER(replaced, "replaced"),
        COUNTER(denied, "denied"),
        COUNTER(undecided, "undecided"),
        COUNTER(timeouts, "deadlines passed"),
};

struct look {
        uint64_t usec;
        struct metrics metrics;
};

static uint64_t value(const struct look *look, size_t row) {
        return *(const uint64_t *)((const char *)&look->metrics.stats + rows[row].offset);
}

/* storescand may have been started anew: then counters are less than before. */
static double rate(uint64_t before, uint64_t now, uint64_t usec) {
        return now > before && usec > 0 ? (double)(now - before) * USEC_PER_SEC / (double)usec : 0;
}

static uint64_t latency_sum(const struct latency *l, uint64_t *ret_n) {
        *ret_n = 0;
        for (size_t i = 0; i <= LATENCY_BOUNDS; i++)
                *ret_n += l->counts[i];
        return l->sum_usec;
}

/* Mean milliseconds of a stage between two looks; negative: it did not happen. */
static double mean_msec(const struct look *before, const struct look *now, int stage) {
        uint64_t n_before, n_now;
        uint64_t sum_before = latency_sum(&before->metrics.stats.latency[stage], &n_before);
        uint64_t sum_now = latency_sum(&now->metrics.stats.latency[stage], &n_now);

        return n_now > n_before && sum_now >= sum_before
                       ? (double)(sum_now - sum_before) / (double)(n_now - n_before) / USEC_PER_MSEC
                       : -1;
}

static const struct store_stats *same_store(const struct look *look, const char *name) {
        static const struct store_stats none;

        for (size_t i = 0; i < look->metrics.stats.n_stores; i++)
                if (streq(look->metrics.stats.stores[i].name, name))
                        return &look->metrics.stats.stores[i];
        return &none;
}

static void print_text(const struct look *before, const struct look *now) {
        const struct metrics *m = &now->metrics;
        uint64_t usec = now->usec - before->usec;

        printf("storescand %s: %s\n%" PRIu32 " wait", m->version,
               m->paused     ? "PAUSED"
               : m->guarding ? "guards its stores"
                             : "does not guard yet",
               m->waiting);
        if (m->waiting > 0)
                printf(", the oldest since %.3f s", (double)m->oldest_usec / USEC_PER_SEC);
        printf("; %" PRIu32 " queued, %" PRIu32 " in the background\n\n", m->queued, m->background);
        printf("%-24s %12s %14s\n", "", "A SECOND", "IN ALL");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                printf("%-24s %12.1f %14" PRIu64 "\n", rows[i].text,
                       rate(value(before, i), value(now, i), usec), value(now, i));
        printf("\n%-24s %12s\n", "STAGE", "MEAN MS");
        for (int i = 0; i < _LATENCY_STAGE_MAX; i++) {
                double mean = mean_msec(before, now, i);

                if (mean < 0)
                        printf("%-24s %12s\n", latency_stage_name(i), "-");
                else
                        printf("%-24s %12.2f\n", latency_stage_name(i), mean);
        }
        printf("\n%-24s %12s %14s %12s\n", "STORE", "JUDGED/S", "BYTES/S", "INFECTED");
        for (size_t i = 0; i < m->stats.n_stores; i++) {
                const struct store_stats *b = &m->stats.stores[i], *a = same_store(before, b->name);

                printf("%-24s %12.1f %14.0f %12" PRIu64 "\n", b->name,
                       rate(a->processed, b->processed, usec), rate(a->bytes, b->bytes, usec),
                       b->infected);
        }
}

static void print_json(const struct look *before, const struct look *now) {
        const struct metrics *m = &now->metrics;
        uint64_t usec = now->usec - before->usec;

        printf("{\"time_usec\":%" PRIu64 ",\"interval_usec\":%" PRIu64
               ",\"guarding\":%s,\"paused\":%s,\"waiting\":%" PRIu32
               ",\"oldest_wait_usec\":%" PRIu64 ",\"queued\":%" PRIu32 ",\"background\":%" PRIu32
               ",\"rates\":{",
               output_now(), usec, m->guarding ? "true" : "false", m->paused ? "true" : "false",
               m->waiting, m->oldest_usec, m->queued, m->background);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                printf("%s\"%s\":%.3f", i > 0 ? "," : "", rows[i].name,
                       rate(value(before, i), value(now, i), usec));
        printf("},\"mean_usec\":{");
        for (int i = 0; i < _LATENCY_STAGE_MAX; i++) {
                double mean = mean_msec(before, now, i);

                printf("%s\"%s\":", i > 0 ? "," : "", latency_stage_name(i));
                if (mean < 0)
                        printf("null");
                else
                        printf("%.0f", mean * USEC_PER_MSEC);
        }
        printf("},\"stores\":{");
        for (size_t i = 0; i < m->stats.n_stores; i++) {
                const struct store_stats *b = &m->stats.stores[i], *a = same_store(before, b->name);

                printf("%s\"%s\":{\"processed\":%.3f,\"bytes\":%.3f,\"infected\":%.3f}",
                       i > 0 ? "," : "", b->name, rate(a->processed, b->processed, usec),
                       rate(a->bytes, b->bytes, usec), rate(a->infected, b->infected, usec));
        }
        printf("}}\n");
}

static int take_look(sd_bus *bus, struct look *ret) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        *ret = (struct look){
                .usec = (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC,
        };
        return ask_metrics(bus, &ret->metrics);
}

int verb_top(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        bool live = isatty(STDOUT_FILENO);
        struct look before = {}, now = {};
        time_t pause_sec = FIRST_SEC;
        int r = ctl_bus_open(&bus);

        if (r == STATUS_OK)
                r = take_look(bus, &before);
        while (r == STATUS_OK) {
                (void)nanosleep(&(struct timespec){ .tv_sec = pause_sec }, NULL);
                r = take_look(bus, &now);
                if (r != STATUS_OK)
                        break;
                if (live && !ctl->json)
                        fputs("\033[H\033[J", stdout);
                (ctl->json ? print_json : print_text)(&before, &now);
                metrics_done(&before.metrics);
                before = now;
                now = (struct look){};
                pause_sec = NEXT_SEC;
                if (!live || fflush(stdout) != 0)
                        break;
        }
        metrics_done(&before.metrics);
        metrics_done(&now.metrics);
        return r;
}
