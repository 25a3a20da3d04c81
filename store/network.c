/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the reading and comparing of networks; asks no resolver, so that names are refused. */

#include "store/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "store/util.h"

#define WORD_MAX 64

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* Digits and nothing else, up to max. */
static int parse_bits(const char *text, unsigned max, unsigned *ret) {
        unsigned bits = 0;
        size_t n = 0;

        for (; text[n] >= '0' && text[n] <= '9'; n++) {
                bits = bits * 10 + (unsigned)(text[n] - '0');
                if (bits > max)
                        return -EINVAL;
        }
        if (n == 0 || text[n])
                return -EINVAL;
        *ret = bits;
        return 0;
}

static bool bit_is_set(const uint8_t *address, unsigned bit) {
        return address[bit / 8] & (0x80U >> bit % 8);
}

static int parse_one(const char *word, size_t size, struct network *ret) {
        struct network network = { .bits = 128 };
        char text[WORD_MAX], *slash;
        unsigned bits;

        if (size >= sizeof(text))
                return -EINVAL;
        memcpy(text, word, size);
        text[size] = '\0';
        slash = strchr(text, '/');
        if (slash)
                *slash++ = '\0';

        if (inet_pton(AF_INET6, text, network.address) == 1) {
                if (slash && parse_bits(slash, 128, &network.bits) < 0)
                        return -EINVAL;
        } else if (inet_pton(AF_INET, text, network.address + 12) == 1) {
                memcpy(network.address, mapped, sizeof(mapped));
                if (slash && parse_bits(slash, 32, &bits) < 0)
                        return -EINVAL;
                if (slash)
                        network.bits = 96 + bits;
        } else
                return -EINVAL;

        for (unsigned i = network.bits; i < 128; i++)
                if (bit_is_set(network.address, i))
                        return -EINVAL;
        *ret = network;
        return 0;
}

int networks_parse(const char *text, struct networks *ret, const char **ret_bad, size_t *ret_size) {
        struct networks networks = {};

        for (const char *p = text + strspn(text, " \t"); !streq(text, "none") && *p;) {
                size_t n = strcspn(p, " \t");

                if (networks.n == NETWORKS_MAX)
                        return -E2BIG;
                if (parse_one(p, n, &networks.all[networks.n]) < 0) {
                        *ret_bad = p;
                        *ret_size = n;
                        return -EINVAL;
                }
                networks.n++;
                p += n;
                p += strspn(p, " \t");
        }
        *ret = networks;
        return 0;
}

static bool is_in(const struct network *network, const uint8_t *address) {
        unsigned whole = network->bits / 8, rest = network->bits % 8;
        uint8_t mask = (uint8_t)(0xff00U >> rest);

        return memcmp(network->address, address, whole) == 0 &&
               (rest == 0 || ((network->address[whole] ^ address[whole]) & mask) == 0);
}

bool networks_have(const struct networks *networks, const struct sockaddr *address) {
        uint8_t bytes[16];

        if (!address)
                return false;
        if (address->sa_family == AF_INET6) {
                struct sockaddr_in6 in6;

                memcpy(&in6, address, sizeof(in6));
                memcpy(bytes, &in6.sin6_addr, sizeof(bytes));
        } else if (address->sa_family == AF_INET) {
                struct sockaddr_in in;

                memcpy(&in, address, sizeof(in));
                memcpy(bytes, mapped, sizeof(mapped));
                memcpy(bytes + 12, &in.sin_addr, 4);
        } else
                return false;
        for (size_t i = 0; i < networks->n; i++)
                if (is_in(&networks->all[i], bytes))
                        return true;
        return false;
}
