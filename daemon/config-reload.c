/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From one configuration to the next while storescand runs: what changes, what can't, and how long the
 * stores of the one before are needed. Must not decide when.
 */

#include "daemon/config-private.h"

/* ---- Stores in use ---- */

const struct config_store *config_store_hold(const struct config_store *store) {
        if (store && store->holds)
                ++*store->holds;
        return store;
}

void config_store_release(const struct config_store *store) {
        if (store && store->holds)
                --*store->holds;
}

const struct config_store *config_find_alike(const struct config *config,
                                             const struct config_store *store) {
        for (size_t i = 0; i < config->n_stores; i++) {
                const struct config_store *s = &config->stores[i];

                if (streq(s->path, store->path) && s->format == store->format &&
                    s->marks == store->marks)
                        return s;
        }
        return NULL;
}

/* ---- Keys ---- */

static int carry_over(struct config *config, const struct config *running,
                      const struct config_key *key, FILE *notes, bool *ret_engine) {
        char running_text[CONFIG_TEXT_MAX], text[CONFIG_TEXT_MAX], problem[CONFIG_PROBLEM_MAX];
        void *field = config_key_field(config, key, 0);
        const char *is = key->text(key, config_key_field(running, key, 0), running_text);

        if (streq(is, key->text(key, field, text)))
                return 0;
        if (key->engine)
                *ret_engine = true;
        if (!key->restart)
                return 0;
        (void)fprintf(notes, "%s[%s] %s", ftell(notes) > 0 ? ", " : "",
                      config_section_word(key->section), key->name);
        return key->parse(key, is, field, problem) == -ENOMEM ? -ENOMEM : 0;
}

int config_carry_over(struct config *config, const struct config *running, FILE *notes,
                      bool *ret_engine) {
        /* Workers have the notice from their loader; its file may have changed, and not its name. */
        *ret_engine = config->notice_text && running->notice_text &&
                      !streq(config->notice_text, running->notice_text);
        for (size_t i = 0; i < config_n_global_keys; i++) {
                int r = carry_over(config, running, &config_global_keys[i], notes, ret_engine);

                if (r < 0)
                        return r;
        }
        return 0;
}
