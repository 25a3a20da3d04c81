/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Content that has cost two workers before, which this one is spared; and, in a second attempt, what the
 * gate has to know of content before anything is done with it. Parses nothing.
 */

#include "daemon/proto.h"
#include "daemon/worker/engine.h"
#include "daemon/worker/tell.h"

struct spare {
        const struct poison_view *view; /* shared with the gate, which may write to it */
        const struct proto_job *job;
        tell_send_fn send;
        void *userdata;
};

/* Before the content, which is at this offset of the file, is taken apart. 1: it is not to be, and
 * ret says so; 0: it may be; -EIO. */
int spare_begin(const struct spare *spare, uint64_t offset, const void *data, uint64_t size,
                struct scan *ret);
