/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Values that only [hub] has: socket, networks, patterns, the id of a key. Each stays the text that it
 * was, and is read again by its user. Owns no state.
 */

#include "daemon/config-private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "store/network.h"

#define KEY_ID_MAX 32

static bool is_port(const char *text) {
        unsigned port = 0;
        size_t i = 0;

        for (; isdigit((unsigned char)text[i]) && port <= 65535; i++)
                port = port * 10 + (unsigned)(text[i] - '0');
        return !text[i] && port > 0 && port <= 65535;
}

/* libmilter would ask a resolver for a name, and listen everywhere without an address. */
static bool inet_for_milter(const char *text, char ret[static CONFIG_SOCKET_MAX]) {
        bool six = text[0] == '[';
        const char *end = six ? strchr(text, ']') : strchr(text, ':'), *port;
        char address[INET6_ADDRSTRLEN];
        uint8_t bytes[16];
        size_t n;

        if (!end)
                return false;
        text += six;
        n = (size_t)(end - text);
        port = end + six;
        if (n >= sizeof(address) || *port != ':' || !is_port(port + 1))
                return false;
        memcpy(address, text, n);
        address[n] = '\0';
        if (inet_pton(six ? AF_INET6 : AF_INET, address, bytes) != 1)
                return false;
        (void)snprintf(ret, CONFIG_SOCKET_MAX, "inet%s:%s@%s", six ? "6" : "", port + 1, address);
        return true;
}

int config_hub_socket(const char *text, char ret[static CONFIG_SOCKET_MAX]) {
        const char *inet = startswith(text, "inet:"), *path = startswith(text, "unix:");
        struct sockaddr_un un;

        if (path && strlen(path) >= sizeof(un.sun_path))
                return -ENAMETOOLONG;
        if (path && path[0] == '/')
                (void)snprintf(ret, CONFIG_SOCKET_MAX, "unix:%s", path);
        else if (!inet || !inet_for_milter(inet, ret))
                return -EINVAL;
        return 0;
}

int config_parse_socket(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]) {
        char ready[CONFIG_SOCKET_MAX];
        int r = config_hub_socket(text, ready);

        if (r == -ENAMETOOLONG)
                return config_problem(ret_problem, "path is too long; %zu characters are the most",
                                      sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
        if (r < 0)
                return config_problem(ret_problem,
                                      "'%s' is no socket; write inet:ADDRESS:PORT (as "
                                      "inet:127.0.0.1:8893 or inet:[::1]:8893) or unix:/PATH",
                                      text);
        return config_set_text(field, text);
}

int config_parse_networks(const struct config_key *key, const char *text, void *field,
                          char ret_problem[static CONFIG_PROBLEM_MAX]) {
        struct networks networks;
        const char *bad;
        size_t n;
        int r = networks_parse(text, &networks, &bad, &n);

        if (r == -E2BIG)
                return config_problem(ret_problem, "more than %d networks; join some of them",
                                      NETWORKS_MAX);
        if (r < 0)
                return config_problem(ret_problem,
                                      "'%.*s' is no network; write ADDRESS or ADDRESS/BITS (as "
                                      "192.0.2.0/24), with no bit set behind the first BITS",
                                      (int)MIN(n, (size_t)64), bad);
        return config_set_text(field, text);
}

int config_parse_patterns(const struct config_key *key, const char *text, void *field,
                          char ret_problem[static CONFIG_PROBLEM_MAX]) {
        for (const char *p = text; *p; p++)
                if (*p == ',' || *p == '"' || *p == '\'' ||
                    (iscntrl((unsigned char)*p) && *p != '\t'))
                        return config_problem(ret_problem,
                                              "'%s' is no list of patterns; write them with blanks "
                                              "between and without quotes (as *.exe *.js)",
                                              text);
        return config_set_text(field, text);
}

int config_parse_key_id(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]) {
        size_t n = 0;

        while (isalnum((unsigned char)text[n]) || (n > 0 && text[n] && strchr("_-.", text[n])))
                n++;
        if (n == 0 || text[n] || n > KEY_ID_MAX)
                return config_problem(ret_problem,
                                      "'%s' can't be a key's id; write at most %d of A-Z a-z 0-9 _ "
                                      "- . that begin with a letter or digit",
                                      text, KEY_ID_MAX);
        return config_set_text(field, text);
}
