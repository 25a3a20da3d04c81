/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The names of signatures that [allow] has: a list that each line adds to. It stays one text, names with
 * a blank between, which is what the engine is told; "none" is an empty one. Owns no state.
 */

#include "daemon/config-private.h"

#include <ctype.h>

#include "daemon/proto.h"

/* They say what could not be looked at, and that is never clean. */
static const char *const not_allowed[] = {
        "Heuristics.Limits.",
        "Heuristics.Encrypted.",
        "Heuristics.Broken.",
        "Heuristics.XZ.DicSizeLimit",
};

/* The name that stands at *text, which goes behind it; its size. 0: the end. */
static size_t next_name(const char **text, const char **ret) {
        size_t n;

        *text += strspn(*text, " \t");
        n = strcspn(*text, " \t");
        *ret = *text;
        *text += n;
        return n;
}

static int check_name(const char *name, size_t n, char ret_problem[static CONFIG_PROBLEM_MAX]) {
        if (n >= PROTO_SIGNATURE_MAX)
                return config_problem(ret_problem, "a name of %zu characters; %d are the most", n,
                                      PROTO_SIGNATURE_MAX - 1);
        for (size_t i = 0; i < n; i++)
                if (!isgraph((unsigned char)name[i]) || strchr("\"',", name[i]))
                        return config_problem(ret_problem,
                                              "'%.*s' is no signature's name; write it as the log "
                                              "has it, several with blanks between",
                                              (int)n, name);
        for (size_t i = 0; i < ELEMENTSOF(not_allowed); i++)
                if (startswith(name, not_allowed[i]))
                        return config_problem(ret_problem,
                                              "'%.*s' says that not all could be scanned; see "
                                              "limits, encrypted and broken of [scanner]",
                                              (int)n, name);
        return 0;
}

int config_parse_signatures(const struct config_key *key, const char *text, void *field,
                            char ret_problem[static CONFIG_PROBLEM_MAX]) {
        char *const *before = field;
        _cleanup_free_ char *all = NULL;
        const char *p = text, *name;
        size_t n;

        if (streq(text, "none"))
                return config_set_text(field, text);
        while ((n = next_name(&p, &name)) > 0) {
                int r = check_name(name, n, ret_problem);

                if (r < 0)
                        return r;
        }
        if (asprintf(&all, "%s%s%s", streq(*before, "none") ? "" : *before,
                     streq(*before, "none") ? "" : " ", text) < 0) {
                all = NULL;
                return -ENOMEM;
        }
        if (strlen(all) >= PROTO_ALLOWED_MAX)
                return config_problem(ret_problem,
                                      "names of more than %d characters together; "
                                      "allow contents by 'storescanctl allow' instead",
                                      PROTO_ALLOWED_MAX - 1);
        return config_set_text(field, all);
}
