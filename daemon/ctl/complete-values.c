/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What storescanctl proposes for arguments: stores of the running storescand, items in quarantine, allowed
 * contents, keys. Shells don't show standard error; what can't be read for want of privilege is not
 * proposed.
 */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/ctl/allow-file.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/complete.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/quarantine-verbs.h"
#include "daemon/events.h"
#include "daemon/keys.h"
#include "store/util.h"

static void propose_stores(const struct complete *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        const char *store;

        if (ctl_bus_open(&bus) != STATUS_OK ||
            ctl_bus_get(bus, "StoreCounters", "a{sa{st}}", &reply) != STATUS_OK ||
            sd_bus_message_enter_container(reply, 'a', "{sa{st}}") < 0)
                return;
        while (sd_bus_message_enter_container(reply, 'e', "sa{st}") > 0 &&
               sd_bus_message_read(reply, "s", &store) >= 0 &&
               sd_bus_message_skip(reply, "a{st}") >= 0 &&
               sd_bus_message_exit_container(reply) >= 0)
                complete_word(c, store, "");
}

static void propose_items(const struct complete *c) {
        _cleanup_(shelf_close) struct shelf shelf = { .folder = -EBADF };
        _cleanup_(config_freep) struct config *config = NULL;

        if (quarantine_open(&(struct ctl){ .config = c->config }, &config, &shelf) != STATUS_OK)
                return;
        for (size_t i = 0; i < shelf.n_ids; i++) {
                struct quarantine q;

                if (quarantine_read(&shelf, shelf.ids[i], &q) == STATUS_OK)
                        complete_word(c, shelf.ids[i], q.context.subject);
        }
}

static void propose_allowed(const struct complete *c) {
        _cleanup_(allow_file_close) struct allow_file file = { .folder = -EBADF };
        _cleanup_(config_freep) struct config *config = NULL;
        char line[ALLOWED_LINE_MAX + 1];
        unsigned at;

        if (ctl_config(&(struct ctl){ .config = c->config }, &config) != STATUS_OK ||
            allow_file_open(config->cache_directory, false, &file, &at) < 0)
                return;
        for (size_t i = 0; i < file.allowed.n; i++) {
                (void)allowed_format(&file.allowed.entries[i], line);
                line[strcspn(line, " ")] = '\0';
                complete_word(c, line, "");
        }
}

static void propose_keys(const struct complete *c) {
        _cleanup_(keys_freep) struct keys *keys = NULL;

        (void)keys_load(KEYS_DIRECTORY, NULL, stderr, &keys);
        for (size_t i = 0; keys && i < keys_count(keys); i++)
                complete_word(c, hub_key_id(keys_get(keys, i)), "");
}

static void propose_events(const struct complete *c) {
#define X(id, word, message_id, priority, meaning) complete_word(c, word, meaning);
        EVENT_TABLE(X)
#undef X
}

/* verb: NULL for an option's value. */
static bool is(const struct verb *verb, const char *name, const char *sub) {
        return verb && streq(verb->name, name) && (!sub || (verb->sub && streq(verb->sub, sub)));
}

void complete_values(const struct complete *c, const struct verb *verb, const char *kind) {
        if (streq(kind, "STORE"))
                propose_stores(c);
        else if (streq(kind, "EVENT"))
                propose_events(c);
        else if (streq(kind, "ID") && is(verb, "quarantine", NULL))
                propose_items(c);
        else if (streq(kind, "ID") && is(verb, "key", "public"))
                propose_keys(c);
        else if (streq(kind, "DIGEST") && is(verb, "allow", "remove"))
                propose_allowed(c);
        else if (streq(kind, "TYPE")) {
                complete_word(c, "hmac", "of a key that hubs and stores share");
                complete_word(c, "ed25519", "of a key whose public half stores get");
        }
}
