/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the keys. Must not decide what is stamped: only who asks knows that it was scanned. */

#include "daemon/hub/stamping.h"

#include <time.h>

int stamping_open(const struct config *config, FILE *errors, struct stamping *ret) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY"), *folder = config->keys,
                   *id = config->hub.key;
        struct stamping s = {};
        int r;

        /* The folder is root's; the unit hands over the hub's keys as credentials. */
        if (access(folder, R_OK | X_OK) < 0 && errno == EACCES && credentials)
                folder = "";
        r = keys_load(folder, credentials, errors, &s.keys);
        if (r < 0)
                return r;
        if (!streq(id, "none")) {
                s.key = keys_find(s.keys, id);
                if (!s.key)
                        fprintf(errors,
                                "[hub] key: there is no key '%s' in %s nor among the credentials; "
                                "make one by storescanctl key generate, or correct the id.\n",
                                id, config->keys);
                else if (hub_key_kind(s.key) == HUB_KEY_ED25519_PUBLIC)
                        fprintf(errors,
                                "[hub] key: '%s' is a public key and can't sign; name the private "
                                "one.\n",
                                id);
                if (!s.key || hub_key_kind(s.key) == HUB_KEY_ED25519_PUBLIC) {
                        s.keys = keys_free(s.keys);
                        return -ENOKEY;
                }
        }
        *ret = s;
        return 0;
}

void stamping_close(struct stamping *s) {
        s->keys = keys_free(s->keys);
        s->key = NULL;
}

bool stamping_believes(const struct stamping *s) {
        return s->keys && keys_count(s->keys) > 0;
}

enum hub_check stamping_judge(const struct stamping *s, const struct hub_content *content,
                              uint32_t database) {
        const struct hub_policy policy = { .max_age = STAMPING_MAX_AGE, .min_database = database };
        size_t index;

        return keys_judge(s->keys, content, &policy, (uint64_t)time(NULL), &index);
}

int stamping_sign(const struct stamping *s, const struct proto_cover *cover, uint32_t database,
                  char ret_text[static HUB_TEXT_MAX]) {
        struct hub_stamp stamp = {
                .time = (uint64_t)time(NULL),
                .database = database,
                .verdict = VERDICT_CLEAN,
                .reason = REASON_NONE,
        };
        int r;

        if (!s->key || cover->check != HUB_GOOD)
                return -EINVAL;
        memcpy(stamp.body, cover->body, sizeof(stamp.body));
        memcpy(stamp.header, cover->header_digest, sizeof(stamp.header));
        r = hub_key_sign(s->key, &stamp);
        return r < 0 ? r : MIN(hub_stamp_format(&stamp, ret_text), 0);
}
