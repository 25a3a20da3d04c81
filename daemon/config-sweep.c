/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Values that only [sweep] has, and those of [store NAME] that are as in [sweep] unless they say
 * otherwise: which do is a bit each in sweep_own. Owns no state.
 */

#include "daemon/config-private.h"

#include <assert.h>

int config_parse_window(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]) {
        struct day_window window;

        if (day_window_parse(text, &window) < 0)
                return config_problem(ret_problem,
                                      "'%s' is no time of the day; write always, or HH:MM-HH:MM "
                                      "(as 22:00-06:00)",
                                      text);
        memcpy(field, &window, sizeof(window));
        return 0;
}

const char *config_text_window(const struct config_key *key, const void *field,
                               char buffer[static CONFIG_TEXT_MAX]) {
        static_assert(DAY_WINDOW_TEXT_MAX <= CONFIG_TEXT_MAX, "a window fits");
        struct day_window window;

        memcpy(&window, field, sizeof(window));
        day_window_format(&window, buffer);
        return buffer;
}

/* The key of [sweep] whose value counts otherwise, and the bit that says whether it does not. */
static const struct config_key *inherited(const struct config_key *key, unsigned *ret_bit) {
        const struct config_key *of = config_key_find(SECTION_SWEEP, key->inherits_of);

        assert(of);
        *ret_bit = 1U << (of - config_key_find(SECTION_SWEEP, "schedule"));
        return of;
}

int config_parse_inheriting(const struct config_key *key, const char *text, void *field,
                            char ret_problem[static CONFIG_PROBLEM_MAX]) {
        struct config_store *store = (void *)((char *)field - key->offset);
        unsigned bit;
        struct config_key of = *inherited(key, &bit);
        int r;

        if (streq(text, "inherit")) {
                store->sweep_own &= ~bit;
                return 0;
        }
        of.type = key->type; /* for messages: it takes one word more */
        r = of.parse(&of, text, field, ret_problem);
        if (r >= 0)
                store->sweep_own |= bit;
        return r;
}

const char *config_text_inheriting(const struct config_key *key, const void *field,
                                   char buffer[static CONFIG_TEXT_MAX]) {
        const struct config_store *store = (const void *)((const char *)field - key->offset);
        unsigned bit;
        const struct config_key *of = inherited(key, &bit);

        return store->sweep_own & bit ? of->text(of, field, buffer) : "inherit";
}

struct config_sweep config_sweep_of(const struct config *config, const struct config_store *store) {
        struct config_sweep own = store->sweep, all = config->sweep;
        unsigned bit = 1;

#define TAKE(member)                             \
        do {                                     \
                if (!(store->sweep_own & bit))   \
                        own.member = all.member; \
                bit <<= 1;                       \
        } while (0)

        /* In the order of the table. */
        TAKE(schedule);
        TAKE(window);
        TAKE(received_within_usec);
        TAKE(only_unstamped);
        TAKE(attachments_only);
        TAKE(ignore_hub_stamps);
        TAKE(after_update);
        TAKE(rate);
        TAKE(max_pressure);
        TAKE(max_load);
#undef TAKE
        return own;
}
