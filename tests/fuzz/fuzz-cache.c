/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a file of verdicts: nothing is believed that was not written under the key, and
 * whatever is, is of a kind that may be kept. Fuzzers guess no MAC: so that they come behind them,
 * the file is tried once as it is and once with MACs put right. Then as a region that others view.
 */

#include <errno.h>
#include <string.h>

#include "store/cache.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

#define ENTRY       sizeof(struct cache_entry)
#define REGION_SIZE (CACHE_HEADER_SIZE + 3 * CACHE_WAYS * ENTRY)

static const struct generation running = { "genera" };
static _Alignas(64) uint8_t region[REGION_SIZE];

/* What the cache holds is countable, provable, and may be held. */
static void check_cache(struct cache_key *key, const struct cache *cache) {
        struct cache_entry e;
        size_t n = 0;

        for (size_t i = 0; i < cache_capacity(cache); i++) {
                struct cache_verdict found;
                uint8_t mac[CACHE_MAC_SIZE];

                if (!cache_export(cache, i, &e))
                        continue;
                n++;
                FUZZ_ASSERT(e.verdict == VERDICT_CLEAN || e.verdict == VERDICT_UNSCANNABLE);
                FUZZ_ASSERT(verdict_reason_fits(e.verdict, e.reason));
                FUZZ_ASSERT(cache_entry_mac(key, &e, mac) == 0);
                FUZZ_ASSERT(memcmp(e.mac, mac, sizeof(mac)) == 0);
                FUZZ_ASSERT(cache_lookup(cache, e.digest, &e.generation, &found) == CACHE_HIT);
                FUZZ_ASSERT(found.verdict == (enum verdict)e.verdict);
                FUZZ_ASSERT(found.reason == (enum reason)e.reason);
        }
        FUZZ_ASSERT(n == cache->n_entries);
}

/* As verdicts_load() does. */
static void load(struct cache_key *key, const uint8_t *data, size_t size, bool mended) {
        uint8_t header[CACHE_FILE_HEADER_SIZE], mac[CACHE_MAC_SIZE];
        struct cache_entry e;
        struct cache cache;
        uint64_t n = 0;
        int r;

        memset(region, 0, sizeof(region));
        cache_format(region, sizeof(region));
        FUZZ_ASSERT(cache_open(region, sizeof(region), key, &cache) == 0);
        memcpy(header, data, sizeof(header));
        if (mended)
                FUZZ_ASSERT(cache_file_header(key, (size - sizeof(header)) / ENTRY, header) == 0);
        r = cache_file_check(key, header, size, &n);
        if (r < 0) {
                FUZZ_ASSERT(r == -EINVAL || r == -EPROTONOSUPPORT || r == -EKEYREJECTED ||
                            r == -EMSGSIZE);
                FUZZ_ASSERT(!mended || (size - sizeof(header)) % ENTRY != 0);
                return;
        }
        FUZZ_ASSERT(n == (size - sizeof(header)) / ENTRY);
        for (uint64_t i = 0; i < n; i++) {
                bool proved;

                memcpy(&e, data + sizeof(header) + i * ENTRY, ENTRY);
                if (mended)
                        FUZZ_ASSERT(cache_entry_mac(key, &e, e.mac) == 0);
                FUZZ_ASSERT(cache_entry_mac(key, &e, mac) == 0);
                proved = memcmp(mac, e.mac, sizeof(mac)) == 0;
                FUZZ_ASSERT(cache_import(&cache, &e) <= proved);
        }
        check_cache(key, &cache);

        /* What was loaded can be worked with: a verdict comes and goes. */
        if (n > 0) {
                const struct cache_verdict clean = { .verdict = VERDICT_CLEAN },
                                           infected = { .verdict = VERDICT_INFECTED };

                FUZZ_ASSERT(cache_store(&cache, e.digest, &clean) > CACHE_UNCHANGED);
                check_cache(key, &cache);
                FUZZ_ASSERT(cache_store(&cache, e.digest, &infected) == CACHE_REMOVED);
                check_cache(key, &cache);
        }
}

/* A hint may be wrong, but reads nothing beyond the region. */
static void view(const uint8_t *data, size_t size) {
        struct cache_view v;

        memset(region, 0, sizeof(region));
        memcpy(region, data, MIN(size, sizeof(region)));
        if (cache_view(region, sizeof(region), &v) == 0)
                (void)cache_hint(&v, region + CACHE_HEADER_SIZE, &running);
        cache_format(region, sizeof(region));
        memcpy(region + CACHE_HEADER_SIZE, data, MIN(size, sizeof(region) - CACHE_HEADER_SIZE));
        FUZZ_ASSERT(cache_view(region, sizeof(region), &v) == 0);
        for (size_t i = 0; i + DIGEST_SIZE <= MIN(size, (size_t)512); i += DIGEST_SIZE)
                (void)cache_hint(&v, data + i, &running);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t secret[CACHE_KEY_SIZE] = "the key of tests, thirty-two....";
        static struct cache_key *key;

        if (!key)
                key = cache_key_new(secret);
        FUZZ_ASSERT(key);
        if (size >= CACHE_FILE_HEADER_SIZE) {
                load(key, data, size, false);
                load(key, data, size, true);
        }
        view(data, size);
        return 0;
}
