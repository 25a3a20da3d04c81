/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The hub's keys at work: stamps that it makes, and those of other hubs that it believes. On the ring
 * thread alone: a key is for one thread at a time. */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/keys.h"
#include "daemon/proto.h"

/* A foreign stamp counts for a day, and with signatures that are not older than ours. */
#define STAMPING_MAX_AGE (UINT64_C(24) * 3600)

struct stamping {
        struct keys *keys;
        struct hub_key *key; /* of keys; NULL: nothing is stamped */
};

/* Reads the keys. 0; negative errno, which is told in errors. */
int stamping_open(const struct config *config, FILE *errors, struct stamping *ret);
void stamping_close(struct stamping *stamping);

/* Whether there is any key by which a stamp can be believed. */
bool stamping_believes(const struct stamping *stamping);

/* Judges the stamps that a worker found; database: the version of our signatures. */
enum hub_check stamping_judge(const struct stamping *stamping, const struct hub_content *content,
                              uint32_t database);

/* The value of a header line that says of a clean message what cover covers. 0 or negative errno. */
int stamping_sign(const struct stamping *stamping, const struct proto_cover *cover,
                  uint32_t database, char ret_text[static HUB_TEXT_MAX]);
