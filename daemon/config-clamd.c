/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The addresses of clamd servers, which stay one text, and what follows from having an engine of other
 * processes. Owns no state.
 */

#include "daemon/config-private.h"

#include <sched.h>

#include "daemon/clamd/address.h"

#define WORKERS_EACH_SERVER 24

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

/* Two workers a CPU keep it busy while others wait for content, and one more for a large mail. */
static unsigned workers_by_cpus(void) {
        cpu_set_t set;

        /* Fails only for more CPUs than cpu_set_t holds: far beyond the maximum. */
        if (sched_getaffinity(0, sizeof(set), &set) < 0)
                return WORKERS_MAX;
        return MIN(2 * (unsigned)CPU_COUNT(&set) + 1, (unsigned)WORKERS_MAX);
}

/* Those that wait for a server need no CPU: half of them for scans, and half for the proof behind these. When
 * they may have to scan themselves they are no more than that takes. */
void config_resolve_workers(struct config *config) {
        struct clamd_address addresses[CLAMD_SERVERS_MAX];
        const char *bad;
        size_t n_bad;
        int n = 0;

        if (config->workers > 0)
                return;
        if (!config_loads_signatures(config))
                n = clamd_addresses_parse(config->clamd, addresses, &bad, &n_bad);
        config->workers = MAX(workers_by_cpus(), MIN((unsigned)MAX(n, 0) * WORKERS_EACH_SERVER,
                                                     (unsigned)WORKERS_MAX));
}
