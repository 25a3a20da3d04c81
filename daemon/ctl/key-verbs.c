/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs about keys of stamps in headers. Secrets are written to their files only, never shown. */

#include <stdio.h>

#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "daemon/keys.h"
#include "store/util.h"

static const char *folder_of(const struct ctl *ctl) {
        return ctl->keys ?: KEYS_DIRECTORY;
}

/* Says what a key is not: ids are anybody's text. */
static int bad_id(const char *id, const char *what) {
        _cleanup_free_ char *shown = escape_terminal(id, strlen(id));

        fprintf(stderr, "storescanctl: '%s' %s\n", shown ?: "?", what);
        return STATUS_ERROR;
}

static int load(const struct ctl *ctl, struct keys **ret) {
        int r = keys_load(folder_of(ctl), NULL, stderr, ret);

        return r == 0 ? STATUS_OK : r == -EINVAL ? STATUS_FOUND : STATUS_ERROR;
}

static int print_public(const struct hub_key *key) {
        char text[HUB_KEY_TEXT_MAX];

        if (hub_key_write(key, true, text) < 0)
                return bad_id(hub_key_id(key), "has no public half; make one with --type ed25519");
        fputs(text, stdout);
        return STATUS_OK;
}

int verb_key_generate(const struct ctl *ctl, char **args, int n) {
        _cleanup_(hub_key_freep) struct hub_key *key = NULL;
        enum hub_key_kind kind = HUB_KEY_HMAC;
        int r;

        if (ctl->type && streq(ctl->type, "ed25519"))
                kind = HUB_KEY_ED25519_PRIVATE;
        else if (ctl->type && !streq(ctl->type, "hmac"))
                return bad_id(ctl->type, "is no kind of key; write hmac or ed25519");
        if (!hub_key_id_ok(args[0], strlen(args[0])))
                return bad_id(
                        args[0],
                        "can't be the id of a key; write at most 32 of A-Z a-z 0-9 . _ - that "
                        "do not begin with a dot");
        r = hub_key_generate(args[0], kind, &key);
        if (r < 0) {
                fprintf(stderr, "storescanctl: the key can't be made: %s\n", error_text(-r));
                return STATUS_ERROR;
        }
        if (keys_save(folder_of(ctl), key, stderr) < 0)
                return STATUS_ERROR;
        return kind == HUB_KEY_ED25519_PRIVATE ? print_public(key) : STATUS_OK;
}

int verb_key_list(const struct ctl *ctl, char **args, int n) {
        _cleanup_(keys_freep) struct keys *keys = NULL;
        int r = load(ctl, &keys);

        for (size_t i = 0; i < keys_count(keys); i++) {
                const struct hub_key *key = keys_get(keys, i);

                const char *kind = hub_key_kind_name(hub_key_kind(key));

                if (ctl->json)
                        printf("{\"id\":\"%s\",\"kind\":\"%s\"}\n", hub_key_id(key), kind);
                else
                        printf("%-32s %s\n", hub_key_id(key), kind);
        }
        return r;
}

int verb_key_public(const struct ctl *ctl, char **args, int n) {
        _cleanup_(keys_freep) struct keys *keys = NULL;
        const struct hub_key *key;
        int r = load(ctl, &keys);

        if (r != STATUS_OK)
                return r;
        key = keys_find(keys, args[0]);
        return key ? print_public(key) : bad_id(args[0], "is no key that is here");
}
