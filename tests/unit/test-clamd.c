/* SPDX-License-Identifier: Apache-2.0 */

/* What clamd servers are called and say: only what they are known to say is understood. */

#include <stdio.h>

#include "daemon/clamd/address.h"
#include "daemon/clamd/answer.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static int parse(const char *text, struct clamd_reply *ret) {
        return clamd_reply_parse(text, strlen(text), ret);
}

START_TEST(answers) {
        static const struct {
                const char *text, *name;
                uint32_t id;
                enum clamd_answer answer;
        } good[] = {
                { "1: fd[12]: OK", "", 1, CLAMD_OK },
                { "4294967295: stream: OK", "", UINT32_MAX, CLAMD_OK },
                { "2: fd[0]: Eicar-Test-Signature FOUND", "Eicar-Test-Signature", 2, CLAMD_FOUND },
                { "2: stream: OK FOUND", "OK", 2, CLAMD_FOUND },
                { "3: fd[9]: A(0123:68) FOUND", "A(0123:68)", 3, CLAMD_FOUND },
                { "7: fd[9]: Can't open file or directory ERROR", "Can't open file or directory", 7,
                  CLAMD_ERROR },
                { "8: No file descriptor received. ERROR", "No file descriptor received.", 8,
                  CLAMD_ERROR },
                { "9: INSTREAM size limit exceeded. ERROR", "INSTREAM size limit exceeded. ERROR",
                  9, CLAMD_TOO_LARGE },
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                struct clamd_reply reply;

                ck_assert_msg(parse(good[i].text, &reply) == 0, "%s", good[i].text);
                ck_assert_int_eq(reply.answer, good[i].answer);
                ck_assert_uint_eq(reply.id, good[i].id);
                ck_assert_str_eq(reply.name, good[i].name);
        }
}
END_TEST

START_TEST(nonsense) {
        static const char *const bad[] = {
                "",
                "OK",
                "1",
                "1:",
                "1: ",
                "1: OK",
                "0: fd[1]: OK",
                "01: fd[1]: OK",
                "-1: fd[1]: OK",
                "+1: fd[1]: OK",
                " 1: fd[1]: OK",
                "1 : fd[1]: OK",
                "4294967296: fd[1]: OK",
                "99999999999999999999999: fd[1]: OK",
                "1: fd[1]: OK ",
                "1: fd[1]:  OK",
                "1: fd[1]: ok",
                "1: fd[1]: OKAY",
                "1: fd[1]: NOT OK",
                "1: fd[]: OK",
                "1: fd[x]: OK",
                "1: fd[1] OK",
                "1: /tmp/a: OK",
                "1: stream: ",
                "1: fd[1]:  FOUND",
                "1: fd[1]: FOUND",
                "1: fd[1]: two words FOUND",
                "1: fd[1]: Eicar FOUND ",
                "1: fd[1]: Eicar FOUND\n",
                "1: fd[1]: Eic\001ar FOUND",
                "1: fd[1]: Eic\xc3\xa4r FOUND",
                "1: PONG",
                "1: UNKNOWN COMMAND",
                "COMMAND READ TIMED OUT",
                "1: ClamAV",
                "1: ClamAV ",
                "1: ClamAV x",
                "1: ClamAV 1.4.6/",
                "1: ClamAV 1.4.6/x/Mon",
                "1: ClamAV 1.4.6/27500",
                "1: ClamAV 1.4.6/27500/",
                "1: ClamAV 1.4.6 /27500/Mon",
                "1: ClamAV 1.4.6/99999999999/Mon",
                "1: ClamAV 1.4.6123456789012345678901234567890/1/Mon",
        };
        char longest[4096], name[CLAMD_NAME_MAX + 64];
        struct clamd_reply reply = { .id = 4711 };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(parse(bad[i], &reply) == -EBADMSG, "%s", bad[i]);
        memset(longest, 'a', sizeof(longest));
        ck_assert_int_eq(clamd_reply_parse(longest, sizeof(longest), &reply), -EBADMSG);
        memcpy(longest, "1: fd[1]: ", 10);
        memcpy(longest + sizeof(longest) - 6, " FOUND", 6);
        ck_assert_int_eq(clamd_reply_parse(longest, sizeof(longest), &reply), -EBADMSG);
        ck_assert_int_eq(clamd_reply_parse("1: fd[1]: O\0K", 13, &reply), -EBADMSG);
        ck_assert_int_eq(clamd_reply_parse("1: fd[1]: OK\0", 13, &reply), -EBADMSG);
        snprintf(name, sizeof(name), "1: fd[1]: %0*d FOUND", CLAMD_NAME_MAX, 1);
        ck_assert_int_eq(parse(name, &reply), -EBADMSG);
        ck_assert_uint_eq(reply.id, 4711); /* untouched */
}
END_TEST

static struct clamd_version version(const char *text) {
        struct clamd_reply reply;

        ck_assert_msg(parse(text, &reply) == 0, "%s", text);
        ck_assert_int_eq(reply.answer, CLAMD_VERSION);
        return reply.version;
}

START_TEST(versions) {
        struct clamd_version own = version("1: ClamAV 1.4.6"),
                             old = version("1: ClamAV 1.4.6/27500/Mon Nov  2 10:00:00 2026"),
                             next = version("1: ClamAV 1.4.6/27501/Tue Nov  3 10:00:00 2026"),
                             engine = version("1: ClamAV 1.4.10/27501/Tue Nov  3 10:00:00 2026");

        ck_assert_str_eq(old.engine, "1.4.6");
        ck_assert_uint_eq(old.database, 27500);
        ck_assert_uint_eq(own.database, 0);
        ck_assert_int_lt(clamd_version_compare(&own, &old), 0);
        ck_assert_int_lt(clamd_version_compare(&old, &next), 0);
        ck_assert_int_gt(clamd_version_compare(&next, &old), 0);
        ck_assert_int_lt(clamd_version_compare(&next, &engine), 0);
        ck_assert_int_lt(clamd_version_compare(&old, &engine), 0);
        ck_assert_int_eq(clamd_version_compare(&engine, &engine), 0);
}
END_TEST

START_TEST(addresses) {
        static const struct {
                const char *text, *host, *port;
                bool local, here;
                unsigned weight;
        } good[] = {
                { "unix:/run/clamav/clamd.ctl", "/run/clamav/clamd.ctl", "", true, true, 1 },
                { "unix:/a*12", "/a", "", true, true, 12 },
                { "tcp:127.0.0.1:3310", "127.0.0.1", "3310", false, true, 1 },
                { "tcp:localhost:1", "localhost", "1", false, true, 1 },
                { "tcp:scan-1.example.org:3310*100", "scan-1.example.org", "3310", false, false,
                  100 },
                { "tcp:[::1]:3310", "::1", "3310", false, true, 1 },
                { "tcp:[2001:db8::1]:65535*2", "2001:db8::1", "65535", false, false, 2 },
        };
        static const char *const bad[] = {
                "",           "unix:",        "unix:a",         "unix:/a*0",     "unix:/a*101",
                "unix:/a*x",  "unix:/a*",     "/run/clamd.ctl", "tcp:",          "tcp:a",
                "tcp:a:",     "tcp::3310",    "tcp:a:0",        "tcp:a:65536",   "tcp:a:03310",
                "tcp:a:33 1", "tcp:a b:3310", "tcp:::1:3310",   "tcp:[::1:3310", "tcp:[]:3310",
                "udp:a:3310", "tcp:a/b:3310", "UNIX:/a",        "tcp:a:3310*-1", "tcp:a:3310:",
                "unix:/a,",   "\"unix:/a\"",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                struct clamd_address a;

                ck_assert_msg(clamd_address_parse(good[i].text, strlen(good[i].text), &a) == 0,
                              "%s", good[i].text);
                ck_assert_str_eq(a.host, good[i].host);
                ck_assert_str_eq(a.port, good[i].port);
                ck_assert_uint_eq(a.weight, good[i].weight);
                ck_assert_int_eq(a.local, good[i].local);
                ck_assert_int_eq(clamd_address_is_here(&a), good[i].here);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct clamd_address a;

                ck_assert_msg(clamd_address_parse(bad[i], strlen(bad[i]), &a) == -EINVAL, "%s",
                              bad[i]);
        }
}
END_TEST

START_TEST(lists) {
        struct clamd_address a[CLAMD_SERVERS_MAX];
        char many[512] = "";
        const char *bad;
        size_t n;

        ck_assert_int_eq(clamd_addresses_parse("", a, &bad, &n), 0);
        ck_assert_int_eq(clamd_addresses_parse(" \t", a, &bad, &n), 0);
        ck_assert_int_eq(clamd_addresses_parse(" unix:/a\ttcp:b:1*2 ", a, &bad, &n), 2);
        ck_assert_str_eq(a[1].text, "tcp:b:1");
        ck_assert_uint_eq(a[1].weight, 2);
        ck_assert_int_eq(clamd_addresses_parse("unix:/a what unix:/b", a, &bad, &n), -EINVAL);
        ck_assert_uint_eq(n, 4);
        ck_assert(startswith(bad, "what "));
        for (size_t i = 0; i < CLAMD_SERVERS_MAX; i++)
                strcat(many, "unix:/a ");
        ck_assert_int_eq(clamd_addresses_parse(many, a, &bad, &n), CLAMD_SERVERS_MAX);
        strcat(many, "unix:/b");
        ck_assert_int_eq(clamd_addresses_parse(many, a, &bad, &n), -E2BIG);
}
END_TEST

UNIT_MAIN("clamd", answers, nonsense, versions, addresses, lists);
