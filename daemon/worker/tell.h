/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the gate is told of the items of a job, in their order: dull ones by the dozen, but not so
 * late that a reader of the first waits for the last.
 */

#include "daemon/proto.h"

typedef void (*tell_send_fn)(void *userdata, const union proto_message *message);

struct teller {
        tell_send_fn send; /* does not return when nobody wants to know any more */
        void *userdata;
        uint64_t id;         /* of the job */
        uint64_t since_usec; /* when the first of them was put here */
        union proto_message pending;
};

void teller_init(struct teller *teller, uint64_t id, tell_send_fn send, void *userdata);

/* Tells of a row that was passed over. */
void tell_passed(struct teller *teller, uint64_t offset, uint64_t size, bool last);

/* Tells of one item that is clean or cached. */
void tell_dull(struct teller *teller, const struct proto_span *span);

/* Tells of any other. */
void tell_item(struct teller *teller, const struct proto_span *span, const char *signature,
               const struct context *context);

/* Tells of one that has stamps. */
void tell_claim(struct teller *teller, const struct proto_span *span,
                const struct hub_content *hub);

/* Before something that takes long: sends what has waited for a while. */
void tell_overdue(struct teller *teller);
/* Sends all. */
void tell_flush(struct teller *teller);
/* Sends all, and that the job is through. False: there was nothing to send; a RESULT has to say so. */
bool tell_through(struct teller *teller);
