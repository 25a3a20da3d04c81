/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Networks by address and prefix (RFC 4632, 4291), and whether an address is in one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NETWORKS_MAX 64

struct network {
        uint8_t address[16]; /* IPv4 as IPv4-mapped IPv6 */
        unsigned bits;       /* of these: 0 to 128 */
};

struct networks {
        struct network all[NETWORKS_MAX];
        size_t n;
};

/* Reads "ADDRESS[/BITS] ..." of size characters, with blanks between; "none" is no network. Bits
 * behind the prefix must be zero, so that a mistyped prefix is noticed. 0; -EINVAL, with the place
 * of the word that is wrong in *ret_bad and its size in *ret_size; -E2BIG: too many. */
int networks_parse(const char *text, struct networks *ret, const char **ret_bad, size_t *ret_size);

/* Whether the address is in one of the networks. Anything but IPv4 and IPv6, and NULL: no. */
bool networks_have(const struct networks *networks, const struct sockaddr *address);
