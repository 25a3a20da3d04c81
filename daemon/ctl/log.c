/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verb "log": what storescand and storescan-hub wrote to the journal, by its fields. Only what their
 * units wrote counts: anybody can write records that look like theirs. Owns nothing.
 */

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/ctl/check.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/output.h"
#include "daemon/events.h"
#include "store/util.h"

#define SHOWN     100U /* records, where no time is given */
#define SINCE_MAX (UINT64_C(3660) * 24 * 3600 * USEC_PER_SEC)
#define FIELD     "STORESCAN_"

struct query {
        sd_journal *journal;
        bool has_since;
        uint64_t since;          /* microseconds since 1970 */
        char path[2 * PATH_MAX]; /* a file, or a folder; "": all */
};

static const struct {
        const char *word, *message_id;
} kinds[] = {
#define X(id, word, message_id, priority, meaning) { word, message_id },
        EVENT_TABLE(X)
#undef X
};

/* ---- What is looked for ---- */

/* "2026-11-26 20:00:00", "2026-11-26 20:00", "2026-11-26", local time. */
static bool parse_date(const char *text, uint64_t *ret) {
        static const char *const forms[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                struct tm tm = { .tm_isdst = -1 };
                const char *end = strptime(text, forms[i], &tm);
                time_t seconds = end && *end == '\0' ? mktime(&tm) : -1;

                if (seconds >= 0) {
                        *ret = (uint64_t)seconds * USEC_PER_SEC;
                        return true;
                }
        }
        return false;
}

/* A STATUS_*. */
static int parse_since(const char *text, uint64_t *ret) {
        char problem[CONFIG_PROBLEM_MAX];
        uint64_t ago;

        if (parse_date(text, ret))
                return STATUS_OK;
        if (config_duration(text, 1, SINCE_MAX, &ago, problem) < 0)
                return output_error(text,
                                    "neither a date, as '2026-11-26 20:00', nor a time ago, as "
                                    "'10min', '2h' or '3d'");
        *ret = output_now() - MIN(ago, output_now());
        return STATUS_OK;
}

/* As the kernel names it, if it is there; what was logged may be gone. Opens nothing. */
static void find_path(const char *given, char ret[static 2 * PATH_MAX]) {
        char real[PATH_MAX], here[PATH_MAX] = "";
        size_t n;

        if (realpath(given, real)) {
                (void)snprintf(ret, 2 * PATH_MAX, "%s", real);
                return;
        }
        if (given[0] != '/' && !getcwd(here, sizeof(here)))
                here[0] = '\0';
        (void)snprintf(ret, 2 * PATH_MAX, "%s%s%s", here, here[0] ? "/" : "", given);
        for (n = strlen(ret); n > 1 && ret[n - 1] == '/'; n--)
                ret[n - 1] = '\0';
}

static int match(sd_journal *j, const char *field, const char *value) {
        char text[512];

        (void)snprintf(text, sizeof(text), "%s=%s", field, value);
        return sd_journal_add_match(j, text, 0);
}

/* Negative errno; -ENOENT after telling that there is no such event. */
static int match_event(sd_journal *j, const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(kinds[i].word, word))
                        return match(j, "MESSAGE_ID", kinds[i].message_id);
        (void)output_error(word, "no event; storescan-events(7) lists them, as 'blocked'");
        return -ENOENT;
}

/* Of one field any, of several fields all must match. */
static int add_matches(const struct query *q, const struct ctl *ctl, char **events, int n) {
        sd_journal *j = q->journal;
        int r = match(j, "_SYSTEMD_UNIT", "storescand.service");

        if (r >= 0)
                r = match(j, "_SYSTEMD_UNIT", "storescan-hub.service");
        if (r >= 0 && ctl->store)
                r = match(j, FIELD "STORE", ctl->store);
        for (int i = 0; r >= 0 && i < n; i++)
                r = match_event(j, events[i]);
        for (size_t i = 0; r >= 0 && n == 0 && i < ELEMENTSOF(kinds); i++)
                r = match(j, "MESSAGE_ID", kinds[i].message_id);
        return r;
}

/* A field of the record that the journal stands at; false: it has none. */
static bool get_field(sd_journal *j, const char *name, const char **ret, size_t *ret_size) {
        size_t skip = strlen(name) + 1, n;
        const void *data;

        if (sd_journal_get_data(j, name, &data, &n) < 0 || n < skip)
                return false;
        *ret = (const char *)data + skip;
        *ret_size = n - skip;
        return true;
}

/* Whether it is of the path that is looked for, or of something below. */
static bool concerns(const struct query *q) {
        size_t n = strlen(q->path), size;
        const char *path;

        if (n == 0)
                return true;
        if (!get_field(q->journal, FIELD "PATH", &path, &size) || size < n ||
            memcmp(path, q->path, n) != 0)
                return false;
        return size == n || path[n] == '/' || path[n - 1] == '/';
}

/* ---- Records ---- */

/* storescand escaped hostile bytes in it already: its backslashes stay single. */
static void print_message(const char *message, size_t size) {
        _cleanup_free_ char *shown = escape_terminal(message, size);

        for (const char *c = shown ?: "?"; *c; c++) {
                putchar(*c);
                if (c[0] == '\\' && c[1] == '\\')
                        c++;
        }
        putchar('\n');
}

static void print_text(sd_journal *j, uint64_t usec) {
        const char *event = "", *message = "";
        size_t event_size = 0, size = 0;
        char when[64];

        check_format_time(usec / USEC_PER_MSEC, when, sizeof(when));
        (void)get_field(j, FIELD "EVENT", &event, &event_size);
        printf("%s  %-15.*s  ", when, (int)MIN(event_size, 64U), event);
        (void)get_field(j, "MESSAGE", &message, &size);
        print_message(message, size);
}

/* STORESCAN_QUEUE_USEC is "queue_usec". */
static void print_field_json(const char *field, size_t size) {
        const char *equals = memchr(field, '=', size);
        size_t n = equals ? (size_t)(equals - field) : 0, value_size;
        char key[64];

        if (n <= strlen(FIELD) || memcmp(field, FIELD, strlen(FIELD)) != 0)
                return;
        field += strlen(FIELD);
        n -= strlen(FIELD);
        if (n >= sizeof(key))
                return;
        for (size_t i = 0; i < n; i++)
                key[i] = (char)(field[i] >= 'A' && field[i] <= 'Z' ? field[i] - 'A' + 'a'
                                                                   : field[i]);
        key[n] = '\0';
        value_size = size - strlen(FIELD) - n - 1;
        putchar(',');
        if (streq(key, "path")) {
                _cleanup_free_ char *path = strndup(equals + 1, value_size);

                output_json_path(key, path ?: "");
        } else
                output_json(key, equals + 1, value_size);
}

static void print_json(sd_journal *j, uint64_t usec) {
        const char *message = "", *priority;
        const void *data;
        size_t n = 0;

        printf("{\"time_usec\":%" PRIu64 ",", usec);
        if (get_field(j, "PRIORITY", &priority, &n) && n == 1 && priority[0] >= '0' &&
            priority[0] <= '7')
                printf("\"priority\":%c,", priority[0]);
        n = 0;
        (void)get_field(j, "MESSAGE", &message, &n);
        output_json("message", message, n);
        SD_JOURNAL_FOREACH_DATA(j, data, n)
        print_field_json(data, n);
        printf("}\n");
}

/* All that there are behind the place where the journal stands. Negative errno, or how many. */
static int print_records(const struct query *q, bool json) {
        uint64_t usec;
        int n = 0, r;

        while ((r = sd_journal_next(q->journal)) > 0) {
                if (!concerns(q) || sd_journal_get_realtime_usec(q->journal, &usec) < 0)
                        continue;
                (json ? print_json : print_text)(q->journal, usec);
                n++;
        }
        return r < 0 ? r : n;
}

/* Before the first record to be shown. */
static int seek(const struct query *q) {
        sd_journal *j = q->journal;
        unsigned n = 0;
        int r;

        if (q->has_since)
                return sd_journal_seek_realtime_usec(j, q->since);
        r = sd_journal_seek_tail(j);
        while (r >= 0 && n <= SHOWN && (r = sd_journal_previous(j)) > 0)
                n += concerns(q);
        /* Fewer than that: from the first on. */
        return r == 0 ? sd_journal_seek_head(j) : r;
}

static int watch(const struct query *q, bool json) {
        int r;

        do {
                r = fflush(stdout) != 0 ? -errno : sd_journal_wait(q->journal, UINT64_MAX);
                if (r >= 0)
                        r = print_records(q, json);
        } while (r >= 0);
        return r;
}

int verb_log(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_journal_closep) sd_journal *journal = NULL;
        struct query q = { .has_since = ctl->since };
        int r;

        if (ctl->since && parse_since(ctl->since, &q.since) != STATUS_OK)
                return STATUS_ERROR;
        if (ctl->path)
                find_path(ctl->path, q.path);
        r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        q.journal = journal;
        if (r >= 0)
                r = add_matches(&q, ctl, args, n);
        if (r == -ENOENT)
                return STATUS_ERROR;
        if (r >= 0)
                r = seek(&q);
        if (r >= 0)
                r = print_records(&q, ctl->json);
        if (r == 0 && !ctl->watch)
                fputs(geteuid() == 0
                              ? "storescanctl: nothing is logged that is looked for.\n"
                              : "storescanctl: nothing is logged that you may read; run it "
                                "by sudo, or become a member of the group systemd-journal.\n",
                      stderr);
        if (r >= 0 && ctl->watch)
                r = watch(&q, ctl->json);
        if (r >= 0)
                return STATUS_OK;
        fprintf(stderr, "storescanctl: the journal can't be read: %s\n", error_text(-r));
        return STATUS_ERROR;
}
