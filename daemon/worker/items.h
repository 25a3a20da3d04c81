/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The walk over a file of many items: reads it through its fd, or finds it in a bay of the slot, judges
 * those that are wanted, tells of all. Bounded memory: that of the largest item.
 */

#include "daemon/worker/message.h"
#include "daemon/worker/spare.h"
#include "daemon/worker/tell.h"

/* Does a job with many, whose content is in fd or, if that is negative, in bay. What could not be judged
 * as an item is told as UNKNOWN or UNSCANNABLE; when the walk itself cannot go on, ret says why: UNKNOWN.
 * Else it is CLEAN, which says nothing of the items. Whether that was told with the last of them. */
bool items_walk(struct judge *judge, const struct proto_job *job, int fd, const uint8_t *bay,
                const struct spare *spare, struct teller *teller, struct scan *ret);
