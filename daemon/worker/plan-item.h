/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The item that a plan is for: where it is, what of it is the message, and how it is judged, so that a
 * planned item is looked at in the very way in which its next reader will have it looked at.
 */

#include "daemon/worker/content.h"
#include "daemon/worker/message.h"
#include "store/reader.h"

struct plan_item {
        const struct proto_job *job;
        uint64_t offset, size;  /* in the file, as asked for */
        struct item item;       /* of a file of many */
        bool too_large;         /* it was not read */
        struct content content; /* the item, and what its Content-Length claims beyond it */
        /* The message, in content; size 0: there is none that could be overwritten. */
        size_t message_at, message_size;
};

/* 1: the item was read; 0: there is no such item (any more); or negative errno. */
int plan_item_read(struct judge *judge, const struct proto_job *job, int fd, struct plan_item *ret);
void plan_item_release(struct plan_item *it);

/* Judges content.size bytes at data in the item's place. ret: zero. */
void plan_item_judge(struct judge *judge, const struct plan_item *it, const uint8_t *data,
                     struct judgement *ret);

/* Whether the file would still have the same items with data there: 1, 0, or -ENOMEM. */
int plan_item_fits(const struct plan_item *it, const uint8_t *data);
