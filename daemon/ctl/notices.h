/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who was told of quarantined mail, until which item and when, so that an owner is told of each item
 * once and has at most one mail a day. Pure: a strict text, and questions about it.
 *
 *     storescan-notices 1
 *     1000 1795470147232000 ID      owner's uid, time of the mail, last item told of
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/util.h"

#define NOTICES_ID_SIZE     65 /* with the NUL */
#define NOTICES_PERIOD_USEC (UINT64_C(24) * 3600 * USEC_PER_SEC)

struct notices_owner {
        uid_t uid;
        uint64_t time_usec;       /* 0: never told */
        char id[NOTICES_ID_SIZE]; /* "": of none */
};

struct notices {
        struct notices_owner *owners; /* by uid */
        size_t n_owners;
};

/* Reads the text. -EINVAL, with *ret_line set: not such a text; -ENOMEM. */
int notices_parse(const char *text, size_t size, struct notices *ret, unsigned *ret_line);
void notices_done(struct notices *notices);
DEFINE_CLEANUP(struct notices *, notices_done);

/* A new string; NULL on no memory. */
char *notices_format(const struct notices *notices, size_t *ret_size);

/* The owner's record, a new one if need be; NULL on no memory. Valid until the next call. */
struct notices_owner *notices_owner(struct notices *notices, uid_t uid);

/* Whether a mail may be sent now. After the clock was set back, not before it is where it was. */
bool notices_may_send(const struct notices_owner *owner, uint64_t now_usec);

/* Whether the owner was not yet told of the item id; ids are ordered by time. */
bool notices_is_new(const struct notices_owner *owner, const char *id);
