/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where clamd servers are, as [scanner] clamd has it: words with blanks between, unix:/PATH or
 * tcp:HOST:PORT (an IPv6 address in brackets), each with *N behind it for a server that is to get N
 * times the work of one without. Pure.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define CLAMD_SERVERS_MAX 16
#define CLAMD_WEIGHT_MAX  100
#define CLAMD_TEXT_MAX    2048 /* of all of them */
#define CLAMD_WORD_MAX    280

struct clamd_address {
        char text[CLAMD_WORD_MAX]; /* without the weight */
        bool local;
        char host[CLAMD_WORD_MAX]; /* or the path of the socket */
        char port[6];              /* "" of a socket */
        unsigned weight;
};

/* Reads one word of n bytes. 0 or -EINVAL. */
int clamd_address_parse(const char *word, size_t n, struct clamd_address *ret);

/* Reads all of them: their number; -EINVAL, and the word that is none in *ret_bad (of *ret_n bytes);
 * -E2BIG: there are more. */
int clamd_addresses_parse(const char *text, struct clamd_address ret[static CLAMD_SERVERS_MAX],
                          const char **ret_bad, size_t *ret_n);

/* Whether nothing but this machine can be meant. */
bool clamd_address_is_here(const struct clamd_address *address);
