/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing: the list is the gate's, and who is told is the caller's business. */

#include "daemon/worker/spare.h"

static int announce(const struct spare *spare, uint64_t offset, const void *data, uint64_t size) {
        union proto_message message;

        proto_init(&message, PROTO_CONTENT);
        message.content.id = spare->job->id;
        message.content.offset = offset;
        message.content.size = size;
        if (digest_buffer(data, (size_t)size, message.content.digest) < 0)
                return -EIO;
        spare->send(spare->userdata, &message);
        return 0;
}

int spare_begin(const struct spare *spare, uint64_t offset, const void *data, uint64_t size,
                struct scan *ret) {
        int r;

        if (!spare->job->spare || size == 0)
                return 0;
        r = poison_matches(spare->view, data, (size_t)size);
        if (r > 0)
                scan_set(ret, VERDICT_UNKNOWN, REASON_POISON,
                         "it has cost two workers before; see 'storescanctl poison list'");
        if (r == 0 && spare->job->announce)
                r = announce(spare, offset, data, size);
        return r;
}
