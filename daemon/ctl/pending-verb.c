/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "pending" and "store list": who waits for storescand, and what it looks after. */

#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/bus-names.h"
#include "daemon/ctl/ask.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

/* ---- pending ---- */

struct waiting {
        uint64_t usec;
        uint32_t pid, uid;
        const char *access, *stage, *store, *path; /* in the message */
        size_t path_size;
        char comm[17]; /* "": it is gone */
};

/* It waits, so that what is said of its number is said of it. */
static void find_opener(struct waiting *w) {
        char path[sizeof("/proc//comm") + 3 * sizeof(int)];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", w->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return;
        w->uid = st.st_uid;
        n = read(fd, w->comm, sizeof(w->comm) - 1);
        while (n > 0 && w->comm[n - 1] == '\n')
                n--;
        w->comm[MAX(n, 0)] = '\0';
}

/* 1; 0: no more; negative errno. */
static int read_waiting(sd_bus_message *m, struct waiting *ret) {
        struct waiting w = {};
        const void *path;
        int r = sd_bus_message_enter_container(m, 'r', "tusssay");

        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "tusss", &w.usec, &w.pid, &w.access, &w.stage, &w.store);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &path, &w.path_size);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        w.path = path;
        find_opener(&w);
        *ret = w;
        return 1;
}

static void print_waiting(const struct waiting *w) {
        _cleanup_free_ char *path = escape_terminal(w->path, w->path_size);
        _cleanup_free_ char *comm = escape_terminal(w->comm, strlen(w->comm));
        const struct passwd *user = w->comm[0] ? getpwuid(w->uid) : NULL;
        char uid[16];

        (void)snprintf(uid, sizeof(uid), "%" PRIu32, w->uid);
        printf("%10.3f s  %7" PRIu32 "  %-15s  %-10s  %-4s  %-7s  %-12s  %s\n",
               (double)w->usec / USEC_PER_SEC, w->pid, w->comm[0] ? comm ?: "?" : "-",
               user         ? user->pw_name
               : w->comm[0] ? uid
                            : "-",
               w->access, w->stage, w->store, path ?: "?");
}

static void print_waiting_json(const struct waiting *w) {
        _cleanup_free_ char *path = strndup(w->path, w->path_size);

        printf("{\"wait_usec\":%" PRIu64 ",\"pid\":%" PRIu32 ",", w->usec, w->pid);
        if (w->comm[0]) {
                printf("\"uid\":%" PRIu32 ",", w->uid);
                output_json("comm", w->comm, strlen(w->comm));
        } else
                printf("\"uid\":null,\"comm\":null");
        printf(",\"access\":\"%s\",\"stage\":\"%s\",", w->access, w->stage);
        output_json("store", w->store, strlen(w->store));
        printf(",");
        output_json_path("path", path ?: "");
        printf("}\n");
}

static int compare_waiting(const void *a, const void *b) {
        const struct waiting *x = a, *y = b;

        return (x->usec < y->usec) - (x->usec > y->usec);
}

/* All of them, who waits longest first. Negative errno. */
static int read_all(sd_bus_message *m, struct waiting **ret, size_t *ret_n) {
        _cleanup_free_ struct waiting *list = NULL;
        struct waiting w;
        size_t n = 0;
        int r = sd_bus_message_enter_container(m, 'a', "(tusssay)");

        while (r >= 0 && (r = read_waiting(m, &w)) > 0) {
                struct waiting *more = reallocarray(list, n + 1, sizeof(*list));

                if (!more)
                        return -ENOMEM;
                list = more;
                list[n++] = w;
        }
        if (r < 0)
                return r;
        if (n > 0)
                qsort(list, n, sizeof(*list), compare_waiting);
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int verb_pending(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ struct waiting *list = NULL;
        uint32_t total = 0;
        size_t shown = 0;
        int r = ctl_bus_open(&bus);

        if (r == STATUS_OK)
                r = ask_call(bus, "ListPending", &reply);
        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_read(reply, "u", &total);
        if (r >= 0)
                r = read_all(reply, &list, &shown);
        if (r < 0)
                return ctl_bus_error(r, NULL);
        if (!ctl->json && shown > 0)
                printf("%12s  %7s  %-15s  %-10s  %-4s  %-7s  %-12s  %s\n", "WAITS", "PID",
                       "COMMAND", "USER", "FOR", "STAGE", "STORE", "PATH");
        for (size_t i = 0; i < shown; i++)
                (ctl->json ? print_waiting_json : print_waiting)(&list[i]);
        if (!ctl->json && total > shown)
                printf("... and %zu more\n", total - shown);
        else if (!ctl->json && shown == 0)
                printf("Nobody waits.\n");
        return STATUS_OK;
}

/* ---- store list ---- */

static const struct store_stats *counters_of(const struct metrics *metrics, const char *store) {
        static const struct store_stats none;

        for (size_t i = 0; i < metrics->stats.n_stores; i++)
                if (streq(metrics->stats.stores[i].name, store))
                        return &metrics->stats.stores[i];
        return &none;
}

/* Whether opens there are seen: "yes", "no", "unknown". */
static void find_hooked(sd_bus *bus, const char *store, char ret[static 16]) {
        _cleanup_free_ char *path = NULL, *hooked = NULL;

        (void)snprintf(ret, 16, "unknown");
        if (sd_bus_path_encode(BUS_STORES, store, &path) >= 0 &&
            sd_bus_get_property_string(bus, BUS_NAME, path, BUS_STORE_INTERFACE, "Hooked", NULL,
                                       &hooked) >= 0)
                (void)snprintf(ret, 16, "%s", hooked);
}

static void print_store(const struct ask_store *s, const char *hooked,
                        const struct store_stats *of) {
        char text[PATH_MAX + 32];

        printf("%s\n", s->name);
        output_line("Path", s->path);
        (void)snprintf(text, sizeof(text), "%s, %s", s->kind, s->format);
        output_line("Kind", text);
        output_line("Hooked", streq(hooked, "unknown") ? "not known" : hooked);
        (void)snprintf(text, sizeof(text), "on_infected = %s, on_error = %s, on_unscannable = %s",
                       s->on_infected, s->on_error, s->on_unscannable);
        output_line("Policy", text);
        (void)snprintf(text, sizeof(text),
                       "%" PRIu64 " judged, %" PRIu64 " of them scanned: %" PRIu64
                       " infected, %" PRIu64 " not scannable, %" PRIu64 " undecided",
                       of->processed, of->scans, of->infected, of->unscannable, of->undecided);
        output_line("Messages", text);
        (void)snprintf(text, sizeof(text), "%" PRIu64 " replaced, %" PRIu64 " in quarantine",
                       of->replaced, of->quarantined);
        output_line("Remedies", text);
}

static void print_store_json(const struct ask_store *s, const char *hooked,
                             const struct store_stats *of) {
        printf("{");
        output_json("name", s->name, strlen(s->name));
        printf(",");
        output_json_path("path", s->path);
        printf(",\"kind\":\"%s\",\"format\":\"%s\",\"on_infected\":\"%s\",\"on_error\":\"%s\","
               "\"on_unscannable\":\"%s\",\"hooked\":\"%s\",\"counters\":{",
               s->kind, s->format, s->on_infected, s->on_error, s->on_unscannable, hooked);
#define X(counter, meaning) printf("\"" #counter "\":%" PRIu64 ",", of->counter);
        STORE_STATS_TABLE(X)
#undef X
        printf("\"hub\":{");
        for (int i = 0; i < _HUB_CHECK_MAX; i++)
                printf("%s\"%s\":%" PRIu64, i > 0 ? "," : "", stats_hub_name(i), of->hub[i]);
        printf("}}}\n");
}

static int list_stores(const struct ctl *ctl, sd_bus *bus, const struct metrics *metrics) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct ask_store store;
        char hooked[16];
        int r = ctl_bus_get(bus, "Stores", "a(saysssss)", &reply);

        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(saysssss)");
        while (r >= 0 && (r = ask_store(reply, &store)) > 0) {
                find_hooked(bus, store.name, hooked);
                (ctl->json ? print_store_json : print_store)(&store, hooked,
                                                             counters_of(metrics, store.name));
        }
        return r < 0 ? ctl_bus_error(r, NULL) : STATUS_OK;
}

int verb_store_list(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        struct metrics metrics = {};
        int r = ctl_bus_open(&bus);

        if (r == STATUS_OK)
                r = ask_metrics(bus, &metrics);
        if (r == STATUS_OK)
                r = list_stores(ctl, bus, &metrics);
        metrics_done(&metrics);
        return r;
}
