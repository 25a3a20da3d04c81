/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the lanes; must not know what the items are. */

#include "daemon/queue.h"

void queue_init(struct queue *queue) {
        queue->next_number = 0;
        TAILQ_INIT(&queue->waiting);
        TAILQ_INIT(&queue->spare);
        for (size_t i = 0; i < QUEUE_LANES; i++) {
                queue->lanes[i].n = 0;
                TAILQ_INIT(&queue->lanes[i].items);
                TAILQ_INSERT_TAIL(&queue->spare, &queue->lanes[i], link);
        }
        queue->low.n = 0;
        TAILQ_INIT(&queue->low.items);
}

static struct queue_lane *find_lane(struct queue *queue, uid_t uid) {
        struct queue_lane *lane;

        TAILQ_FOREACH(lane, &queue->waiting, link)
        if (lane->uid == uid)
                return lane;
        return NULL;
}

/* The lane of a user, waiting from now on. A new one has its turn behind all others. */
static struct queue_lane *open_lane(struct queue *queue, uid_t uid, bool first) {
        struct queue_lane *lane = find_lane(queue, uid);

        if (!lane && !(lane = TAILQ_FIRST(&queue->spare)))
                return &queue->lanes[uid % QUEUE_LANES];
        if (lane->n == 0) {
                lane->uid = uid;
                TAILQ_REMOVE(&queue->spare, lane, link);
                TAILQ_INSERT_TAIL(&queue->waiting, lane, link);
        }
        if (first) {
                TAILQ_REMOVE(&queue->waiting, lane, link);
                TAILQ_INSERT_HEAD(&queue->waiting, lane, link);
        }
        return lane;
}

static void insert(struct queue_lane *lane, struct queue_item *item, bool first) {
        if (first)
                TAILQ_INSERT_HEAD(&lane->items, item, link);
        else
                TAILQ_INSERT_TAIL(&lane->items, item, link);
        item->lane = lane;
        lane->n++;
}

void queue_put(struct queue *queue, struct queue_item *item, uid_t uid, bool first) {
        item->number = queue->next_number++;
        insert(open_lane(queue, uid, first), item, first);
}

void queue_put_low(struct queue *queue, struct queue_item *item, bool first) {
        item->number = queue->next_number++;
        insert(&queue->low, item, first);
}

static void unlink_item(struct queue *queue, struct queue_item *item) {
        struct queue_lane *lane = item->lane;

        TAILQ_REMOVE(&lane->items, item, link);
        item->lane = NULL;
        if (--lane->n > 0 || lane == &queue->low)
                return;
        TAILQ_REMOVE(&queue->waiting, lane, link);
        TAILQ_INSERT_HEAD(&queue->spare, lane, link);
}

void queue_remove(struct queue *queue, struct queue_item *item) {
        unlink_item(queue, item);
}

/* Whether fewer than n items are before this one in its lane. Costs no more steps than n. */
static bool has_place_before(const struct queue_item *item, size_t n) {
        for (size_t i = 0; i < n; i++) {
                item = TAILQ_PREV(item, queue_items, link);
                if (!item)
                        return true;
        }
        return false;
}

void queue_share(struct queue *queue, struct queue_item *item, uid_t uid) {
        struct queue_lane *lane = find_lane(queue, uid);
        uint64_t number = item->number;

        if (item->lane == lane || item->lane == &queue->low ||
            has_place_before(item, lane ? lane->n + 1 : 1))
                return;
        unlink_item(queue, item);
        queue_put(queue, item, uid, false);
        item->number = number;
}

bool queue_urgent(const struct queue *queue) {
        return !TAILQ_EMPTY(&queue->waiting);
}

bool queue_empty(const struct queue *queue) {
        return TAILQ_EMPTY(&queue->waiting) && queue->low.n == 0;
}

struct queue_item *queue_next(struct queue *queue) {
        const struct queue_lane *lane = TAILQ_FIRST(&queue->waiting);

        return TAILQ_FIRST(lane ? &lane->items : &queue->low.items);
}

static bool has_older(const struct queue *queue, uint64_t number) {
        const struct queue_lane *lane;

        TAILQ_FOREACH(lane, &queue->waiting, link)
        if (TAILQ_FIRST(&lane->items)->number < number)
                return true;
        return false;
}

struct queue_item *queue_take(struct queue *queue, bool *ret_passed) {
        struct queue_lane *lane = TAILQ_FIRST(&queue->waiting);
        struct queue_item *item = queue_next(queue);

        *ret_passed = false;
        if (!item)
                return NULL;
        if (lane) {
                *ret_passed = has_older(queue, item->number);
                /* Behind the others, who have theirs now; gone if this was its last. */
                TAILQ_REMOVE(&queue->waiting, lane, link);
                TAILQ_INSERT_TAIL(&queue->waiting, lane, link);
        }
        unlink_item(queue, item);
        return item;
}

void queue_count(const struct queue *queue, unsigned *ret_urgent, unsigned *ret_low) {
        unsigned urgent = 0;

        for (size_t i = 0; i < QUEUE_LANES; i++)
                urgent += (unsigned)queue->lanes[i].n;
        *ret_urgent = urgent;
        *ret_low = (unsigned)queue->low.n;
}
