/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the syntax of addresses; opens and looks up nothing. */

#include "daemon/clamd/address.h"

#include <ctype.h>
#include <string.h>
#include <sys/un.h>

#include "store/util.h"

#define BLANKS " \t"

/* A number of at most max, without leading zeros. */
static int parse_number(const char *text, unsigned max, unsigned *ret) {
        unsigned value = 0;

        if (text[0] < '1' || text[0] > '9')
                return -EINVAL;
        for (const char *p = text; *p; p++) {
                if (*p < '0' || *p > '9')
                        return -EINVAL;
                value = value * 10 + (unsigned)(*p - '0');
                if (value > max)
                        return -EINVAL;
        }
        *ret = value;
        return 0;
}

static bool is_host(const char *text) {
        for (const char *p = text; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("-.:_%", *p))
                        return false;
        return text[0] != '\0';
}

static int parse_tcp(char *text, struct clamd_address *a) {
        char *colon = strrchr(text, ':');
        size_t n;
        unsigned port;

        if (!colon || strlen(colon + 1) >= sizeof(a->port) ||
            parse_number(colon + 1, 65535, &port) < 0)
                return -EINVAL;
        strcpy(a->port, colon + 1);
        *colon = '\0';
        n = strlen(text);
        if (text[0] == '[' && n > 2 && text[n - 1] == ']') {
                text[n - 1] = '\0';
                text++;
        } else if (strchr(text, ':'))
                return -EINVAL;
        if (!is_host(text))
                return -EINVAL;
        strcpy(a->host, text);
        return 0;
}

static int parse_unix(const char *text, struct clamd_address *a) {
        if (text[0] != '/' || strlen(text) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
                return -EINVAL;
        a->local = true;
        strcpy(a->host, text);
        return 0;
}

int clamd_address_parse(const char *word, size_t n, struct clamd_address *ret) {
        struct clamd_address a = { .weight = 1 };
        char text[CLAMD_WORD_MAX] = {}, *star;
        const char *rest;

        if (n >= sizeof(text))
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                /* What people write between words or around them is none. */
                if (word[i] <= ' ' || word[i] > '~' || strchr(",;\"'", word[i]))
                        return -EINVAL;
                text[i] = word[i];
        }
        text[n] = '\0';
        star = strrchr(text, '*');
        if (star) {
                if (parse_number(star + 1, CLAMD_WEIGHT_MAX, &a.weight) < 0)
                        return -EINVAL;
                *star = '\0';
                /* What is left would mean another weight when it is read again. */
                if (strchr(text, '*'))
                        return -EINVAL;
        }
        strcpy(a.text, text);
        if ((rest = startswith(text, "unix:"))) {
                if (parse_unix(rest, &a) < 0)
                        return -EINVAL;
        } else if (!startswith(text, "tcp:") || parse_tcp(text + 4, &a) < 0)
                return -EINVAL;
        *ret = a;
        return 0;
}

int clamd_addresses_parse(const char *text, struct clamd_address ret[static CLAMD_SERVERS_MAX],
                          const char **ret_bad, size_t *ret_n) {
        int found = 0;

        for (const char *p = text + strspn(text, BLANKS); *p; p += strspn(p, BLANKS)) {
                size_t n = strcspn(p, BLANKS);

                *ret_bad = p;
                *ret_n = n;
                if (found == CLAMD_SERVERS_MAX)
                        return -E2BIG;
                if (clamd_address_parse(p, n, &ret[found]) < 0)
                        return -EINVAL;
                found++;
                p += n;
        }
        return found;
}

bool clamd_address_is_here(const struct clamd_address *a) {
        return a->local || streq(a->host, "localhost") || streq(a->host, "::1") ||
               startswith(a->host, "127.");
}
