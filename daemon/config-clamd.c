/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The addresses of clamd servers, which stay one text, and what follows from having an engine of other
 * processes. Owns no state.
 */

#include "daemon/config-private.h"

#include "daemon/clamd/address.h"

int config_parse_clamd(const struct config_key *key, const char *text, void *field,
                       char ret_problem[static CONFIG_PROBLEM_MAX]) {
        struct clamd_address addresses[CLAMD_SERVERS_MAX];
        const char *bad = text;
        size_t n = 0;
        int r;

        if (strlen(text) >= CLAMD_TEXT_MAX)
                return config_problem(ret_problem, "is longer than %d characters",
                                      CLAMD_TEXT_MAX - 1);
        r = clamd_addresses_parse(text, addresses, &bad, &n);
        if (r == -E2BIG)
                return config_problem(ret_problem, "has more than %d servers", CLAMD_SERVERS_MAX);
        if (r < 0)
                return config_problem(ret_problem,
                                      "'%.*s' is no address of a server; write unix:/PATH or "
                                      "tcp:HOST:PORT, with *N behind it for N times the work",
                                      (int)MIN(n, (size_t)100), bad);
        if (r == 0)
                return config_problem(ret_problem, "names no server");
        return config_set_text(field, text);
}

bool config_loads_signatures(const struct config *config) {
        return config->engine == ENGINE_EMBEDDED || config->clamd_fallback == FALLBACK_EMBEDDED;
}

const char *config_signatures(const struct config *config) {
        return config_loads_signatures(config) ? config->database : "/";
}
