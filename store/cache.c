/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Set-associative, since a bucket is a few adjacent cache lines and nothing ever moves. Entries are
 * copied in and out word by word with relaxed atomics: readers elsewhere may see a mixture of two
 * entries, but no compiler may make more of it than that.
 */

#include "store/cache.h"

#include <assert.h>
#include <endian.h>

/* The states of a hash are copied for each entry, which OpenSSL 3 offers in new ways only that cost five
 * times what the hash does; of a large file that would be ten seconds at each start. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "store/util.h"

#define REGION_MAGIC "SsCache"
#define FILE_MAGIC   "SsVerds"
#define MAGIC_SIZE   8
#define MAC_COVERS   offsetof(struct cache_entry, mac)
#define TRIES        3 /* to copy an entry that somebody writes */

union cache_slot {
        struct cache_entry entry;
        uint64_t words[8];
};

/* Words of an entry: the digest, then generation, verdict and reason. */
#define DIGEST_WORDS (DIGEST_SIZE / 8)
#define STATE_WORD   DIGEST_WORDS

struct region_header {
        char magic[MAGIC_SIZE];
        uint32_t version, entry_size, ways, reserved;
        uint64_t n_buckets;
};

struct file_header {
        char magic[MAGIC_SIZE];
        uint32_t version, entry_size;
        uint64_t n;
        uint8_t reserved[24];
        uint8_t mac[CACHE_MAC_SIZE];
};

static_assert(sizeof(struct cache_entry) == 64, "one cache line");
static_assert(sizeof(union cache_slot) == sizeof(struct cache_entry), "no padding");
static_assert(offsetof(struct cache_entry, generation) == 8 * STATE_WORD, "one word of state");
static_assert(sizeof(struct file_header) == CACHE_FILE_HEADER_SIZE, "no padding");
static_assert(offsetof(struct file_header, mac) == MAC_COVERS, "covered like an entry");
static_assert(CACHE_SIZE_MAX <= PTRDIFF_MAX, "sizes of regions can be counted");

/* ---- Keys ---- */

/* HMAC (RFC 2104): what is hashed first, of both hashes, is the same for all entries. */
struct cache_key {
        SHA256_CTX inner, outer;
};

struct cache_key *cache_key_free(struct cache_key *key) {
        if (!key)
                return NULL;
        explicit_bzero(key, sizeof(*key));
        free(key);
        return NULL;
}

DEFINE_CLEANUP(struct cache_key *, cache_key_free);

static int begin_hash(SHA256_CTX *hash, const uint8_t *secret, uint8_t pad) {
        uint8_t block[SHA256_CBLOCK];
        int ok;

        memset(block, pad, sizeof(block));
        for (size_t i = 0; i < CACHE_KEY_SIZE; i++)
                block[i] ^= secret[i];
        ok = SHA256_Init(hash) == 1 && SHA256_Update(hash, block, sizeof(block)) == 1;
        explicit_bzero(block, sizeof(block));
        return ok;
}

struct cache_key *cache_key_new(const uint8_t secret[static CACHE_KEY_SIZE]) {
        _cleanup_(cache_key_freep) struct cache_key *key = calloc(1, sizeof(*key));

        if (!key || !begin_hash(&key->inner, secret, 0x36) ||
            !begin_hash(&key->outer, secret, 0x5c))
                return NULL;
        return TAKE_PTR(key);
}

static int hash_end(SHA256_CTX hash, const void *data, size_t size,
                    uint8_t ret_digest[static DIGEST_SIZE]) {
        return SHA256_Update(&hash, data, size) == 1 && SHA256_Final(ret_digest, &hash) == 1;
}

/* Of the MAC_COVERS bytes that data begins with. What is covered always has the same size, and the
 * header's magic keeps it apart from entries: a digest that begins like it cannot be made. */
static int mac_of(struct cache_key *key, const void *data, uint8_t ret_mac[static CACHE_MAC_SIZE]) {
        uint8_t digest[DIGEST_SIZE], mac[DIGEST_SIZE];

        if (!hash_end(key->inner, data, MAC_COVERS, digest) ||
            !hash_end(key->outer, digest, sizeof(digest), mac))
                return -EIO;
        memcpy(ret_mac, mac, CACHE_MAC_SIZE);
        return 0;
}

int cache_entry_mac(struct cache_key *key, const struct cache_entry *entry,
                    uint8_t ret_mac[static CACHE_MAC_SIZE]) {
        return mac_of(key, entry, ret_mac);
}

/* Whether an entry may stand in a cache, and does so by the key. */
static bool is_good(struct cache_key *key, const struct cache_entry *e) {
        uint8_t mac[CACHE_MAC_SIZE];

        return (e->verdict == VERDICT_CLEAN || e->verdict == VERDICT_UNSCANNABLE) &&
               verdict_reason_fits(e->verdict, e->reason) && mac_of(key, e, mac) == 0 &&
               memcmp(mac, e->mac, sizeof(mac)) == 0;
}

/* ---- The region ---- */

size_t cache_region_size(uint64_t bytes) {
        const size_t bucket = CACHE_WAYS * sizeof(union cache_slot);
        uint64_t room = MIN(bytes, CACHE_SIZE_MAX);
        size_t n = room > CACHE_HEADER_SIZE ? (size_t)(room - CACHE_HEADER_SIZE) / bucket : 0;

        return CACHE_HEADER_SIZE + MAX(n, (size_t)1) * bucket;
}

static size_t buckets_of(size_t size) {
        return size >= CACHE_HEADER_SIZE
                       ? (size - CACHE_HEADER_SIZE) / (CACHE_WAYS * sizeof(union cache_slot))
                       : 0;
}

void cache_format(void *base, size_t size) {
        const struct region_header header = {
                .magic = REGION_MAGIC,
                .version = htole32(CACHE_VERSION),
                .entry_size = htole32(sizeof(struct cache_entry)),
                .ways = htole32(CACHE_WAYS),
                .n_buckets = htole64(buckets_of(size)),
        };

        memcpy(base, &header, sizeof(header));
}

int cache_view(const void *base, size_t size, struct cache_view *ret) {
        struct region_header header;

        if (size < cache_region_size(0) || size != cache_region_size(size))
                return -EINVAL;
        memcpy(&header, base, sizeof(header));
        if (memcmp(header.magic, REGION_MAGIC, sizeof(header.magic)) != 0)
                return -EINVAL;
        if (le32toh(header.version) != CACHE_VERSION)
                return -EPROTONOSUPPORT;
        if (le32toh(header.entry_size) != sizeof(struct cache_entry) ||
            le32toh(header.ways) != CACHE_WAYS || le64toh(header.n_buckets) != buckets_of(size))
                return -EINVAL;
        *ret = (struct cache_view){
                .slots = (const void *)((const uint8_t *)base + CACHE_HEADER_SIZE),
                .n_buckets = buckets_of(size),
        };
        return 0;
}

int cache_open(void *base, size_t size, struct cache_key *key, struct cache *ret) {
        struct cache_view view;
        int r = cache_view(base, size, &view);

        if (r < 0)
                return r;
        *ret = (struct cache){
                .slots = (void *)((uint8_t *)base + CACHE_HEADER_SIZE),
                .n_buckets = view.n_buckets,
                .key = key,
        };
        return 0;
}

/* The first slot of the bucket of a digest. */
static size_t bucket_of(const uint8_t *digest, size_t n_buckets) {
        uint64_t v;

        memcpy(&v, digest, sizeof(v));
        return (size_t)((unsigned __int128)le64toh(v) * n_buckets >> 64) * CACHE_WAYS;
}

static void read_slot(const union cache_slot *slot, union cache_slot *ret) {
        for (size_t i = 0; i < ELEMENTSOF(slot->words); i++)
                ret->words[i] = __atomic_load_n(&slot->words[i], __ATOMIC_RELAXED);
}

/* State first when it is emptied, last when it is filled: hints see few mixtures. */
static void write_slot(union cache_slot *slot, const union cache_slot *value) {
        __atomic_store_n(&slot->words[STATE_WORD], 0, __ATOMIC_RELAXED);
        for (size_t i = 0; i < ELEMENTSOF(slot->words); i++)
                if (i != STATE_WORD)
                        __atomic_store_n(&slot->words[i], value->words[i], __ATOMIC_RELAXED);
        __atomic_store_n(&slot->words[STATE_WORD], value->words[STATE_WORD], __ATOMIC_RELEASE);
}

static bool is_digest(const struct cache_entry *e, const uint8_t *digest) {
        return e->verdict != VERDICT_UNKNOWN && memcmp(e->digest, digest, DIGEST_SIZE) == 0;
}

enum cache_answer cache_lookup(const struct cache *cache, const uint8_t digest[static DIGEST_SIZE],
                               const struct generation *running, struct cache_verdict *ret) {
        const union cache_slot *bucket = cache->slots + bucket_of(digest, cache->n_buckets);

        for (size_t i = 0; i < CACHE_WAYS; i++) {
                struct cache_entry e = bucket[i].entry; /* what is believed is what was proved */

                if (!is_digest(&e, digest) || !is_good(cache->key, &e))
                        continue;
                *ret = (struct cache_verdict){
                        .verdict = e.verdict,
                        .reason = e.reason,
                        .generation = e.generation,
                        .time_msec = le64toh(e.time_msec),
                };
                return memcmp(&e.generation, running, sizeof(*running)) == 0 ? CACHE_HIT
                                                                             : CACHE_STALE;
        }
        return CACHE_MISS;
}

/* Empties whatever has this digest. Returns whether there was any. */
static bool forget(struct cache *cache, const uint8_t *digest) {
        union cache_slot *bucket = cache->slots + bucket_of(digest, cache->n_buckets);
        bool found = false;

        for (size_t i = 0; i < CACHE_WAYS; i++)
                if (is_digest(&bucket[i].entry, digest)) {
                        write_slot(&bucket[i], &(union cache_slot){});
                        cache->n_entries--;
                        found = true;
                }
        return found;
}

/* Which of two entries is given up before the other: an empty one, one that is of another
 * generation than the running one (NULL: all are alike), the older one. */
static bool goes_before(const struct cache_entry *a, const struct cache_entry *b,
                        const struct generation *running) {
        bool a_used = a->verdict != VERDICT_UNKNOWN, b_used = b->verdict != VERDICT_UNKNOWN;
        bool a_runs, b_runs;

        if (!a_used || !b_used)
                return b_used;
        if (running) {
                a_runs = memcmp(&a->generation, running, sizeof(*running)) == 0;
                b_runs = memcmp(&b->generation, running, sizeof(*running)) == 0;
                if (a_runs != b_runs)
                        return b_runs;
        }
        return le64toh(a->time_msec) < le64toh(b->time_msec);
}

/* The slot for a new entry of the digest, which is not there. */
static union cache_slot *place_for(struct cache *cache, const uint8_t *digest,
                                   const struct generation *running) {
        union cache_slot *bucket = cache->slots + bucket_of(digest, cache->n_buckets);
        union cache_slot *place = bucket;

        for (size_t i = 1; i < CACHE_WAYS; i++)
                if (goes_before(&bucket[i].entry, &place->entry, running))
                        place = &bucket[i];
        return place;
}

int cache_store(struct cache *cache, const uint8_t digest[static DIGEST_SIZE],
                const struct cache_verdict *verdict) {
        bool keep = verdict->verdict == VERDICT_CLEAN || verdict->verdict == VERDICT_UNSCANNABLE;
        union cache_slot *place, new = {};
        bool replaced, evicts;

        if (!verdict_reason_fits(verdict->verdict, verdict->reason))
                return -EINVAL;
        replaced = forget(cache, digest);
        if (!keep)
                return replaced ? CACHE_REMOVED : CACHE_UNCHANGED;

        memcpy(new.entry.digest, digest, DIGEST_SIZE);
        new.entry.generation = verdict->generation;
        new.entry.verdict = (uint8_t)verdict->verdict;
        new.entry.reason = (uint8_t)verdict->reason;
        new.entry.time_msec = htole64(verdict->time_msec);
        if (mac_of(cache->key, &new.entry, new.entry.mac) < 0)
                return -EIO;

        place = place_for(cache, digest, &verdict->generation);
        evicts = place->entry.verdict != VERDICT_UNKNOWN;
        write_slot(place, &new);
        cache->n_entries += !evicts;
        return replaced ? CACHE_REPLACED : evicts ? CACHE_EVICTED : CACHE_ADDED;
}

/* ---- Readers in other processes ---- */

bool cache_hint(const struct cache_view *view, const uint8_t digest[static DIGEST_SIZE],
                const struct generation *running) {
        const union cache_slot *bucket = view->slots + bucket_of(digest, view->n_buckets);
        union cache_slot wanted = {}, seen;

        memcpy(wanted.entry.digest, digest, DIGEST_SIZE);
        for (size_t i = 0; i < CACHE_WAYS; i++) {
                if (__atomic_load_n(&bucket[i].words[0], __ATOMIC_RELAXED) != wanted.words[0])
                        continue;
                read_slot(&bucket[i], &seen);
                if (is_digest(&seen.entry, digest) &&
                    memcmp(&seen.entry.generation, running, sizeof(*running)) == 0)
                        return true;
        }
        return false;
}

/* ---- Files ---- */

int cache_file_header(struct cache_key *key, uint64_t n,
                      uint8_t ret_header[static CACHE_FILE_HEADER_SIZE]) {
        struct file_header header = {
                .magic = FILE_MAGIC,
                .version = htole32(CACHE_VERSION),
                .entry_size = htole32(sizeof(struct cache_entry)),
                .n = htole64(n),
        };

        if (mac_of(key, &header, header.mac) < 0)
                return -EIO;
        memcpy(ret_header, &header, sizeof(header));
        return 0;
}

int cache_file_check(struct cache_key *key, const uint8_t bytes[static CACHE_FILE_HEADER_SIZE],
                     uint64_t file_size, uint64_t *ret_n) {
        uint8_t mac[CACHE_MAC_SIZE];
        struct file_header header;
        uint64_t n;

        memcpy(&header, bytes, sizeof(header));
        if (memcmp(header.magic, FILE_MAGIC, sizeof(header.magic)) != 0)
                return -EINVAL;
        if (le32toh(header.version) != CACHE_VERSION)
                return -EPROTONOSUPPORT;
        if (mac_of(key, &header, mac) < 0)
                return -EIO;
        if (memcmp(mac, header.mac, sizeof(mac)) != 0)
                return -EKEYREJECTED;
        n = le64toh(header.n);
        if (le32toh(header.entry_size) != sizeof(struct cache_entry))
                return -EINVAL;
        if (file_size < sizeof(header) ||
            (file_size - sizeof(header)) % sizeof(struct cache_entry) ||
            (file_size - sizeof(header)) / sizeof(struct cache_entry) != n)
                return -EMSGSIZE;
        *ret_n = n;
        return 0;
}

size_t cache_capacity(const struct cache *cache) {
        return cache->n_buckets * CACHE_WAYS;
}

bool cache_export(const struct cache *cache, size_t index, struct cache_entry *ret) {
        union cache_slot copy;

        for (unsigned i = 0; i < TRIES; i++) {
                read_slot(&cache->slots[index], &copy);
                if (copy.entry.verdict == VERDICT_UNKNOWN)
                        return false;
                if (is_good(cache->key, &copy.entry)) {
                        *ret = copy.entry;
                        return true;
                }
        }
        return false;
}

bool cache_import(struct cache *cache, const struct cache_entry *entry) {
        const union cache_slot *bucket;
        union cache_slot *place;

        if (!is_good(cache->key, entry))
                return false;
        /* A file has one of a digest; one that has more is read like one that has the first. */
        bucket = cache->slots + bucket_of(entry->digest, cache->n_buckets);
        for (size_t i = 0; i < CACHE_WAYS; i++)
                if (is_digest(&bucket[i].entry, entry->digest))
                        return true;

        place = place_for(cache, entry->digest, NULL);
        if (place->entry.verdict != VERDICT_UNKNOWN && !goes_before(&place->entry, entry, NULL))
                return true;
        cache->n_entries += place->entry.verdict == VERDICT_UNKNOWN;
        write_slot(place, &(union cache_slot){ .entry = *entry });
        return true;
}
