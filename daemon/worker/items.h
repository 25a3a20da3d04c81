/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The walk over a file of many items: reads it through its fd, judges those that are wanted, tells
 * of all. Bounded memory: that of the largest item.
 */

#include "daemon/worker/message.h"
#include "daemon/worker/spare.h"
#include "daemon/worker/tell.h"

/* Does a job with many. What could not be judged as an item is told as UNKNOWN or UNSCANNABLE;
 * when the walk itself cannot go on, ret says why: UNKNOWN. Else it is CLEAN, which says nothing
 * of the items. */
void items_walk(struct judge *judge, const struct proto_job *job, int fd, const struct spare *spare,
                struct teller *teller, struct scan *ret);
