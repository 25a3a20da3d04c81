/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keys that sign stamps in headers, and the signatures. A store that holds none but public Ed25519
 * keys can't forge the stamps that it believes; whoever has an HMAC key can both sign and verify.
 *
 * A key's file is one line, "storescan-key KIND BASE64URL" and an end of line; its name is its id.
 */

#include "store/hub-stamp.h"
#include "store/util.h"

#define HUB_SECRET_SIZE  32
#define HUB_KEY_TEXT_MAX 96 /* of a file, and a NUL */

enum hub_key_kind {
        HUB_KEY_HMAC,
        HUB_KEY_ED25519_PRIVATE,
        HUB_KEY_ED25519_PUBLIC,
        _HUB_KEY_KIND_MAX
};

/* "hmac-sha256", "ed25519-private", "ed25519-public"; NULL when out of range. */
const char *hub_key_kind_name(enum hub_key_kind kind);

/* One thread at a time. */
struct hub_key;

/* From the 32 bytes of a secret or public key. 0; -ENOMEM; -EINVAL; -EIO: libcrypto refused. */
int hub_key_new(const char *id, enum hub_key_kind kind, const uint8_t bytes[static HUB_SECRET_SIZE],
                struct hub_key **ret);
struct hub_key *hub_key_free(struct hub_key *key);
DEFINE_CLEANUP(struct hub_key *, hub_key_free);

/* A new one of random bytes. kind: not PUBLIC. */
int hub_key_generate(const char *id, enum hub_key_kind kind, struct hub_key **ret);

/* From the content of a file. -EINVAL: not that of a key. */
int hub_key_read(const char *id, const char *text, size_t size, struct hub_key **ret);

/* The content of a file: its length. public: of the public half of an Ed25519 key; -EINVAL: there is
 * none. */
int hub_key_write(const struct hub_key *key, bool public, char ret_text[static HUB_KEY_TEXT_MAX]);

const char *hub_key_id(const struct hub_key *key);
enum hub_key_kind hub_key_kind(const struct hub_key *key);

/* Fills in id, algorithm and signature of a stamp. -EINVAL: the key can't sign, or the stamp is not
 * in range; -EIO. */
int hub_key_sign(struct hub_key *key, struct hub_stamp *stamp);

/* Whether the key signed this stamp: GOOD, KEY (of another id or algorithm) or SIGNATURE. */
enum hub_check hub_key_verify(struct hub_key *key, const struct hub_stamp *stamp);
