/* SPDX-License-Identifier: Apache-2.0 */

/* Whose turn it is: users take turns, what is awaited goes before what is not, nobody is forgotten. */

#include "daemon/queue.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define ALICE 1000
#define BOB   1001
#define CAROL 1002

static struct queue queue;
static struct queue_item items[1000];

static struct queue_item *put(size_t n, uid_t uid) {
        queue_put(&queue, &items[n], uid, false);
        return &items[n];
}

/* The number of the item whose turn it is. */
static size_t take(bool *ret_passed) {
        bool passed;
        const struct queue_item *next = queue_next(&queue), *item = queue_take(&queue, &passed);

        ck_assert_ptr_nonnull(item);
        ck_assert_ptr_eq(item, next);
        ck_assert_ptr_null(item->lane);
        if (ret_passed)
                *ret_passed = passed;
        return (size_t)(item - items);
}

static void expect(size_t n) {
        ck_assert_uint_eq(take(NULL), n);
}

START_TEST(test_fifo) {
        queue_init(&queue);
        ck_assert(queue_empty(&queue) && !queue_urgent(&queue));
        ck_assert_ptr_null(queue_next(&queue));
        for (size_t i = 0; i < 100; i++)
                put(i, ALICE);
        for (size_t i = 0; i < 100; i++) {
                bool passed;

                ck_assert_uint_eq(take(&passed), i);
                ck_assert(!passed);
        }
        ck_assert(queue_empty(&queue));
}
END_TEST

START_TEST(test_low_comes_last) {
        queue_init(&queue);
        queue_put_low(&queue, &items[0], false);
        queue_put_low(&queue, &items[1], false);
        ck_assert(!queue_urgent(&queue) && !queue_empty(&queue));
        put(2, ALICE);
        put(3, BOB);
        queue_put_low(&queue, &items[4], true);
        ck_assert(queue_urgent(&queue));
        expect(2);
        expect(3);
        expect(4);
        expect(0);
        expect(1);
        ck_assert(queue_empty(&queue));
}
END_TEST

/* One with two hundred, another one comes: it has its turn after one of them at most. */
START_TEST(test_flood) {
        bool passed;

        queue_init(&queue);
        for (size_t i = 0; i < 200; i++)
                put(i, ALICE);
        expect(0);
        put(200, BOB);
        expect(1);
        ck_assert_uint_eq(take(&passed), 200);
        ck_assert(passed);
        ck_assert_uint_eq(take(&passed), 2);
        ck_assert(!passed);
}
END_TEST

START_TEST(test_turns) {
        queue_init(&queue);
        put(0, ALICE);
        put(1, ALICE);
        put(2, ALICE);
        put(3, BOB);
        put(4, BOB);
        put(5, CAROL);
        expect(0);
        expect(3);
        expect(5);
        put(6, CAROL); /* who has just had a turn is behind the others */
        expect(1);
        expect(4);
        expect(6);
        expect(2);
        ck_assert(queue_empty(&queue));
}
END_TEST

/* What lost its worker goes on at once. */
START_TEST(test_first) {
        queue_init(&queue);
        put(0, ALICE);
        put(1, BOB);
        put(2, CAROL);
        queue_put(&queue, &items[3], CAROL, true);
        expect(3);
        expect(0);
        expect(1);
        expect(2);
}
END_TEST

/* A second user who waits for the same gets it at his own turn, if that is sooner. */
START_TEST(test_share) {
        queue_init(&queue);
        for (size_t i = 0; i < 50; i++)
                put(i, ALICE);
        put(50, BOB);
        queue_share(&queue, &items[0], BOB); /* it is the first anyway */
        queue_share(&queue, &items[40], BOB);
        queue_share(&queue, &items[40], BOB);
        queue_share(&queue, &items[41], ALICE);
        expect(0);
        expect(50);
        expect(1);
        expect(40);
        for (size_t i = 2; i < 50; i++)
                if (i != 40)
                        expect(i);
        ck_assert(queue_empty(&queue));

        queue_put_low(&queue, &items[0], false);
        queue_share(&queue, &items[0], BOB); /* is nobody's to move */
        ck_assert(!queue_urgent(&queue));
}
END_TEST

START_TEST(test_remove) {
        queue_init(&queue);
        put(0, ALICE);
        put(1, ALICE);
        put(2, BOB);
        queue_put_low(&queue, &items[3], false);
        queue_remove(&queue, &items[0]);
        queue_remove(&queue, &items[2]);
        queue_remove(&queue, &items[3]);
        expect(1);
        ck_assert(queue_empty(&queue));
}
END_TEST

/* More users than lanes: each still gets its turn, and in a bounded time. */
START_TEST(test_many_users) {
        size_t seen[ELEMENTSOF(items)] = {};

        queue_init(&queue);
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                put(i, (uid_t)i);
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                seen[take(NULL)]++;
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                ck_assert_uint_eq(seen[i], 1);
        ck_assert(queue_empty(&queue));
        put(0, ALICE);
        put(1, BOB);
        expect(0);
        expect(1);
}
END_TEST

UNIT_MAIN("queue", test_fifo, test_low_comes_last, test_flood, test_turns, test_first, test_share,
          test_remove, test_many_users);
