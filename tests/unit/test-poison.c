/* SPDX-License-Identifier: Apache-2.0 */

/* Contents that cost workers: text, table, and what workers make of it. */

#include <stdio.h>

#include "store/poison.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static const struct generation one = { .id = "first" }, other = { .id = "other" };

static struct poison make(const struct generation *generation, unsigned n) {
        struct poison p = {
                .generation = *generation,
                .size = 100 + n,
                .time_sec = 1795470147,
                .reason = n % 2 ? REASON_HANG : REASON_CRASH,
                .copied = n % 3 == 0,
        };

        p.digest[0] = (uint8_t)n;
        p.digest[DIGEST_SIZE - 1] = 0xfe;
        return p;
}

static void add(struct poison_list *list, const struct generation *generation, unsigned n) {
        const struct poison p = make(generation, n);

        poison_add(list, &p);
}

START_TEST(test_add) {
        struct poison_list list = {};

        for (unsigned n = 0; n < POISON_MAX + 3; n++)
                add(&list, &one, n);
        ck_assert_uint_eq(list.n, POISON_MAX);
        ck_assert_uint_eq(list.all[0].digest[0], 3);
        add(&list, &one, 3); /* known: as new */
        ck_assert_uint_eq(list.n, POISON_MAX);
        ck_assert_uint_eq(list.all[0].digest[0], 4);
        ck_assert_uint_eq(list.all[POISON_MAX - 1].digest[0], 3);
}
END_TEST

START_TEST(test_forget) {
        struct poison_list list = {};

        add(&list, &one, 1);
        add(&list, &other, 2);
        add(&list, &one, 3);
        ck_assert(poison_forget_others(&list, &one));
        ck_assert_uint_eq(list.n, 2);
        ck_assert(!poison_forget_others(&list, &one));
        ck_assert(poison_forget_others(&list, &other));
        ck_assert_uint_eq(list.n, 0);
}
END_TEST

START_TEST(test_text) {
        struct poison_list list = {}, read = {};
        char text[POISON_TEXT_MAX], again[POISON_TEXT_MAX];
        size_t size;

        for (unsigned n = 0; n < POISON_MAX; n++)
                add(&list, &one, n);
        size = poison_format(&list, "0.1", text);
        ck_assert_int_eq(poison_parse(text, size, "0.1", &read), 0);
        ck_assert_uint_eq(read.n, POISON_MAX);
        ck_assert_uint_eq(poison_format(&read, "0.1", again), size);
        ck_assert_mem_eq(text, again, size);
        /* Another version may cope. */
        ck_assert_int_eq(poison_parse(text, size, "0.2", &read), -EPROTONOSUPPORT);
        ck_assert_int_eq(poison_parse(text, size, "0.10", &read), -EPROTONOSUPPORT);
}
END_TEST

START_TEST(test_damaged) {
        struct poison_list list = {};
        char text[POISON_TEXT_MAX];
        size_t size, head = strlen("storescan-poison 1 0.1\n");

        ck_assert_int_eq(poison_parse("", 0, "0.1", &list), -EINVAL);
        add(&list, &one, 1);
        size = poison_format(&list, "0.1", text);
        for (size_t n = 0; n < size; n++)
                ck_assert_int_eq(poison_parse(text, n, "0.1", &list), n == head ? 0 : -EINVAL);
        for (size_t n = head; n < size; n++) {
                char damaged[POISON_TEXT_MAX];

                memcpy(damaged, text, size);
                damaged[n] = '\0';
                ck_assert_int_eq(poison_parse(damaged, size, "0.1", &list), -EINVAL);
        }
}
END_TEST

START_TEST(test_view) {
        static const char text[] = "a message", same_size[] = "A message";
        struct poison p = make(&one, 0);
        struct poison_list list = {};
        struct poison_view view;

        p.size = strlen(text);
        ck_assert_int_eq(digest_buffer(text, strlen(text), p.digest), 0);
        poison_add(&list, &p);
        add(&list, &other, 5);
        poison_make_view(&list, &one, &view);
        ck_assert_uint_eq(view.n, 1);
        ck_assert_int_eq(poison_matches(&view, text, strlen(text)), 1);
        ck_assert_int_eq(poison_matches(&view, same_size, strlen(text)), 0);
        ck_assert_int_eq(poison_matches(&view, text, strlen(text) - 1), 0);
        /* What another engine failed at this one has not met. */
        poison_make_view(&list, &other, &view);
        ck_assert_int_eq(poison_matches(&view, text, strlen(text)), 0);
        /* Whatever is in the memory, nothing beyond it is looked at. */
        view.n = UINT32_MAX;
        ck_assert_int_eq(poison_matches(&view, text, strlen(text)), 0);
}
END_TEST

UNIT_MAIN("poison", test_add, test_forget, test_text, test_damaged, test_view);
