/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is scanned again, and when: texts to values and back, and what counts in a store. Owns no
 * state.
 */

#include "daemon/config-private.h"

#include <time.h>

#define NEVER_OLDER  "never-older-than"
#define UNTIL_FORMAT "%Y-%m-%dT%H:%MZ"

static const char *const modes[] = {
        [RESCAN_ON_ACCESS] = "on-access",
        [RESCAN_SWEEP] = "sweep",
        [RESCAN_OUTBREAK] = "outbreak",
        [RESCAN_NEVER_OLDER] = NEVER_OLDER,
};

int config_parse_rescan(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]) {
        const char *age = startswith(text, NEVER_OLDER " ");
        struct config_rescan rescan = { .mode = _RESCAN_MODE_MAX };

        if (age) {
                const struct config_key duration = { .min = key->min, .max = key->max };
                int r = config_parse_duration(&duration, age + strspn(age, " "),
                                              &rescan.max_age_usec, ret_problem);

                if (r < 0)
                        return r;
                rescan.mode = RESCAN_NEVER_OLDER;
        } else {
                for (size_t i = 0; i < RESCAN_NEVER_OLDER; i++)
                        if (streq(text, modes[i]))
                                rescan.mode = (enum rescan_mode)i;
                if (rescan.mode == _RESCAN_MODE_MAX && !(key->inherits && streq(text, "inherit")))
                        return config_problem(ret_problem, "'%s' is not among its words; write %s",
                                              text, key->type);
        }
        *(struct config_rescan *)field = rescan;
        return 0;
}

const char *config_text_rescan(const struct config_key *key, const void *field,
                               char buffer[static CONFIG_TEXT_MAX]) {
        const struct config_rescan *rescan = field;
        char age[CONFIG_TEXT_MAX];

        if (rescan->mode == _RESCAN_MODE_MAX)
                return "inherit";
        if (rescan->mode != RESCAN_NEVER_OLDER)
                return modes[rescan->mode];
        (void)snprintf(buffer, CONFIG_TEXT_MAX, NEVER_OLDER " %.24s",
                       config_text_duration(&(struct config_key){}, &rescan->max_age_usec, age));
        return buffer;
}

int config_parse_until(const struct config_key *key, const char *text, void *field,
                       char ret_problem[static CONFIG_PROBLEM_MAX]) {
        uint64_t *value = field;
        struct tm tm = {};
        const char *end;
        time_t t;

        if (streq(text, "none")) {
                *value = 0;
                return 0;
        }
        if (key->inherits && streq(text, "inherit")) {
                *value = UINT64_MAX;
                return 0;
        }
        end = strptime(text, UNTIL_FORMAT, &tm);
        t = end && *end == '\0' && strlen(text) == strlen("2026-11-26T18:00Z") ? timegm(&tm) : -1;
        if (t <= 0)
                return config_problem(ret_problem,
                                      "'%s' is not a time; write it like 2026-11-26T18:00Z (UTC), "
                                      "or none",
                                      text);
        *value = (uint64_t)t;
        return 0;
}

const char *config_text_until(const struct config_key *key, const void *field,
                              char buffer[static CONFIG_TEXT_MAX]) {
        uint64_t value = *(const uint64_t *)field;
        time_t t = (time_t)value;
        struct tm tm;

        if (value == UINT64_MAX)
                return "inherit";
        if (value == 0 || !gmtime_r(&t, &tm) ||
            strftime(buffer, CONFIG_TEXT_MAX, UNTIL_FORMAT, &tm) == 0)
                return "none";
        return buffer;
}

struct rescan_policy config_rescan_policy(const struct config *config,
                                          const struct config_store *store) {
        const struct config_rescan *rescan =
                store->rescan.mode == _RESCAN_MODE_MAX ? &config->rescan : &store->rescan;

        return (struct rescan_policy){
                .mode = rescan->mode,
                .max_age_sec = rescan->max_age_usec / USEC_PER_SEC,
                .outbreak_until_sec = store->outbreak_until_sec == UINT64_MAX
                                              ? config->outbreak_until_sec
                                              : store->outbreak_until_sec,
                .age = store->on_access_age == _RESCAN_AGE_MAX ? config->on_access_age
                                                               : store->on_access_age,
        };
}

bool config_outbreak(const struct config *config, const struct config_store *store) {
        const struct rescan_policy policy = config_rescan_policy(config, store);

        return rescan_outbreak(&policy, (uint64_t)time(NULL));
}

bool config_proactive(const struct config *config, const struct config_store *store) {
        return config_outbreak(config, store) ||
               (store->proactive == PROACTIVE_AUTO ? store->kind == STORE_KIND_PUBLIC_FOLDER
                                                   : store->proactive == PROACTIVE_YES);
}
