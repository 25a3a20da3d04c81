/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The verdict cache: digest -> verdict, reason, generation, time, in a region of memory that the
 * caller maps. One thread of one process writes and believes (the gate thread); any number of
 * processes that map the same memory read-only ask it for hints (workers), without locks.
 *
 *     page 0    header: magic, version, geometry
 *     then      buckets of CACHE_WAYS entries of 64 bytes, one cache line each
 *
 * An entry carries a MAC over all of it (HMAC-SHA-256 cut to 128 bits, RFC 2104 section 5): a read
 * torn by a write, a page torn by a power loss, an edited file or a flipped bit is a miss, never a
 * verdict. Only CLEAN and UNSCANNABLE are kept; what is INFECTED is scanned again, to name it.
 *
 * Who has the key: the gate alone. Workers are what hostile mail may take over, so a worker's
 * cache_hint() compares digest and generation only, and the gate confirms it by a cache_lookup() of
 * its own, which checks the MAC in less than a microsecond. A taken-over worker that says "known"
 * with the digest of something clean has won what it wins by saying "clean": its own job. It can
 * write neither memory nor file (the mapping is read-only, and sealed), and with the key it could
 * forge entries for content nobody has seen the day some other hole lets it write; so it has none.
 * What a MAC cannot stop is a worker that lies about the digest of what it found clean: whoever
 * calls cache_store() has to know where that digest came from.
 *
 * A hostile sender can choose digests that fall in one bucket; that costs others' mail one more
 * scan each, no more than as many different mails would.
 *
 * Pure: no memory is mapped and no file opened here. Integers lie in little-endian order, so that
 * a file of entries can be moved to another machine together with its key.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/digest.h"
#include "store/stamp.h"
#include "store/verdict.h"

#define CACHE_VERSION     1 /* raise with any change of the layout, in memory or file */
#define CACHE_WAYS        8
#define CACHE_KEY_SIZE    32
#define CACHE_MAC_SIZE    16
#define CACHE_HEADER_SIZE 4096 /* of the region; a file's has CACHE_FILE_HEADER_SIZE */
#define CACHE_SIZE_MAX    (UINT64_C(16) << 30) /* of the region: 256 million verdicts */

struct cache_entry {
        uint8_t digest[DIGEST_SIZE];
        struct generation generation;
        uint8_t verdict; /* enum verdict; UNKNOWN: the entry is empty */
        uint8_t reason;  /* enum reason */
        uint64_t time_msec;
        uint8_t mac[CACHE_MAC_SIZE];
};

/* ---- Keys ---- */

/* A secret, ready for use by one thread at a time: each has an object of its own. */
struct cache_key;

/* NULL: no memory, or libcrypto refused. The secret is copied. */
struct cache_key *cache_key_new(const uint8_t secret[static CACHE_KEY_SIZE]);
struct cache_key *cache_key_free(struct cache_key *key);

/* The MAC of an entry, its mac excepted. 0 or -EIO. (For this module and tests.) */
int cache_entry_mac(struct cache_key *key, const struct cache_entry *entry,
                    uint8_t ret_mac[static CACHE_MAC_SIZE]);

/* ---- The region ---- */

/* Bytes that a cache of about this many bytes takes: header, whole buckets, at least one, and never
 * more than CACHE_SIZE_MAX. */
size_t cache_region_size(uint64_t bytes);

/* Writes the header. base: size zeroed bytes of such a size, aligned to a page. */
void cache_format(void *base, size_t size);

/* What reads and writes a region. Owns nothing: region and key must outlive it. */
struct cache {
        union cache_slot *slots;
        size_t n_buckets;
        struct cache_key *key;
        size_t n_entries; /* in use; kept right by the handle that writes */
};

/* -EINVAL: no cache of this size; -EPROTONOSUPPORT: one of another version. */
int cache_open(void *base, size_t size, struct cache_key *key, struct cache *ret);

enum cache_answer {
        CACHE_MISS,
        CACHE_HIT,   /* known under the running generation */
        CACHE_STALE, /* known under another one */
        _CACHE_ANSWER_MAX
};

struct cache_verdict {
        enum verdict verdict; /* CLEAN or UNSCANNABLE; for cache_store() any */
        enum reason reason;
        struct generation generation;
        uint64_t time_msec; /* CLOCK_REALTIME of the scan */
};

/* Fills in *ret unless it is a miss. To be believed. */
enum cache_answer cache_lookup(const struct cache *cache, const uint8_t digest[static DIGEST_SIZE],
                               const struct generation *running, struct cache_verdict *ret);

enum cache_change {
        CACHE_UNCHANGED,
        CACHE_ADDED,
        CACHE_REPLACED, /* what was known of the same digest */
        CACHE_EVICTED,  /* added in the place of another digest */
        CACHE_REMOVED, /* INFECTED and UNKNOWN: what was known of the digest is not true any more */
        _CACHE_CHANGE_MAX
};

/* Notes a verdict. A full bucket gives up an entry of another generation, else its oldest. Returns
 * an enum cache_change; -EINVAL for a verdict and a reason that do not go together; -EIO when
 * libcrypto refuses (whatever was known of the digest is then removed). */
int cache_store(struct cache *cache, const uint8_t digest[static DIGEST_SIZE],
                const struct cache_verdict *verdict);

/* ---- Readers in other processes ---- */

struct cache_view {
        const union cache_slot *slots;
        size_t n_buckets;
};

/* As cache_open(). */
int cache_view(const void *base, size_t size, struct cache_view *ret);

/* Whether the digest seems to be known under this generation. A hint: it may be torn or forged, and
 * the entry may be gone when the gate looks. */
bool cache_hint(const struct cache_view *view, const uint8_t digest[static DIGEST_SIZE],
                const struct generation *running);

/* ---- Files: a header, then the entries that are in use, in any order ---- */

#define CACHE_FILE_HEADER_SIZE 64

/* The header of a file with n entries. 0 or -EIO. */
int cache_file_header(struct cache_key *key, uint64_t n,
                      uint8_t ret_header[static CACHE_FILE_HEADER_SIZE]);

/* Judges the header of a file of this size. 0 with the number of entries; -EINVAL: no such file;
 * -EPROTONOSUPPORT: of another version; -EKEYREJECTED: written under another key, or damaged;
 * -EMSGSIZE: cut short or grown; -EIO. */
int cache_file_check(struct cache_key *key, const uint8_t header[static CACHE_FILE_HEADER_SIZE],
                     uint64_t file_size, uint64_t *ret_n);

/* How many entries the region has room for, and a copy of each, for a file. Another thread may
 * write meanwhile. False: empty, or not to be believed. */
size_t cache_capacity(const struct cache *cache);
bool cache_export(const struct cache *cache, size_t index, struct cache_entry *ret);

/* Takes an entry from a file; of those that do not fit the newest are kept. False: damaged, or not
 * of a kind that is kept. */
bool cache_import(struct cache *cache, const struct cache_entry *entry);
