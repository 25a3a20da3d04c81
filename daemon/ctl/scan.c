/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verb "scan": each file is announced to storescand and opened once, which waits for the verdict as a
 * sweep's open does; then storescand is asked what it found. Nothing is read here: whatever comes of an
 * infected file comes of it by its store's policy. What was not looked at is never said to be clean.
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/bus-names.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/explain.h"
#include "daemon/ctl/output.h"
#include "store/util.h"
#include "store/verdict.h"

DEFINE_CLEANUP(struct subject *, subject_close);

struct found {
        char verdict[32]; /* "none": it was not looked for */
        int known;        /* by its stamp */
        int error;        /* of the open; 0: it was allowed */
};

/* ScanBegin and ScanResult. The reply is of the latter. */
static int call(sd_bus *bus, const char *method, const struct subject *s, sd_bus_message **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_MANAGER_INTERFACE, method, &error,
                                   ret, "utt", (uint32_t)getpid(), (uint64_t)s->st.st_dev,
                                   (uint64_t)s->st.st_ino);

        return r < 0 ? ctl_bus_error(r, &error) : STATUS_OK;
}

/* Not by the path, which may be another file's by now. Returns 0 or errno. */
static int open_once(const struct subject *s) {
        _cleanup_close_ int fd = -EBADF;
        char path[32];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? errno : 0;
}

static int find_out(sd_bus *bus, const struct subject *s, struct found *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *begun = NULL, *reply = NULL;
        const char *verdict;
        int r = call(bus, "ScanBegin", s, &begun), error;

        if (r != STATUS_OK)
                return r;
        error = open_once(s);
        r = call(bus, "ScanResult", s, &reply);
        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_read(reply, "sb", &verdict, &ret->known);
        if (r < 0)
                return ctl_bus_error(r, NULL);
        (void)snprintf(ret->verdict, sizeof(ret->verdict), "%s", verdict);
        ret->error = error;
        return STATUS_OK;
}

static int status_of(const struct found *found) {
        if (streq(found->verdict, verdict_name(VERDICT_CLEAN)))
                return STATUS_OK;
        return streq(found->verdict, verdict_name(VERDICT_INFECTED)) ? STATUS_FOUND : STATUS_ERROR;
}

static const char *open_word(const struct found *found) {
        return found->error == 0 ? "allowed" : found->error == EPERM ? "denied" : "failed";
}

static void print_text(const struct subject *s, const struct found *found) {
        _cleanup_free_ char *path = escape_terminal(s->path, strlen(s->path));
        bool unknown = streq(found->verdict, verdict_name(VERDICT_UNKNOWN));

        printf("%s: %s%s", path ?: "?", unknown ? "could not be scanned" : found->verdict,
               found->known ? ", by its stamp" : "");
        if (status_of(found) != STATUS_OK)
                printf("; the open was %s, see 'storescanctl log'", open_word(found));
        putchar('\n');
}

static void print_json(const struct subject *s, const struct found *found) {
        printf("{");
        output_json_path("path", s->path);
        printf(",\"verdict\":\"%s\",\"known\":%s,\"open\":\"%s\"}\n", found->verdict,
               found->known ? "true" : "false", open_word(found));
}

/* Nothing was looked for. Who reads a hot file raises no event, and it is clean; all others were let through
 * or not by something else than their content. */
static int not_asked(const struct ctl *ctl, sd_bus *bus, const struct subject *s,
                     struct found *found) {
        struct explained e = {};
        char text[512];
        int r;

        if (found->error != 0 && found->error != EPERM)
                return explain_error(ctl, s->path, error_text(found->error));
        r = explain_ask(bus, s, &e);
        if (r != STATUS_OK)
                return r;
        if (found->error == 0 && streq(e.tier, "hot")) {
                (void)snprintf(found->verdict, sizeof(found->verdict), "%s",
                               verdict_name(VERDICT_CLEAN));
                found->known = true;
                return STATUS_OK;
        }
        if (streq(e.answer, "allow") && !streq(e.tier, "stamp") && !streq(e.tier, "older-stamp"))
                (void)snprintf(text, sizeof(text), "not scanned: %s", explain_tier_text(e.tier));
        else
                (void)snprintf(text, sizeof(text),
                               "not scanned: storescand did not see it being opened; try again");
        return explain_error(ctl, s->path, text);
}

static int scan_one(const struct ctl *ctl, sd_bus *bus, const char *path) {
        struct subject subject = { .fd = -EBADF };
        _cleanup_(subject_closep) struct subject *s = &subject;
        struct found found = {};
        int r = subject_open(path, s);

        if (r < 0)
                return explain_error(ctl, path, explain_open_text(r));
        r = find_out(bus, s, &found);
        if (r == STATUS_OK && streq(found.verdict, "none"))
                r = not_asked(ctl, bus, s, &found);
        if (r != STATUS_OK)
                return r;
        (ctl->json ? print_json : print_text)(s, &found);
        return status_of(&found);
}

int verb_scan(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int worst = STATUS_OK, r;

        if (subject_may_see_stamps() < 0) {
                fputs("storescanctl: verdicts are for root to see; run it by sudo.\n", stderr);
                return STATUS_ERROR;
        }
        r = ctl_bus_open(&bus);
        if (r != STATUS_OK)
                return r;
        for (int i = 0; i < n; i++) {
                r = scan_one(ctl, bus, args[i]);
                worst = MAX(worst, r);
                (void)fflush(stdout); /* others may take long */
        }
        return worst;
}
