/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Looks whether the port of a clamd on this machine can be reached from elsewhere: clamd obeys whoever connects.
 * Reads /proc/net; asks nobody, so that it is not known whether it is clamd that listens there.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clamd/address.h"
#include "daemon/ctl/doctor.h"

#define CLAMD_PORT   3310
#define STATE_LISTEN 0x0a

/* An address as /proc/net has it: words of 32 bits as they are in memory, 8 hexadecimal digits each. */
static bool read_address(const char *hex, struct in6_addr *ret) {
        size_t n = strlen(hex) / 8;

        if ((n != 1 && n != 4) || strlen(hex) % 8 != 0)
                return false;
        /* One of IPv4 as IPv6 maps it. */
        *ret = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
        for (size_t i = 0; i < n; i++) {
                char word[9] = {};
                uint32_t value;

                memcpy(word, hex + 8 * i, 8);
                value = (uint32_t)strtoul(word, NULL, 16);
                memcpy(ret->s6_addr + (n == 1 ? 12 : 4 * i), &value, sizeof(value));
        }
        return true;
}

static bool is_loopback(const struct in6_addr *a) {
        return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

/* Whether something listens on that port of an address that others can reach. */
static bool is_open(const char *path, unsigned port, char *text, socklen_t size) {
        char line[512], hex[40];
        unsigned at, state;
        struct in6_addr a;
        FILE *f = fopen(path, "re");
        bool found = false;

        while (f && !found && fgets(line, sizeof(line), f)) {
                if (sscanf(line, "%*s %36[0-9A-F]:%4x %*s %2x", hex, &at, &state) != 3 ||
                    at != port || state != STATE_LISTEN || !read_address(hex, &a) ||
                    is_loopback(&a))
                        continue;
                found = IN6_IS_ADDR_V4MAPPED(&a) ? inet_ntop(AF_INET, a.s6_addr + 12, text, size)
                                                 : inet_ntop(AF_INET6, &a, text, size);
        }
        if (f)
                (void)fclose(f);
        return found;
}

static void look_at_port(struct doctor *doctor, unsigned port) {
        char text[INET6_ADDRSTRLEN];

        if (is_open("/proc/net/tcp", port, text, sizeof(text)) ||
            is_open("/proc/net/tcp6", port, text, sizeof(text)))
                doctor_say(
                        doctor, FINDING_WARNING, "clamd-port",
                        "Set TCPAddr 127.0.0.1 in clamd.conf, or no TCPSocket; from elsewhere go "
                        "there by stunnel, see CLAMD SERVERS in storescan.conf(5).",
                        "port %u, clamd's, listens on %s: whoever can reach it can use it, and "
                        "end it",
                        port, text);
}

void doctor_look_at_ports(struct doctor *doctor, const struct config *config) {
        struct clamd_address addresses[CLAMD_SERVERS_MAX];
        const char *bad;
        size_t n_bad;
        int n = config->engine == ENGINE_CLAMD
                        ? clamd_addresses_parse(config->clamd, addresses, &bad, &n_bad)
                        : 0;

        look_at_port(doctor, CLAMD_PORT);
        for (int i = 0; i < n; i++) {
                unsigned port = (unsigned)strtoul(addresses[i].port, NULL, 10);

                if (!addresses[i].local && clamd_address_is_here(&addresses[i]) &&
                    port != CLAMD_PORT)
                        look_at_port(doctor, port);
        }
}
