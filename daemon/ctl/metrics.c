/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names, types and units of metrics. A counter of daemon/stats.h is storescan_NAME_total by itself; those
 * that are one thing under several aspects are one family with a label. Owns nothing, asks nobody.
 */

#include "daemon/ctl/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store/util.h"

struct counter {
        const char *name, *help;
        size_t offset;
};

static const struct counter counters[] = {
#define X(counter, meaning) { #counter, meaning, offsetof(struct stats, counter) },
        STATS_TABLE(X)
#undef X
};

static const struct counter store_counters[] = {
#define X(counter, meaning) { #counter, meaning, offsetof(struct store_stats, counter) },
        STORE_STATS_TABLE(X)
#undef X
};

/* Counters under another name, in families of one label or none. */
static const struct {
        const char *counter, *family, *label, *value;
} renamed[] = {
        { "allowed", "answers", "answer", "allow" },
        { "denied", "answers", "answer", "deny" },
        { "clean", "verdicts", "verdict", "clean" },
        { "infected", "verdicts", "verdict", "infected" },
        { "unscannable", "verdicts", "verdict", "unscannable" },
        { "undecided", "verdicts", "verdict", "undecided" },
        { "bytes", "scanned_bytes", NULL, NULL },
        { "hot", "hot_files", NULL, NULL },
        { "stamps_written", "stamp_writes", "result", "written" },
        { "stamps_withdrawn", "stamp_writes", "result", "withdrawn" },
        { "stamps_skipped", "stamp_writes", "result", "skipped" },
        { "stamps_failed", "stamp_writes", "result", "failed" },
};

/* Families that are no counter of their own, or have a unit. */
static const struct {
        const char *family, *unit, *help;
} families[] = {
        { "answers", NULL, "permission events answered" },
        { "verdicts", NULL, "contents scanned, by what was found" },
        { "scanned_bytes", "bytes", "bytes scanned" },
        { "stamp_writes", NULL, "stamps written, or not" },
        { "hub_stamps", NULL, "stamps of hubs in headers: accepted, absent, or why refused" },
};

struct printer {
        FILE *out;
        enum metrics_format format;
};

/* ---- Text ---- */

static void print_escaped(FILE *out, const char *text) {
        for (; *text; text++)
                if (*text == '\n')
                        fputs("\\n", out);
                else {
                        if (*text == '\\' || *text == '"')
                                fputc('\\', out);
                        fputc(*text, out);
                }
}

/* The samples of info and counters have a suffix, which OpenMetrics takes for no part of the family's
 * name. */
static void print_head(const struct printer *p, const char *family, const char *type,
                       const char *unit, const char *help) {
        bool modern = p->format == METRICS_OPENMETRICS;
        const char *suffix = modern                   ? ""
                             : streq(type, "counter") ? "_total"
                             : streq(type, "info")    ? "_info"
                                                      : "";

        fprintf(p->out, "# TYPE storescan_%s%s %s\n", family, suffix,
                !modern && streq(type, "info") ? "gauge" : type);
        if (modern && unit)
                fprintf(p->out, "# UNIT storescan_%s %s\n", family, unit);
        fprintf(p->out, "# HELP storescan_%s%s ", family, suffix);
        print_escaped(p->out, help);
        fputs(".\n", p->out);
}

struct label {
        const char *name, *value; /* name NULL: none */
};

static void print_sample(const struct printer *p, const char *family, const char *suffix,
                         struct label a, struct label b) {
        const struct label labels[] = { a, b };
        char before = '{';

        fprintf(p->out, "storescan_%s%s", family, suffix);
        for (size_t i = 0; i < ELEMENTSOF(labels); i++) {
                if (!labels[i].name)
                        continue;
                fprintf(p->out, "%c%s=\"", before, labels[i].name);
                print_escaped(p->out, labels[i].value);
                fputc('"', p->out);
                before = ',';
        }
        fputs(before == ',' ? "} " : " ", p->out);
}

static void print_count(const struct printer *p, const char *family, const char *suffix,
                        struct label a, struct label b, uint64_t value) {
        print_sample(p, family, suffix, a, b);
        fprintf(p->out, "%" PRIu64 "\n", value);
}

static const struct label no_label = {};

static void print_gauge(const struct printer *p, const char *family, const char *help,
                        uint64_t value) {
        print_head(p, family, "gauge", NULL, help);
        print_count(p, family, "", no_label, no_label, value);
}

/* ---- Counters ---- */

static const char *family_of(const char *counter, struct label *ret) {
        *ret = no_label;
        if (startswith(counter, "hub_")) {
                *ret = (struct label){ "result", counter + strlen("hub_") };
                return "hub_stamps";
        }
        for (size_t i = 0; i < ELEMENTSOF(renamed); i++)
                if (streq(renamed[i].counter, counter)) {
                        *ret = (struct label){ renamed[i].label, renamed[i].value };
                        return renamed[i].family;
                }
        return counter;
}

static void print_family_head(const struct printer *p, const char *prefix, const char *family,
                              const char *help) {
        const char *unit = NULL;
        char name[64];

        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (streq(families[i].family, family)) {
                        unit = families[i].unit;
                        help = families[i].help;
                }
        (void)snprintf(name, sizeof(name), "%s%s", prefix, family);
        print_head(p, name, "counter", unit, help);
}

/* Whether an earlier counter is of this family: it was printed with that one. */
static bool printed_before(const struct counter *table, size_t n, const char *family) {
        struct label label;

        for (size_t i = 0; i < n; i++)
                if (streq(family_of(table[i].name, &label), family))
                        return true;
        return false;
}

static uint64_t value_at(const void *base, size_t offset) {
        return *(const uint64_t *)((const char *)base + offset);
}

static void print_counters(const struct printer *p, const struct stats *stats) {
        struct label label;

        for (size_t i = 0; i < ELEMENTSOF(counters); i++) {
                const char *family = family_of(counters[i].name, &label);

                if (streq(counters[i].name, "cache_entries")) {
                        print_gauge(p, family, counters[i].help, stats->cache_entries);
                        continue;
                }
                if (streq(counters[i].name, "clamd_usable")) {
                        print_gauge(p, family, counters[i].help, stats->clamd_usable);
                        continue;
                }
                if (printed_before(counters, i, family))
                        continue;
                print_family_head(p, "", family, counters[i].help);
                for (size_t k = i; k < ELEMENTSOF(counters); k++)
                        if (streq(family_of(counters[k].name, &label), family))
                                print_count(p, family, "_total", label, no_label,
                                            value_at(stats, counters[k].offset));
        }
}

static void print_store_family(const struct printer *p, const struct stats *stats,
                               const char *family, size_t first) {
        char name[64];
        struct label label;

        print_family_head(p, "store_", family, store_counters[first].help);
        (void)snprintf(name, sizeof(name), "store_%s", family);
        for (size_t s = 0; s < stats->n_stores; s++)
                for (size_t k = first; k < ELEMENTSOF(store_counters); k++)
                        if (streq(family_of(store_counters[k].name, &label), family))
                                print_count(p, name, "_total",
                                            (struct label){ "store", stats->stores[s].name }, label,
                                            value_at(&stats->stores[s], store_counters[k].offset));
}

static void print_stores(const struct printer *p, const struct stats *stats) {
        struct label label;

        if (stats->n_stores == 0)
                return;
        for (size_t i = 0; i < ELEMENTSOF(store_counters); i++) {
                const char *family = family_of(store_counters[i].name, &label);

                if (!printed_before(store_counters, i, family))
                        print_store_family(p, stats, family, i);
        }
        print_family_head(p, "store_", "hub_stamps", "");
        for (size_t s = 0; s < stats->n_stores; s++)
                for (int i = 0; i < _HUB_CHECK_MAX; i++)
                        print_count(p, "store_hub_stamps", "_total",
                                    (struct label){ "store", stats->stores[s].name },
                                    (struct label){ "result", stats_hub_name(i) },
                                    stats->stores[s].hub[i]);
}

/* ---- Folders ---- */

static void print_states(const struct printer *p, const struct metrics *m) {
        if (m->n_stores == 0)
                return;
        print_head(p, "store_state", "gauge", NULL,
                   "what a store's folder is: guarded, missing, unmounted, failed or unknown");
        for (size_t i = 0; i < m->n_stores; i++)
                print_count(p, "store_state", "", (struct label){ "store", m->stores[i].name },
                            (struct label){ "state", m->stores[i].state }, 1);
        print_head(p, "store_detached", "gauge", NULL, "1 while nothing is kept open in a store");
        for (size_t i = 0; i < m->n_stores; i++)
                print_count(p, "store_detached", "", (struct label){ "store", m->stores[i].name },
                            no_label, m->stores[i].detached);
}

/* ---- Histograms ---- */

#define STAGES "stage_duration_seconds"

static void print_latency(const struct printer *p, enum latency_stage stage,
                          const struct latency *latency) {
        struct label of = { "stage", latency_stage_name(stage) };
        uint64_t n = 0;

        for (size_t i = 0; i <= LATENCY_BOUNDS; i++) {
                char bound[32] = "+Inf";

                n += latency->counts[i];
                if (i < LATENCY_BOUNDS)
                        (void)snprintf(bound, sizeof(bound), "%g%s",
                                       (double)latency_bounds[i] / USEC_PER_SEC,
                                       latency_bounds[i] % USEC_PER_SEC == 0 ? ".0" : "");
                print_count(p, STAGES, "_bucket", of, (struct label){ "le", bound }, n);
        }
        print_count(p, STAGES, "_count", of, no_label, n);
        print_sample(p, STAGES, "_sum", of, no_label);
        fprintf(p->out, "%.6f\n", (double)latency->sum_usec / USEC_PER_SEC);
}

/* ---- All of it ---- */

static void print_state(const struct printer *p, const struct metrics *m) {
        print_head(p, "build", "info", NULL, "version and generation that run");
        print_count(p, "build", "_info", (struct label){ "version", m->version },
                    (struct label){ "generation", m->generation }, 1);
        print_gauge(p, "guarding", "1 while marks are in place and opens wait for a verdict",
                    m->guarding);
        print_gauge(p, "pause", "1 while every open passes unscanned", m->paused);
        print_gauge(p, "database_version", "version of daily.cvd, 0 for own signatures",
                    m->database_version);
        print_gauge(p, "waiting_opens", "opens without an answer", m->waiting);
        print_head(p, "oldest_wait_seconds", "gauge", "seconds",
                   "time that the oldest of them waits");
        print_sample(p, "oldest_wait_seconds", "", no_label, no_label);
        fprintf(p->out, "%.6f\n", (double)m->oldest_usec / USEC_PER_SEC);
        print_gauge(p, "queue_length", "contents that wait for a worker, and somebody for them",
                    m->queued);
        print_gauge(p, "background_items", "contents that wait for a worker, and nobody for them",
                    m->background);
}

void metrics_print(const struct metrics *m, enum metrics_format format, FILE *out) {
        const struct printer p = { .out = out, .format = format };

        print_gauge(&p, "up", "1 while storescand answers on the bus", m->up);
        if (m->up) {
                print_state(&p, m);
                print_counters(&p, &m->stats);
                print_stores(&p, &m->stats);
                print_states(&p, m);
                print_head(&p, STAGES, "histogram", "seconds",
                           "how long the stages of a scan took");
                for (int i = 0; i < _LATENCY_STAGE_MAX; i++)
                        print_latency(&p, i, &m->stats.latency[i]);
        }
        if (format == METRICS_OPENMETRICS)
                fputs("# EOF\n", out);
}

void metrics_done(struct metrics *m) {
        for (size_t i = 0; i < m->stats.n_stores; i++)
                free((char *)m->stats.stores[i].name);
        stats_done(&m->stats);
        for (size_t i = 0; i < m->n_stores; i++)
                free(m->stores[i].name);
        free(m->stores);
}
