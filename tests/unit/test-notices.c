/* SPDX-License-Identifier: Apache-2.0 */

/* Who was told of what is in quarantine, and the mail that tells it. */

#include <stdio.h>
#include <string.h>

#include "daemon/ctl/letter.h"
#include "daemon/ctl/notices.h"
#include "tests/unit/unit.h"

#define TITLE "storescan-notices 1\n"
#define NOW   UINT64_C(1795470147232000)

static int parse(const char *text, struct notices *ret, unsigned *ret_line) {
        *ret = (struct notices){};
        return notices_parse(text, strlen(text), ret, ret_line);
}

START_TEST(round_trip) {
        static const char text[] = TITLE "0 1 a\n1000 1795470147232000 20261123-abc_D.e\n"
                                         "4294967294 18446744073709551615 z\n";
        _cleanup_free_ char *again = NULL;
        struct notices notices;
        unsigned line;
        size_t size;

        ck_assert_int_eq(parse(text, &notices, &line), 0);
        ck_assert_uint_eq(notices.n_owners, 3);
        ck_assert_uint_eq(notices.owners[1].uid, 1000);
        ck_assert_uint_eq(notices.owners[1].time_usec, NOW);
        ck_assert_str_eq(notices.owners[1].id, "20261123-abc_D.e");
        again = notices_format(&notices, &size);
        ck_assert_ptr_nonnull(again);
        ck_assert_uint_eq(size, strlen(text));
        ck_assert_str_eq(again, text);
        notices_done(&notices);
}
END_TEST

START_TEST(mistakes) {
        static const struct {
                const char *text;
                unsigned line;
        } cases[] = {
                { "", 1 },
                { "storescan-notices 2\n", 1 },
                { "storescan-notices 1", 1 },
                { TITLE "\n", 2 },
                { TITLE "1 1 a", 2 },
                { TITLE "1 1 \n", 2 },
                { TITLE "1 0 a\n", 2 },
                { TITLE "01 1 a\n", 2 },
                { TITLE "-1 1 a\n", 2 },
                { TITLE "1  1 a\n", 2 },
                { TITLE "1 1 a b\n", 2 },
                { TITLE "1 1 a/b\n", 2 },
                { TITLE "4294967295 1 a\n", 2 },
                { TITLE "1 18446744073709551616 a\n", 2 },
                { TITLE "2 1 a\n1 1 a\n", 3 },
                { TITLE "1 1 a\n1 2 b\n", 3 },
        };
        char many[256];
        struct notices notices;
        unsigned line;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                line = 0;
                ck_assert_msg(parse(cases[i].text, &notices, &line) == -EINVAL, "accepted: %s",
                              cases[i].text);
                ck_assert_uint_eq(line, cases[i].line);
                ck_assert_ptr_null(notices.owners);
        }
        ck_assert_int_eq(
                notices_parse(TITLE "1 1 a\0b\n", sizeof(TITLE "1 1 a\0b\n") - 1, &notices, &line),
                -EINVAL);
        (void)snprintf(many, sizeof(many), TITLE "1 1 %065d\n", 0);
        ck_assert_int_eq(parse(many, &notices, &line), -EINVAL);
        (void)snprintf(many, sizeof(many), TITLE "1 1 %064d\n", 0);
        ck_assert_int_eq(parse(many, &notices, &line), 0);
        notices_done(&notices);
}
END_TEST

START_TEST(once_a_day_and_once_each) {
        _cleanup_free_ char *text = NULL;
        struct notices notices = {};
        struct notices_owner *owner;
        size_t size;

        owner = notices_owner(&notices, 1000);
        ck_assert_ptr_nonnull(owner);
        ck_assert(notices_may_send(owner, NOW));
        ck_assert(notices_is_new(owner, "1"));
        owner->time_usec = NOW;
        strcpy(owner->id, "20");

        ck_assert(!notices_may_send(owner, NOW));
        ck_assert(!notices_may_send(owner, NOW + NOTICES_PERIOD_USEC - 1));
        ck_assert(notices_may_send(owner, NOW + NOTICES_PERIOD_USEC));
        ck_assert(!notices_may_send(owner, NOW - NOTICES_PERIOD_USEC));
        ck_assert(!notices_is_new(owner, "19"));
        ck_assert(!notices_is_new(owner, "20"));
        ck_assert(notices_is_new(owner, "21"));

        /* Sorted, found again; who was told of nothing is not written. */
        ck_assert_ptr_nonnull(notices_owner(&notices, 2000));
        ck_assert_uint_eq(notices_owner(&notices, 5)->uid, 5);
        ck_assert_str_eq(notices_owner(&notices, 1000)->id, "20");
        ck_assert_uint_eq(notices.n_owners, 3);
        text = notices_format(&notices, &size);
        ck_assert_str_eq(text, TITLE "1000 1795470147232000 20\n");
        notices_done(&notices);
}
END_TEST

static void expect_mail(const char *text) {
        const char *body = strstr(text, "\n\n");

        ck_assert_ptr_nonnull(body);
        for (const char *c = text; c < body; c++)
                ck_assert(*c == '\n' || (*c >= ' ' && *c <= '~'));
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                ck_assert_uint_le(strcspn(line, "\n"), 998);
                ck_assert(strcspn(line, "\r\x1b") >= strcspn(line, "\n"));
        }
}

START_TEST(letter) {
        const struct letter_item items[] = {
                { NOW, "Alice <alice@example.org>", "Caf\xc3\xa9", "Eicar", "id-1" },
                { NOW, "\x1b[2J\nBcc: x@example.org", "a\r\n.\r\n", "", "id-2" },
        };
        _cleanup_free_ char *text = NULL;
        size_t size;

        text = letter_write("bob", "mail.example.org", items, 2, &size);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_eq(size, strlen(text));
        expect_mail(text);
        ck_assert_ptr_eq(
                strstr(text, "To: bob\nSubject: Infected content was removed from 2 messages\n"),
                text);
        ck_assert_ptr_nonnull(strstr(text, "\nAuto-Submitted: auto-generated\n"));
        ck_assert_ptr_nonnull(
                strstr(text, "  Subject   Caf\xc3\xa9\n  Malware   Eicar\n  Id        id-1\n"));
        ck_assert_ptr_nonnull(strstr(text, "  Malware   -\n"));
        ck_assert_ptr_nonnull(strstr(text, "\n-- \nstorescan on mail.example.org\n"));
        ck_assert_ptr_null(strstr(text, "\nBcc"));
        ck_assert_ptr_null(strstr(text, "\n.\n"));
}
END_TEST

START_TEST(letter_of_many) {
        struct letter_item items[LETTER_ITEMS_MAX + 7];
        char line[4000];
        _cleanup_free_ char *text = NULL;
        size_t size, n = 0;

        memset(line, 'x', sizeof(line) - 1);
        line[sizeof(line) - 1] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                items[i] = (struct letter_item){ NOW, line, line, line, "id" };
        text = letter_write("b\xc3\xb6\n", "host", items, ELEMENTSOF(items), &size);
        ck_assert_ptr_nonnull(text);
        expect_mail(text);
        for (const char *p = text; (p = strstr(p, "  Id ")); p++)
                n++;
        ck_assert_uint_eq(n, LETTER_ITEMS_MAX);
        ck_assert_ptr_nonnull(strstr(text, "\nAnd 7 more.\n"));
}
END_TEST

UNIT_MAIN("notices", round_trip, mistakes, once_a_day_and_once_each, letter, letter_of_many);
