/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the message that is being filled. Must not judge. */

#include "daemon/worker/tell.h"

#include <string.h>

#include "daemon/worker/trust.h"
#include "store/util.h"

#define WAIT_USEC (20 * USEC_PER_MSEC)

void teller_init(struct teller *teller, uint64_t id, tell_send_fn send, void *userdata) {
        teller->send = send;
        teller->userdata = userdata;
        teller->id = id;
        proto_init(&teller->pending, PROTO_ITEMS);
}

void tell_flush(struct teller *teller) {
        if (teller->pending.items.n == 0)
                return;
        teller->pending.items.id = teller->id;
        teller->send(teller->userdata, &teller->pending);
        proto_init(&teller->pending, PROTO_ITEMS);
}

bool tell_through(struct teller *teller) {
        bool told = teller->pending.items.n > 0;

        teller->pending.items.through = told;
        tell_flush(teller);
        return told;
}

void tell_overdue(struct teller *teller) {
        if (teller->pending.items.n > 0 && trust_now_usec() - teller->since_usec >= WAIT_USEC)
                tell_flush(teller);
}

void tell_dull(struct teller *teller, const struct proto_span *span) {
        struct proto_items *items = &teller->pending.items;

        if (items->n == 0)
                teller->since_usec = trust_now_usec();
        items->spans[items->n++] = *span;
        if (items->n == PROTO_SPANS_MAX)
                tell_flush(teller);
        else
                tell_overdue(teller);
}

void tell_passed(struct teller *teller, uint64_t offset, uint64_t size, bool last) {
        struct proto_items *items = &teller->pending.items;
        struct proto_span *row = items->n > 0 ? &items->spans[items->n - 1] : NULL;

        if (row && row->how == ITEM_PASSED) {
                row->size += size;
                row->last = last;
                tell_overdue(teller);
        } else
                tell_dull(teller, &(struct proto_span){ .offset = offset,
                                                        .size = size,
                                                        .how = ITEM_PASSED,
                                                        .last = last });
}

void tell_claim(struct teller *teller, const struct proto_span *span,
                const struct hub_content *hub) {
        union proto_message message;

        tell_flush(teller);
        proto_init(&message, PROTO_ITEM);
        message.item.id = teller->id;
        message.item.span = *span;
        message.item.hub = *hub;
        teller->send(teller->userdata, &message);
}

void tell_item(struct teller *teller, const struct proto_span *span, const char *signature,
               const struct context *context) {
        union proto_message message;

        tell_flush(teller);
        proto_init(&message, PROTO_ITEM);
        message.item.id = teller->id;
        message.item.span = *span;
        proto_text(message.item.signature, sizeof(message.item.signature), signature);
        message.item.context = *context;
        teller->send(teller->userdata, &message);
}
