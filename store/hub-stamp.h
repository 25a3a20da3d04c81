/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The stamp that travels with a message: a header field, in which a hub vouches that it has scanned
 * this content. Described in storescan-stamp(7), which changes together with this file.
 *
 *     X-Storescan-Stamp: v=1; a=hmac-sha256; d=storescan; k=hub1; g=27512; r=clean; t=1795470147;
 *             bh=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU;
 *             hh=...; s=...
 *
 *     v  version            g  version of the signatures: that of daily.cvd, 0 for own files
 *     a  algorithm of s     r  what the scan found: clean, infected, limits, encrypted, broken
 *     d  vendor             t  time of the scan, seconds since 1970
 *     k  id of the key      bh hh  digests of body and header (hub-content.h), base64url
 *                           s  signature over all the rest, base64url
 *
 * One stamp has one text, but for its folds. Pure: keys are in hub-key.h, the clock is the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/digest.h"
#include "store/verdict.h"

#define HUB_STAMP_NAME    "X-Storescan-Stamp"
#define HUB_STAMP_VENDOR  "storescan"
#define HUB_FIELD_MAX     1024 /* bytes of a field's value with its folds */
#define HUB_TEXT_MAX      512  /* of a stamp's value and a NUL */
#define HUB_KEY_ID_MAX    32
#define HUB_SIGNATURE_MAX 64
#define HUB_STAMPS_MAX    4 /* in one message */

enum hub_algorithm { HUB_HMAC_SHA256, HUB_ED25519, _HUB_ALGORITHM_MAX };

/* Fixed widths and no padding: workers send it to the gate as it is. */
struct hub_stamp {
        uint64_t time; /* seconds since 1970 */
        uint32_t database;
        uint8_t algorithm; /* enum hub_algorithm */
        uint8_t verdict;   /* enum verdict; never UNKNOWN */
        uint8_t reason;    /* enum reason */
        uint8_t reserved;
        char key[HUB_KEY_ID_MAX + 8]; /* terminated, rest zero */
        uint8_t body[DIGEST_SIZE], header[DIGEST_SIZE];
        uint8_t signature[HUB_SIGNATURE_MAX]; /* hub_signature_size() bytes, rest zero */
};

/* Why a stamp is not believed; or GOOD. The first that applies, in this order. */
enum hub_check {
        HUB_GOOD,
        HUB_ABSENT,    /* there is none */
        HUB_MANY,      /* more than HUB_STAMPS_MAX */
        HUB_DUPLICATE, /* the same one twice */
        HUB_OVERSIZE,  /* longer than HUB_FIELD_MAX */
        HUB_MALFORMED, /* not the one text of a stamp */
        HUB_VERSION,   /* of another version, vendor or algorithm */
        HUB_IRREGULAR, /* of a message that no digest can pin down */
        HUB_KEY,       /* signed with a key that is not here */
        HUB_SIGNATURE, /* not what this key would have signed */
        HUB_HEADER,    /* of another header */
        HUB_BODY,      /* of another body */
        HUB_VERDICT,   /* does not say clean */
        HUB_FUTURE,    /* signed later than now */
        HUB_EXPIRED,   /* older than the policy accepts */
        HUB_DATABASE,  /* signatures older than the policy accepts */
        _HUB_CHECK_MAX
};

/* One stable lower-case word each, and one sentence without its end for people; "invalid" when out
 * of range. */
const char *hub_check_name(enum hub_check check);
const char *hub_check_text(enum hub_check check);

/* "hmac-sha256", "ed25519"; NULL when out of range. */
const char *hub_algorithm_name(enum hub_algorithm algorithm);
size_t hub_signature_size(enum hub_algorithm algorithm);

/* Whether text can be the id of a key: 1 to HUB_KEY_ID_MAX letters, digits, '.', '_' and '-', no '.'
 * in front. It is a file's name as well. */
bool hub_key_id_ok(const char *text, size_t size);

/* Whether every field is in range: of what came from elsewhere. */
bool hub_stamp_ok(const struct hub_stamp *stamp);

/* Whether a field of this name is taken for a stamp, by the most lenient reader: for hubs, which
 * strip foreign ones. size: up to the colon. */
bool hub_stamp_is_name(const char *name, size_t size);

/* Writes the value of the field, folded with "\n\t", and a NUL. Its length, or -EINVAL. */
int hub_stamp_format(const struct hub_stamp *stamp, char ret_text[static HUB_TEXT_MAX]);

/* Writes what is signed: the field as one line, up to "s=". Its length, or -EINVAL. */
int hub_stamp_signed_text(const struct hub_stamp *stamp, char ret_text[static HUB_TEXT_MAX]);

/* Reads the value of a field, with its folds and the blank behind the colon. GOOD: it is a stamp,
 * which says nothing of whether it is true; else OVERSIZE, MALFORMED or VERSION. */
enum hub_check hub_stamp_parse(const char *text, size_t size, struct hub_stamp *ret);

/* ---- Policy ---- */

struct hub_policy {
        uint64_t max_age;      /* seconds */
        uint32_t min_database; /* 0: any */
};

/* How far a hub's clock may be ahead. */
#define HUB_CLOCK_SKEW 300

/* Judges verdict, time (now: seconds since 1970) and signatures of a stamp whose signature is good:
 * GOOD, VERDICT, FUTURE, EXPIRED or DATABASE. */
enum hub_check hub_stamp_check(const struct hub_stamp *stamp, const struct hub_policy *policy,
                               uint64_t now);
