/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The order in which jobs get their turn: those that somebody waits for before those that nobody
 * does. Of the first each user has a lane of its own, first come first served; the lanes take turns, so
 * that a user with a thousand opens delays each other user by one of them at a time, not by all.
 *
 * Pure: links what its owner embeds, allocates nothing, asks nobody.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

/* More users than these at once share lanes. */
#define QUEUE_LANES 256

struct queue_lane;

/* Embedded in what waits. Zeroed: does not wait. */
struct queue_item {
        TAILQ_ENTRY(queue_item) link;
        struct queue_lane *lane; /* NULL: it does not wait */
        uint64_t number;         /* by arrival */
};

struct queue_lane {
        TAILQ_ENTRY(queue_lane) link;
        uid_t uid;
        size_t n;
        TAILQ_HEAD(queue_items, queue_item) items;
};

struct queue {
        struct queue_lane lanes[QUEUE_LANES], low;
        TAILQ_HEAD(, queue_lane) waiting, spare;
        uint64_t next_number;
};

void queue_init(struct queue *queue);

/* Puts an item into the lane of a user, or among those that nobody waits for. Comes back first: what
 * had its turn already and lost it by no fault of its own. */
void queue_put(struct queue *queue, struct queue_item *item, uid_t uid, bool first);
void queue_put_low(struct queue *queue, struct queue_item *item, bool first);

/* A second user waits for an item that waits in another one's lane: it moves to the lane where it gets
 * its turn sooner. */
void queue_share(struct queue *queue, struct queue_item *item, uid_t uid);

/* Takes away an item that waits. */
void queue_remove(struct queue *queue, struct queue_item *item);

/* Whether anything waits; whether anybody does. */
bool queue_empty(const struct queue *queue);
bool queue_urgent(const struct queue *queue);

/* How many wait that somebody waits for, and that nobody does. */
void queue_count(const struct queue *queue, unsigned *ret_urgent, unsigned *ret_low);

/* Whose turn it is; NULL: nothing waits. */
struct queue_item *queue_next(struct queue *queue);

/* Takes what queue_next() says. *ret_passed: an older item of another user waits on. */
struct queue_item *queue_take(struct queue *queue, bool *ret_passed);
