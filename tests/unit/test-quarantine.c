/* SPDX-License-Identifier: Apache-2.0 */

/* Records of quarantine and their one text; ids that can be names of files. */

#include <stdio.h>
#include <string.h>

#include "store/quarantine.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static struct quarantine sample(void) {
        struct quarantine q = {
                .state = QUARANTINE_REPLACED,
                .store = "mail",
                .format = "mbox",
                .path = "/srv/mail/a\nb\\c\xff/mbox",
                .dev = 2049,
                .ino = UINT64_MAX,
                .offset = 5000000000,
                .size = 1234,
                .signature = "Win.Test.EICAR_HDB-1",
                .generation = { .id = "foobar" },
                .uid = 1000,
                .gid = UINT32_MAX,
                .mode = 0100600,
                .time_usec = 1795470147232000,
                .context = { .message_id = "<a@b>", .subject = "\xc3\xa9 \\ x" },
        };

        memset(q.original, 0xab, sizeof(q.original));
        memset(q.replaced, 0x01, sizeof(q.replaced));
        return q;
}

static size_t write_text(const struct quarantine *q, char text[static QUARANTINE_TEXT_MAX]) {
        int n = quarantine_format(q, text);

        ck_assert_int_gt(n, 0);
        ck_assert_uint_eq(strlen(text), (size_t)n);
        return (size_t)n;
}

START_TEST(test_there_and_back) {
        struct quarantine q = sample(), again;
        char text[QUARANTINE_TEXT_MAX], second[QUARANTINE_TEXT_MAX];
        unsigned line;
        size_t n = write_text(&q, text);

        ck_assert(strstr(text, "\nstate: replaced\nstore: mail\n"));
        ck_assert(strstr(text, "\npath: /srv/mail/a\\x0ab\\x5cc\\xff/mbox\n"));
        ck_assert(strstr(text, "\nopaque: 0\n"));
        ck_assert_int_eq(quarantine_parse(text, n, &again, &line), 0);
        ck_assert_str_eq(again.path, q.path);
        ck_assert_str_eq(again.context.subject, q.context.subject);
        ck_assert_uint_eq(again.ino, q.ino);
        ck_assert_uint_eq(again.gid, q.gid);
        ck_assert_uint_eq(write_text(&again, second), n);
        ck_assert_str_eq(text, second);
}
END_TEST

/* Each line in turn is taken out, doubled, and ended too early: the mistake is told where it is. */
START_TEST(test_lines) {
        struct quarantine q = sample(), ret;
        char text[QUARANTINE_TEXT_MAX], bad[QUARANTINE_TEXT_MAX];
        size_t n = write_text(&q, text);
        unsigned line, number = 1;

        for (char *p = text; p < text + n; number++) {
                char *eol = strchr(p, '\n') + 1;
                size_t before = (size_t)(p - text), length = (size_t)(eol - p);

                memcpy(bad, text, before);
                memcpy(bad + before, eol, n - before - length);
                ck_assert_int_eq(quarantine_parse(bad, n - length, &ret, &line), -EINVAL);
                ck_assert_uint_eq(line, number);

                memcpy(bad, text, before + length);
                memcpy(bad + before + length, p, n - before);
                ck_assert_int_eq(quarantine_parse(bad, n + length, &ret, &line), -EINVAL);
                ck_assert_uint_eq(line, number + 1);

                ck_assert_int_eq(quarantine_parse(text, before + length - 1, &ret, &line), -EINVAL);
                ck_assert_uint_eq(line, number);
                p = eol;
        }
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *from, *to;
        } changes[] = {
                { "state: replaced", "state: replaces" },
                { "device: 2049", "device: 02049" },
                { "size: 1234", "size: -1" },
                { "opaque: 0", "opaque: 2" },
                { "size: 1234", "size: " },
                { "uid: 1000", "uid: 4294967296" },
                { "inode: 18446744073709551615", "inode: 18446744073709551616" },
                { "\\x0a", "\\x0A" },
                { "\\x0a", "\\x00" },
                { "\\x0a", "\\x41" },
                { "\\x0a", "\\n" },
                { "original: ab", "original: AB" },
                { "store: mail", "store: ma\til" },
        };
        struct quarantine q = sample(), ret;
        char text[QUARANTINE_TEXT_MAX], bad[QUARANTINE_TEXT_MAX];
        unsigned line;

        (void)write_text(&q, text);
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                const char *at = strstr(text, changes[i].from);
                int n;

                ck_assert_msg(at, "%s", changes[i].from);
                n = snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - text), text, changes[i].to,
                             at + strlen(changes[i].from));
                ck_assert_msg(quarantine_parse(bad, (size_t)n, &ret, &line) == -EINVAL, "%s",
                              changes[i].to);
        }
        q.state = _QUARANTINE_STATE_MAX;
        ck_assert_int_eq(quarantine_format(&q, text), -EINVAL);
}
END_TEST

/* The longest texts, of bytes that take most room. */
START_TEST(test_room) {
        struct quarantine q = sample(), again;
        char text[QUARANTINE_TEXT_MAX];
        unsigned line;

        memset(q.path, '\xff', sizeof(q.path) - 1);
        memset(q.signature, '\x01', sizeof(q.signature) - 1);
        memset(q.context.subject, '\x80', sizeof(q.context.subject) - 1);
        memset(q.context.from, '\x80', sizeof(q.context.from) - 1);
        memset(q.context.message_id, '\x80', sizeof(q.context.message_id) - 1);
        ck_assert_int_eq(quarantine_parse(text, write_text(&q, text), &again, &line), 0);
        ck_assert_str_eq(again.path, q.path);
}
END_TEST

START_TEST(test_ids) {
        char id[QUARANTINE_ID_SIZE], later[QUARANTINE_ID_SIZE];

        quarantine_id(1795470147232000, 7, id);
        quarantine_id(1795470147232001, 6, later);
        ck_assert_int_lt(strcmp(id, later), 0);
        ck_assert(quarantine_id_valid(id));
        ck_assert(!quarantine_id_valid("../../etc/passwd"));
        ck_assert(!quarantine_id_valid(""));
        id[3] = '/';
        ck_assert(!quarantine_id_valid(id));
        id[3] = 'A';
        ck_assert(!quarantine_id_valid(id));
}
END_TEST

UNIT_MAIN("quarantine", test_there_and_back, test_lines, test_refused, test_room, test_ids);
