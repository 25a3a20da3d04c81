/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between the milter's threads, one for each connection of the mail server, and the ring thread with
 * the workers' pool: messages go over, judgements come back, and nobody waits longer than agreed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/hub/stamping.h"
#include "daemon/pool.h"
#include "daemon/ring.h"

struct handover;

/* What is known of a message. */
struct judgement {
        struct pool_result result;
        bool unwanted; /* an attachment fits a rule */
        struct proto_attachment attachment;
        bool honoured; /* another hub vouches for it: nothing was scanned, and it is clean */
        char stamp[HUB_TEXT_MAX]; /* of what is clean; "": none could be made */
};

/* Called while a milter's thread waits, every few seconds: the mail server is to have patience. */
typedef void (*handover_tick_fn)(void *userdata);

/* On the ring thread. 0 or negative errno. */
int handover_new(struct ring *ring, struct handover **ret);

/* From now on messages are judged; what came before waits. attachments: there are rules for them, so
 * that no other hub's word takes the place of a scan. stamping must live as long. */
void handover_start(struct handover *handover, struct pool *pool, bool attachments,
                    const struct stamping *stamping);

/* What comes later is refused, with REASON_SHUTDOWN. What the pool has is the pool's to end. */
void handover_end(struct handover *handover);

/* How many milter's threads wait. */
unsigned handover_waiting(struct handover *handover);

/* After handover_end() and pool_free(), when no thread of the milter can call any more. */
struct handover *handover_free(struct handover *handover);

/* On a thread of the milter: takes fd, with size bytes of a message that nobody changes any more,
 * and sleeps until it is judged; trusted: by another hub's stamp, if it has one that is good. UNKNOWN with REASON_TIMEOUT after timeout_usec, and whenever there
 * is no judgement, with the reason. */
void handover_judge(struct handover *handover, int fd, uint64_t size, bool trusted,
                    uint64_t timeout_usec, handover_tick_fn tick, void *userdata,
                    struct judgement *ret);
