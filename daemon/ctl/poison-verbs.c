/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "poison list", of what storescand keeps in a file, and "poison clear". */

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "daemon/config.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "daemon/poison-file.h"

static void print_json(const struct poison *poison, const char *digest, const char *copy) {
        printf("{\"digest\":\"%s\",\"size\":%" PRIu64 ",\"time\":%" PRIu64 ",\"reason\":\"%s\",",
               digest, poison->size, poison->time_sec, reason_name(poison->reason));
        if (poison->copied)
                output_json_path("copy", copy);
        else
                printf("\"copy\":null");
        puts("}");
}

static void print(const struct poison *poison, const char *digest, const char *copy) {
        char since[32] = "?", size[32];
        time_t when = (time_t)poison->time_sec;
        struct tm tm;

        if (localtime_r(&when, &tm))
                (void)strftime(since, sizeof(since), "%F %T", &tm);
        (void)snprintf(size, sizeof(size), "%" PRIu64 " bytes", poison->size);
        puts(digest);
        output_line("Since", since);
        output_line("Size", size);
        output_line("Workers", poison->reason == REASON_HANG ? "hung" : "crashed");
        output_line("Copy", poison->copied ? copy : "none: it was too large, or there was no room");
}

int verb_poison_list(const struct ctl *ctl, char **args, int n) {
        _cleanup_(config_freep) struct config *config = NULL;
        struct poison_list list = {};
        int r = ctl_config(ctl, &config);

        if (r != STATUS_OK)
                return r;
        r = poison_load(config->cache_directory, STORESCAN_VERSION, &list);
        if (r < 0 && r != -EPROTONOSUPPORT)
                return output_error(config->cache_directory, POISON_PATH ": %s%s",
                                    r == -EINVAL ? "it is damaged; storescand replaces it"
                                                 : error_text(-r),
                                    r == -EACCES ? "; run it by sudo" : "");
        for (size_t i = 0; i < list.n; i++) {
                char digest[POISON_DIGEST_TEXT + 1], copy[PATH_MAX];

                poison_digest_format(list.all[i].digest, digest);
                (void)snprintf(copy, sizeof(copy), "%s/" POISON_FOLDER "/" POISON_COPY "%s",
                               config->cache_directory, digest);
                if (ctl->json)
                        print_json(&list.all[i], digest, copy);
                else
                        print(&list.all[i], digest, copy);
        }
        return STATUS_OK;
}

int verb_poison_clear(const struct ctl *ctl, char **args, int n) {
        return output_done(ctl->json, ctl_bus_call("ClearPoison", ""), "cleared",
                           "All of it is scanned again when it is opened; the copies are "
                           "deleted.\n");
}
