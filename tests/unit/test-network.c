/* SPDX-License-Identifier: Apache-2.0 */

/* Networks: what is one, what is in one, and which mistakes are told. */

#include "store/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "store/util.h"
#include "tests/unit/unit.h"

static bool has(const struct networks *networks, const char *address) {
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
        struct sockaddr_in in = { .sin_family = AF_INET };

        if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
                return networks_have(networks, (const struct sockaddr *)&in);
        ck_assert_int_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
        return networks_have(networks, (const struct sockaddr *)&in6);
}

static struct networks parse(const char *text) {
        struct networks networks;
        const char *bad = NULL;
        size_t size = 0;

        ck_assert_int_eq(networks_parse(text, &networks, &bad, &size), 0);
        return networks;
}

START_TEST(test_in) {
        struct networks n = parse("127.0.0.0/8  192.0.2.128/25 10.1.2.3\t::1 2001:db8::/33");

        ck_assert_uint_eq(n.n, 5);
        ck_assert(has(&n, "127.0.0.1"));
        ck_assert(has(&n, "127.255.255.255"));
        ck_assert(!has(&n, "128.0.0.1"));
        ck_assert(!has(&n, "126.255.255.255"));
        ck_assert(has(&n, "192.0.2.128"));
        ck_assert(has(&n, "192.0.2.255"));
        ck_assert(!has(&n, "192.0.2.127"));
        ck_assert(has(&n, "10.1.2.3"));
        ck_assert(!has(&n, "10.1.2.2"));
        ck_assert(has(&n, "::1"));
        ck_assert(!has(&n, "::2"));
        ck_assert(has(&n, "2001:db8:7fff::1"));
        ck_assert(!has(&n, "2001:db8:8000::1"));
        /* The same client, as a socket of both families sees it. */
        ck_assert(has(&n, "::ffff:10.1.2.3"));
        ck_assert(!has(&n, "::ffff:10.1.2.4"));
}
END_TEST

START_TEST(test_ends) {
        struct networks all = parse("0.0.0.0/0"), none = parse("none"), six = parse("::/0");
        struct sockaddr local = { .sa_family = AF_UNIX };

        ck_assert(has(&all, "255.255.255.255"));
        ck_assert(!has(&all, "2001:db8::1"));
        ck_assert(has(&six, "2001:db8::1"));
        ck_assert(has(&six, "192.0.2.1"));
        ck_assert_uint_eq(none.n, 0);
        ck_assert(!has(&none, "127.0.0.1"));
        ck_assert(!networks_have(&six, NULL));
        ck_assert(!networks_have(&six, &local));
}
END_TEST

START_TEST(test_mistakes) {
        static const char *const wrong[] = {
                "localhost",
                "10.0.0.0/33",
                "10.0.0.0/",
                "10.0.0.0/-1",
                "10.0.0.0/8x",
                "10.0.0.1/8",
                "2001:db8::/129",
                "2001:db8::1/64",
                "10.0.0",
                "10.0.0.0/8/8",
                "10.0.0.0/4294967304",
                "/8",
                "1111111111111111111111111111111111111111111111111111111111111111111111111111",
        };
        char text[256];

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                struct networks networks = { .n = 7 };
                const char *bad = NULL;
                size_t size = 0;

                (void)snprintf(text, sizeof(text), "127.0.0.0/8 %s ::1", wrong[i]);
                ck_assert_int_eq(networks_parse(text, &networks, &bad, &size), -EINVAL);
                ck_assert_ptr_eq(bad, text + strlen("127.0.0.0/8 "));
                ck_assert_uint_eq(size, strlen(wrong[i]));
                ck_assert_uint_eq(networks.n, 7);
        }
}
END_TEST

START_TEST(test_many) {
        char text[(NETWORKS_MAX + 1) * 4 + 1];
        struct networks networks;
        const char *bad;
        size_t size;

        for (size_t i = 0; i <= NETWORKS_MAX; i++)
                memcpy(text + i * 4, "::1 ", 5);
        ck_assert_int_eq(networks_parse(text, &networks, &bad, &size), -E2BIG);
        text[NETWORKS_MAX * 4] = '\0';
        ck_assert_int_eq(networks_parse(text, &networks, &bad, &size), 0);
        ck_assert_uint_eq(networks.n, NETWORKS_MAX);
}
END_TEST

UNIT_MAIN("network", test_in, test_ends, test_mistakes, test_many);
