/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The keys of stamps in headers (hub-stamp.h): files in a folder, whose names are the keys' ids, and
 * systemd credentials named "storescan-key.ID" (see systemd.exec(5)). Several at once, so that keys
 * can be changed one host at a time. Read once, at start: a store's gate must not read files later.
 */

#include <stdio.h>

#include "store/hub-content.h"
#include "store/hub-key.h"

#define KEYS_DIRECTORY  STORESCAN_CONFDIR "/keys"
#define KEYS_CREDENTIAL "storescan-key."
#define KEYS_MAX        64

struct keys;

/* Reads all keys. A folder that is not there holds none; credentials: the folder of credentials, or
 * NULL. Every file that is no key, can be read or written by others who should not, or has an id
 * that is there already is told in errors, as one line with the fix. 0; -EINVAL after such; other
 * negative errno (told as well). */
int keys_load(const char *folder, const char *credentials, FILE *errors, struct keys **ret);
struct keys *keys_free(struct keys *keys);
DEFINE_CLEANUP(struct keys *, keys_free);

size_t keys_count(const struct keys *keys);
struct hub_key *keys_get(const struct keys *keys, size_t index);
/* NULL: none of this id. */
struct hub_key *keys_find(const struct keys *keys, const char *id);

/* Judges the stamps of a message, each for itself: GOOD if one is, which *ret_index then is;
 * otherwise the check that the first one failed. (Those of each are judged again by keys_judge_one().)
 * now: seconds since 1970. */
enum hub_check keys_judge(const struct keys *keys, const struct hub_content *content,
                          const struct hub_policy *policy, uint64_t now, size_t *ret_index);
enum hub_check keys_judge_one(const struct keys *keys, const struct hub_content *content,
                              size_t index, const struct hub_policy *policy, uint64_t now);

/* Makes a file for a key, durably, mode 0600, and the folder if it is missing. 0; negative errno,
 * which is told in errors with the fix (-EEXIST: the id is taken). */
int keys_save(const char *folder, const struct hub_key *key, FILE *errors);
