/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verb "explain": what storescand would answer an open of a file, and why. The file is found, but
 * not opened for reading, so that asking changes nothing; what it is like is told to storescand, which
 * knows the rest.
 */

#include "daemon/ctl/explain.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/bus-names.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/check.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

DEFINE_CLEANUP(struct subject *, subject_close);

#define NSEC_PER_SEC (NSEC_PER_USEC * USEC_PER_SEC)

static const struct {
        const char *tier, *text;
} tiers[] = {
        { "unguarded",
          "storescand does not guard its stores at this moment; see 'storescanctl status'" },
        { "paused", "every open passes unscanned; see 'storescanctl resume'" },
        { "outside",
          "no store has this path: opens by it are none of storescand's business, unless "
          "the same file lies in a store by another name" },
        { "empty", "an empty file, or none that can hold mail: there is nothing to scan" },
        { "no-mail", "in this format a file of this name is no mail: it is not scanned" },
        { "in-progress",
          "in this format a message that is being delivered: it is scanned when it is there" },
        { "hot",
          "found clean and read often: its readers do not even raise an event, until somebody "
          "opens it for writing" },
        { "stamp",
          "its stamp is valid, unless somebody has it open for writing: the verdict is known" },
        { "older-stamp", "its stamp is of older signatures, and accepted by rescan, unless "
                         "somebody has it open for writing" },
        { "left-to-sweep", "older than on_access_age: it is not scanned on access" },
        { "items",
          "a file of many messages: it may be opened, and every access is answered by what is "
          "known of the messages that it touches" },
        { "joins-scan", "it is being scanned at this moment: an open waits for that verdict" },
        { "content",
          "it is read: its digest may be known by the stamp or the verdict cache, or a hub's "
          "stamp in its header counts; else it is scanned" },
};

const char *explain_tier_text(const char *tier) {
        for (size_t i = 0; i < ELEMENTSOF(tiers); i++)
                if (streq(tiers[i].tier, tier))
                        return tiers[i].text;
        return "of a newer storescand: see its manual";
}

/* ---- Asking ---- */

static int append_file(sd_bus_message *m, const struct subject *s) {
        char link[32], path[PATH_MAX];
        bool bound = false, read_only;
        struct statvfs fs;
        struct statx stx;
        ssize_t n;
        int r;

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", s->fd);
        n = readlink(link, path, sizeof(path));
        if (n < 0 || fstatvfs(s->fd, &fs) < 0)
                return -errno;
        read_only = fs.f_flag & ST_RDONLY;
        if (statx(s->fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0)
                bound = stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
        r = sd_bus_message_append_array(m, 'y', path, (size_t)n);
        if (r >= 0)
                r = sd_bus_message_append(m, "ttutttt", (uint64_t)s->st.st_dev,
                                          (uint64_t)s->st.st_ino, (uint32_t)s->st.st_mode,
                                          (uint64_t)s->st.st_size, (uint64_t)s->st.st_nlink,
                                          (uint64_t)MAX(s->st.st_mtim.tv_sec, 0),
                                          (uint64_t)s->st.st_ctim.tv_sec * NSEC_PER_SEC +
                                                  (uint64_t)s->st.st_ctim.tv_nsec);
        if (r >= 0) {
                char stamp[STAMP_SIZE_MAX + 1] = "";

                if (check_form(s) == RESULT_VALID)
                        memcpy(stamp, s->text, s->text_size);
                r = sd_bus_message_append(m, "bbs", (int)bound, (int)read_only, stamp);
        }
        return r;
}

static int read_answer(sd_bus_message *m, struct explained *ret) {
        const char *tier, *answer, *generation;
        int r = sd_bus_message_read(m, "sssbb", &tier, &answer, &generation, &ret->hot,
                                    &ret->scanning);

        if (r < 0)
                return r;
        (void)snprintf(ret->tier, sizeof(ret->tier), "%s", tier);
        (void)snprintf(ret->answer, sizeof(ret->answer), "%s", answer);
        (void)snprintf(ret->generation, sizeof(ret->generation), "%s", generation);
        r = sd_bus_message_enter_container(m, 'a', "(saysssss)");
        if (r >= 0)
                r = ask_store(m, &ret->store);
        return MIN(r, 0);
}

int explain_ask(sd_bus *bus, const struct subject *s, struct explained *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, BUS_NAME, BUS_PATH,
                                               BUS_MANAGER_INTERFACE, "Explain");

        if (r >= 0)
                r = append_file(call, s);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, &error, &reply);
        if (r >= 0)
                r = read_answer(reply, ret);
        return r < 0 ? ctl_bus_error(r, &error) : STATUS_OK;
}

/* ---- Telling ---- */

/* What storescand alone knows of a stamp's generation; and that no content was read. */
static void amend(const struct explained *a, struct checks *checks) {
        for (size_t i = 0; i < checks->n; i++) {
                struct check *c = &checks->list[i];

                if (streq(c->name, "digest"))
                        (void)snprintf(
                                c->text, sizeof(c->text),
                                "not compared, nothing is read: 'storescanctl stamp verify'");
                if (!streq(c->name, "generation"))
                        continue;
                c->state = streq(a->generation, "running")    ? CHECK_OK
                           : streq(a->generation, "accepted") ? CHECK_NOTE
                                                              : CHECK_BAD;
                (void)snprintf(c->text, sizeof(c->text), "%s",
                               streq(a->generation, "running") ? "the running one"
                               : streq(a->generation, "accepted")
                                       ? "an older one, which rescan accepts here"
                                       : "not the running one: what it says is not believed");
        }
}

static void print_text(const struct subject *s, const struct explained *a,
                       const struct checks *checks) {
        _cleanup_free_ char *shown = escape_terminal(s->path, strlen(s->path));
        char text[PATH_MAX + 512];

        printf("%s\n", shown ?: "?");
        if (a->store.name[0]) {
                (void)snprintf(text, sizeof(text), "%s: %s, %s, %s", a->store.name, a->store.kind,
                               a->store.format, a->store.path);
                output_line("Store", text);
                (void)snprintf(text, sizeof(text),
                               "on_infected = %s, on_error = %s, on_unscannable = %s",
                               a->store.on_infected, a->store.on_error, a->store.on_unscannable);
                output_line("Policy", text);
        } else
                output_line("Store", "none");
        output_line("Hot", a->hot ? "yes" : "no");
        output_line("Being read", a->scanning ? "yes, for a scan" : "no");
        for (size_t i = 0; i < checks->n; i++)
                printf("  %-4s  %-11s  %s\n", check_state_name(checks->list[i].state),
                       checks->list[i].name, checks->list[i].text);
        printf("  => %s, by %s: %s\n", a->answer, a->tier, explain_tier_text(a->tier));
}

static void print_json(const struct subject *s, const struct explained *a,
                       const struct checks *checks) {
        const struct {
                const char *key, *text;
        } texts[] = {
                { "store", a->store.name },        { "kind", a->store.kind },
                { "format", a->store.format },     { "on_infected", a->store.on_infected },
                { "on_error", a->store.on_error }, { "on_unscannable", a->store.on_unscannable },
        };

        printf("{");
        output_json_path("path", s->path);
        printf(",\"tier\":\"%s\",\"answer\":\"%s\",", a->tier, a->answer);
        output_json("why", explain_tier_text(a->tier), strlen(explain_tier_text(a->tier)));
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                printf(",");
                if (a->store.name[0])
                        output_json(texts[i].key, texts[i].text, strlen(texts[i].text));
                else
                        printf("\"%s\":null", texts[i].key);
        }
        printf(",\"hot\":%s,\"scanning\":%s,", a->hot ? "true" : "false",
               a->scanning ? "true" : "false");
        output_checks(checks);
        printf("}\n");
}

int explain_error(const struct ctl *ctl, const char *path, const char *text) {
        if (ctl->json) {
                printf("{");
                output_json_path("path", path);
                printf(",");
                output_json("error", text, strlen(text));
                printf("}\n");
        }
        return output_error(path, "%s", text);
}

const char *explain_open_text(int error) {
        switch (error) {
        case -EISDIR: return "a folder is not scanned; name a file in it";
        case -EMEDIUMTYPE: return "not a regular file: storescan never scans it";
        default: return error_text(-error);
        }
}

static int explain_one(const struct ctl *ctl, sd_bus *bus, const char *path) {
        struct subject subject = { .fd = -EBADF };
        _cleanup_(subject_closep) struct subject *s = &subject;
        struct explained answer = {};
        struct checks checks;
        int r = subject_open(path, s);

        if (r < 0)
                return explain_error(ctl, path, explain_open_text(r));
        r = explain_ask(bus, s, &answer);
        if (r != STATUS_OK)
                return r;
        check_subject(s, -ENODATA, output_now() / USEC_PER_MSEC, &checks);
        amend(&answer, &checks);
        (ctl->json ? print_json : print_text)(s, &answer, &checks);
        return streq(answer.answer, "allow") ? STATUS_OK : STATUS_FOUND;
}

int verb_explain(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int worst = STATUS_OK, r;

        if (subject_may_see_stamps() < 0) {
                fputs("storescanctl: stamps and verdicts are for root to see; run it by sudo.\n",
                      stderr);
                return STATUS_ERROR;
        }
        r = ctl_bus_open(&bus);
        if (r != STATUS_OK)
                return r;
        for (int i = 0; i < n; i++) {
                r = explain_one(ctl, bus, args[i]);
                worst = MAX(worst, r);
        }
        return worst;
}
