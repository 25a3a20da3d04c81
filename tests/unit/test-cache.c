/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verdict cache in memory: what is kept and given up, and that nothing but what was stored is
 * ever believed: not a flipped bit, a mixture of two entries, or one of another key.
 */

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#include "daemon/clock.h"
#include "store/cache.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define ENTRY        sizeof(struct cache_entry)
#define BUCKET       (CACHE_WAYS * ENTRY)
#define STRESS_USEC  (2 * USEC_PER_SEC)
#define BENCH_ROUNDS 20000

static const uint8_t secret[CACHE_KEY_SIZE] = "0123456789abcdef0123456789abcde";
static const uint8_t other_secret[CACHE_KEY_SIZE] = "0123456789abcdef0123456789abcdE";
static const struct generation gen_a = { "genera" }, gen_b = { "generb" };

static struct cache_key *key;
static struct cache cache;
static uint8_t *region;
static size_t region_size;

static void open_region(uint64_t bytes) {
        region_size = cache_region_size(bytes);
        region =
                mmap(NULL, region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(region, MAP_FAILED);
        cache_format(region, region_size);
        key = cache_key_new(secret);
        ck_assert_ptr_nonnull(key);
        ck_assert_int_eq(cache_open(region, region_size, key, &cache), 0);
}

/* One bucket, where every digest meets every other. */
static void open_bucket(void) {
        open_region(0);
        ck_assert_uint_eq(cache_capacity(&cache), CACHE_WAYS);
}

static void close_region(void) {
        key = cache_key_free(key);
        ck_assert_int_eq(munmap(region, region_size), 0);
}

static const uint8_t *digest_of(unsigned n) {
        static uint8_t digest[DIGEST_SIZE];

        ck_assert_int_eq(digest_buffer(&n, sizeof(n), digest), 0);
        return digest;
}

static struct cache_verdict clean(const struct generation *generation, uint64_t time_msec) {
        return (struct cache_verdict){
                .verdict = VERDICT_CLEAN,
                .generation = *generation,
                .time_msec = time_msec,
        };
}

static int store_clean(unsigned n, const struct generation *generation, uint64_t time_msec) {
        const struct cache_verdict v = clean(generation, time_msec);

        return cache_store(&cache, digest_of(n), &v);
}

static enum cache_answer ask(unsigned n, const struct generation *running) {
        struct cache_verdict v;

        return cache_lookup(&cache, digest_of(n), running, &v);
}

static struct cache_entry *entries(void) {
        return (struct cache_entry *)(void *)(region + CACHE_HEADER_SIZE);
}

START_TEST(what_is_stored_is_found) {
        struct cache_verdict v = clean(&gen_a, 1795470147232), found;

        open_region(1 << 20);
        for (unsigned i = 0; i < 1000; i++) {
                v.time_msec++;
                v.verdict = i % 2 ? VERDICT_CLEAN : VERDICT_UNSCANNABLE;
                v.reason = i % 2 ? REASON_NONE : i % 3 ? REASON_LIMITS : REASON_ENCRYPTED;
                ck_assert_int_eq(ask(i, &gen_a), CACHE_MISS);
                ck_assert_int_eq(cache_store(&cache, digest_of(i), &v), CACHE_ADDED);
                ck_assert_int_eq(cache_lookup(&cache, digest_of(i), &gen_a, &found), CACHE_HIT);
                ck_assert_int_eq(found.verdict, v.verdict);
                ck_assert_int_eq(found.reason, v.reason);
                ck_assert_mem_eq(&found.generation, &gen_a, sizeof(gen_a));
                ck_assert_uint_eq(found.time_msec, v.time_msec);
                ck_assert_uint_eq(cache.n_entries, i + 1);
        }
        ck_assert_int_eq(ask(1000, &gen_a), CACHE_MISS);
        close_region();
}
END_TEST

START_TEST(generations) {
        struct cache_verdict found;

        open_bucket();
        ck_assert_int_eq(store_clean(1, &gen_a, 5), CACHE_ADDED);
        ck_assert_int_eq(ask(1, &gen_a), CACHE_HIT);
        ck_assert_int_eq(cache_lookup(&cache, digest_of(1), &gen_b, &found), CACHE_STALE);
        ck_assert_mem_eq(&found.generation, &gen_a, sizeof(gen_a));
        ck_assert_int_eq(store_clean(1, &gen_b, 6), CACHE_REPLACED);
        ck_assert_int_eq(ask(1, &gen_b), CACHE_HIT);
        ck_assert_int_eq(ask(1, &gen_a), CACHE_STALE);
        ck_assert_uint_eq(cache.n_entries, 1);
        close_region();
}
END_TEST

/* Every pair of verdict and reason: two kinds are kept, the others make forget, nonsense does
 * nothing. */
START_TEST(only_two_verdicts_are_kept) {
        for (int v = -1; v <= _VERDICT_MAX; v++)
                for (int r = -1; r <= _REASON_MAX; r++) {
                        struct cache_verdict verdict = clean(&gen_a, 7);
                        bool fits = verdict_reason_fits((enum verdict)v, (enum reason)r);
                        bool kept = fits && (v == VERDICT_CLEAN || v == VERDICT_UNSCANNABLE);

                        verdict.verdict = (enum verdict)v;
                        verdict.reason = (enum reason)r;
                        open_bucket();
                        ck_assert_int_eq(cache_store(&cache, digest_of(1), &verdict),
                                         kept   ? CACHE_ADDED
                                         : fits ? CACHE_UNCHANGED
                                                : -EINVAL);
                        ck_assert_int_eq(ask(1, &gen_a), kept ? CACHE_HIT : CACHE_MISS);

                        (void)store_clean(1, &gen_a, 8);
                        (void)store_clean(2, &gen_a, 8);
                        ck_assert_int_eq(cache_store(&cache, digest_of(1), &verdict),
                                         kept   ? CACHE_REPLACED
                                         : fits ? CACHE_REMOVED
                                                : -EINVAL);
                        ck_assert_int_eq(ask(1, &gen_a), kept || !fits ? CACHE_HIT : CACHE_MISS);
                        ck_assert_int_eq(ask(2, &gen_a), CACHE_HIT);
                        ck_assert_uint_eq(cache.n_entries, kept || !fits ? 2 : 1);
                        close_region();
                }
}
END_TEST

START_TEST(other_generations_go_first_then_the_oldest) {
        open_bucket();
        for (unsigned i = 0; i < CACHE_WAYS; i++)
                ck_assert_int_eq(store_clean(i, i == 3 || i == 5 ? &gen_b : &gen_a, 100 + i),
                                 CACHE_ADDED);
        /* 3 and 5 are of another generation, then 0 and 1 are the oldest. */
        for (unsigned i = 0; i < 4; i++)
                ck_assert_int_eq(store_clean(100 + i, &gen_a, 200 + i), CACHE_EVICTED);
        for (unsigned i = 0; i < CACHE_WAYS; i++)
                ck_assert_int_eq(ask(i, &gen_a),
                                 i == 0 || i == 1 || i == 3 || i == 5 ? CACHE_MISS : CACHE_HIT);
        for (unsigned i = 0; i < 4; i++)
                ck_assert_int_eq(ask(100 + i, &gen_a), CACHE_HIT);
        ck_assert_uint_eq(cache.n_entries, CACHE_WAYS);
        close_region();
}
END_TEST

START_TEST(every_flipped_bit_is_a_miss) {
        struct cache_entry *e;

        open_bucket();
        e = entries();
        ck_assert_int_eq(store_clean(1, &gen_a, 1795470147232), CACHE_ADDED);
        while (e->verdict == VERDICT_UNKNOWN)
                e++;
        for (size_t bit = 0; bit < 8 * ENTRY; bit++) {
                uint8_t *byte = (uint8_t *)e + bit / 8;
                struct cache_entry copy;

                *byte = (uint8_t)(*byte ^ 1U << bit % 8);
                ck_assert_int_eq(ask(1, &gen_a), CACHE_MISS);
                ck_assert(!cache_export(&cache, (size_t)(e - entries()), &copy));
                *byte = (uint8_t)(*byte ^ 1U << bit % 8);
                ck_assert_int_eq(ask(1, &gen_a), CACHE_HIT);
        }
        close_region();
}
END_TEST

/* Where the two have bytes in common a cut leaves one of them whole. */
static bool is_mixed(const struct cache_entry *e, const struct cache_entry *a,
                     const struct cache_entry *b) {
        return memcmp(e, a, sizeof(*e)) != 0 && memcmp(e, b, sizeof(*e)) != 0;
}

/* A page or a read that is half of one entry and half of another, at every place, both ways. The
 * two share their digest, the worst case: one says clean, the other does not. */
START_TEST(every_torn_entry_is_a_miss) {
        struct cache_verdict v = clean(&gen_a, 1795470147232);
        struct cache_entry a, b, *e;
        unsigned hits = 0, mixed = 0;

        open_bucket();
        ck_assert_int_eq(cache_store(&cache, digest_of(1), &v), CACHE_ADDED);
        e = entries();
        while (e->verdict == VERDICT_UNKNOWN)
                e++;
        a = *e;
        v.verdict = VERDICT_UNSCANNABLE;
        v.reason = REASON_ENCRYPTED;
        v.generation = gen_b;
        v.time_msec = 1;
        ck_assert_int_eq(cache_store(&cache, digest_of(1), &v), CACHE_REPLACED);
        b = *e;

        for (size_t cut = DIGEST_SIZE + 1; cut < ENTRY; cut++) {
                memcpy(e, &a, cut);
                memcpy((uint8_t *)e + cut, (uint8_t *)&b + cut, ENTRY - cut);
                mixed += is_mixed(e, &a, &b);
                hits += is_mixed(e, &a, &b) && ask(1, &gen_a) != CACHE_MISS;
                memcpy(e, &b, cut);
                memcpy((uint8_t *)e + cut, (uint8_t *)&a + cut, ENTRY - cut);
                mixed += is_mixed(e, &a, &b);
                hits += is_mixed(e, &a, &b) && ask(1, &gen_a) != CACHE_MISS;
        }
        ck_assert_uint_eq(hits, 0);
        ck_assert_uint_gt(mixed, 40);
        *e = a;
        ck_assert_int_eq(ask(1, &gen_a), CACHE_HIT);
        close_region();
}
END_TEST

START_TEST(another_key_finds_nothing) {
        struct cache_key *other = cache_key_new(other_secret);
        uint8_t header[CACHE_FILE_HEADER_SIZE];
        struct cache_entry e;
        struct cache theirs;
        uint64_t n;

        open_bucket();
        (void)store_clean(1, &gen_a, 1);
        ck_assert_int_eq(cache_open(region, region_size, other, &theirs), 0);
        ck_assert_int_eq(cache_lookup(&theirs, digest_of(1), &gen_a, &(struct cache_verdict){}),
                         CACHE_MISS);
        for (size_t i = 0; i < cache_capacity(&cache); i++) {
                ck_assert(!cache_export(&theirs, i, &e));
                if (cache_export(&cache, i, &e))
                        ck_assert(!cache_import(&theirs, &e));
        }
        ck_assert_int_eq(cache_file_header(key, 0, header), 0);
        ck_assert_int_eq(cache_file_check(key, header, sizeof(header), &n), 0);
        ck_assert_int_eq(cache_file_check(other, header, sizeof(header), &n), -EKEYREJECTED);
        cache_key_free(other);
        close_region();
}
END_TEST

/* A file outlives the program that wrote it, whatever that one makes its MACs with. */
START_TEST(macs_are_those_of_rfc_2104) {
        struct cache_entry e = { .generation = gen_a, .verdict = VERDICT_CLEAN };
        uint8_t expected[DIGEST_SIZE], mac[CACHE_MAC_SIZE];
        unsigned n;

        open_bucket();
        for (unsigned i = 0; i < 100; i++) {
                memcpy(e.digest, digest_of(i), DIGEST_SIZE);
                e.time_msec = i;
                ck_assert_ptr_nonnull(HMAC(EVP_sha256(), secret, CACHE_KEY_SIZE, (const void *)&e,
                                           offsetof(struct cache_entry, mac), expected, &n));
                ck_assert_uint_eq(n, DIGEST_SIZE);
                ck_assert_int_eq(cache_entry_mac(key, &e, mac), 0);
                ck_assert_mem_eq(mac, expected, CACHE_MAC_SIZE);
        }
        close_region();
}
END_TEST

/* What others hold under our key, but nobody could have stored. */
START_TEST(a_good_mac_is_not_enough) {
        struct cache_entry e = { .generation = gen_a, .time_msec = 1 };

        open_bucket();
        memcpy(e.digest, digest_of(1), DIGEST_SIZE);
        for (unsigned v = 0; v < 256; v++)
                for (unsigned r = 0; r < 256; r++) {
                        bool good = (v == VERDICT_CLEAN && r == REASON_NONE) ||
                                    (v == VERDICT_UNSCANNABLE && r >= REASON_LIMITS &&
                                     r <= REASON_BROKEN);

                        e.verdict = (uint8_t)v;
                        e.reason = (uint8_t)r;
                        ck_assert_int_eq(cache_entry_mac(key, &e, e.mac), 0);
                        ck_assert_int_eq(cache_import(&cache, &e), good);
                        ck_assert_int_eq(ask(1, &gen_a), good ? CACHE_HIT : CACHE_MISS);
                        (void)cache_store(&cache, digest_of(1),
                                          &(struct cache_verdict){ .reason = REASON_ENGINE });
                        entries()[2] = e; /* in memory */
                        ck_assert_int_eq(ask(1, &gen_a), good ? CACHE_HIT : CACHE_MISS);
                        entries()[2] = (struct cache_entry){};
                        cache.n_entries = 0;
                }
        close_region();
}
END_TEST

START_TEST(region_sizes) {
        static const uint64_t sizes[] = {
                0,
                1,
                4096,
                4097,
                4608,
                5000,
                5120,
                (1 << 20) + 1,
                64U << 20,
                1U << 31,
                INT64_MAX,
                UINT64_MAX,
                CACHE_SIZE_MAX,
                CACHE_SIZE_MAX + 1,
        };
        struct cache_view view;
        struct cache c;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                size_t size = cache_region_size(sizes[i]);

                ck_assert_uint_ge(size, CACHE_HEADER_SIZE + BUCKET);
                ck_assert_uint_le(size, MAX(sizes[i], (uint64_t)CACHE_HEADER_SIZE + BUCKET));
                ck_assert_uint_le(size, CACHE_SIZE_MAX);
                ck_assert_uint_eq((size - CACHE_HEADER_SIZE) % BUCKET, 0);
                ck_assert_uint_eq(cache_region_size(size), size);
        }
        ck_assert_uint_eq(cache_region_size(64 << 20), 64 << 20);

        open_region(8192);
        for (size_t size = 0; size < region_size; size++)
                ck_assert_int_eq(cache_view(region, size, &view), -EINVAL);
        ck_assert_int_eq(cache_view(region, region_size, &view), 0);
        ck_assert_int_eq(cache_view(region, SIZE_MAX, &view), -EINVAL);

        /* Every byte of the header counts, but those that are reserved. */
        for (size_t i = 0; i < 32; i++) {
                region[i] ^= 1;
                ck_assert_int_eq(cache_open(region, region_size, key, &c),
                                 i >= 8 && i < 12    ? -EPROTONOSUPPORT
                                 : i >= 20 && i < 24 ? 0
                                                     : -EINVAL);
                region[i] ^= 1;
        }
        close_region();
}
END_TEST

/* The first and the last bucket are in reach, and nothing beyond them is touched. */
START_TEST(digests_at_the_ends) {
        uint8_t low[DIGEST_SIZE] = {}, high[DIGEST_SIZE];
        struct cache_verdict v = clean(&gen_a, 1);

        memset(high, 0xff, sizeof(high));
        open_region(100 << 10);
        ck_assert_int_eq(cache_lookup(&cache, low, &gen_a, &v), CACHE_MISS);
        ck_assert_int_eq(cache_store(&cache, low, &v), CACHE_ADDED);
        ck_assert_int_eq(cache_store(&cache, high, &v), CACHE_ADDED);
        ck_assert_int_eq(cache_lookup(&cache, low, &gen_a, &v), CACHE_HIT);
        ck_assert_int_eq(cache_lookup(&cache, high, &gen_a, &v), CACHE_HIT);
        ck_assert_int_eq(entries()[0].verdict, VERDICT_CLEAN);
        ck_assert_int_eq(entries()[cache_capacity(&cache) - CACHE_WAYS].verdict, VERDICT_CLEAN);
        close_region();
}
END_TEST

START_TEST(hints) {
        struct cache_view view;

        open_region(1 << 20);
        ck_assert_int_eq(cache_view(region, region_size, &view), 0);
        for (unsigned i = 0; i < 500; i++)
                (void)store_clean(i, i % 2 ? &gen_a : &gen_b, 1);
        for (unsigned i = 0; i < 1000; i++)
                ck_assert_int_eq(cache_hint(&view, digest_of(i), &gen_a), i < 500 && i % 2);
        (void)cache_store(&cache, digest_of(1),
                          &(struct cache_verdict){ .verdict = VERDICT_INFECTED });
        ck_assert(!cache_hint(&view, digest_of(1), &gen_a));
        close_region();
}
END_TEST

/* Into a cache of another size: all of it, or the newest. */
START_TEST(export_and_import) {
        uint64_t bytes[] = { 8 << 20, 4 << 20, 16 << 10, 0 };
        struct cache from;
        uint8_t *from_region;
        size_t from_size;

        open_region(4 << 20);
        for (unsigned i = 0; i < 4000; i++)
                ck_assert_int_eq(store_clean(i, i < 2000 ? &gen_a : &gen_b, 1000 + i), CACHE_ADDED);
        from = cache;
        from_region = region;
        from_size = region_size;
        for (size_t k = 0; k < ELEMENTSOF(bytes); k++) {
                size_t n = 0, newest_half = 0, oldest_half = 0;
                struct cache_entry e;

                open_region(bytes[k]);
                for (size_t i = 0; i < cache_capacity(&from); i++)
                        if (cache_export(&from, i, &e)) {
                                ck_assert(cache_import(&cache, &e));
                                ck_assert(cache_import(&cache, &e)); /* twice is once */
                                n++;
                        }
                ck_assert_uint_eq(n, 4000);
                for (unsigned i = 0; i < 4000; i++) {
                        bool found = ask(i, &gen_b) != CACHE_MISS;

                        newest_half += i >= 2000 && found;
                        oldest_half += i < 2000 && found;
                }
                ck_assert_uint_eq(newest_half + oldest_half, cache.n_entries);
                if (cache_capacity(&cache) >= 4000)
                        ck_assert_uint_eq(cache.n_entries, 4000);
                else {
                        ck_assert_uint_eq(cache.n_entries, cache_capacity(&cache));
                        ck_assert_uint_eq(oldest_half, 0);
                }
                close_region();
        }
        cache_key_free(from.key);
        ck_assert_int_eq(munmap(from_region, from_size), 0);
}
END_TEST

START_TEST(file_headers) {
        uint8_t header[CACHE_FILE_HEADER_SIZE];
        uint64_t n = 77;

        open_bucket();
        ck_assert_int_eq(cache_file_header(key, 1000, header), 0);
        ck_assert_int_eq(cache_file_check(key, header, 64 + 1000 * ENTRY, &n), 0);
        ck_assert_uint_eq(n, 1000);
        n = 77;
        for (size_t bit = 0; bit < 8 * sizeof(header); bit++) {
                header[bit / 8] = (uint8_t)(header[bit / 8] ^ 1U << bit % 8);
                ck_assert_int_eq(cache_file_check(key, header, 64 + 1000 * ENTRY, &n),
                                 bit < 64   ? -EINVAL
                                 : bit < 96 ? -EPROTONOSUPPORT
                                            : -EKEYREJECTED);
                header[bit / 8] = (uint8_t)(header[bit / 8] ^ 1U << bit % 8);
        }
        for (uint64_t size = 0; size < 64 + 1100 * ENTRY; size += size % 64 == 1 ? 63 : 1)
                if (size != 64 + 1000 * ENTRY)
                        ck_assert_int_eq(cache_file_check(key, header, size, &n), -EMSGSIZE);
        ck_assert_uint_eq(n, 77);
        close_region();
}
END_TEST

/* ---- One writer, readers beside it ---- */

#define CONTENTS 64 /* eight for each place of one bucket: all writes hit the same lines */

static _Atomic(bool) stop;

struct reader {
        struct cache_view view;
        struct cache cache;
        uint64_t hints, exports;
};

/* The time of a content's verdict is its number: any other time with it was never stored. */
static void *read_along(void *userdata) {
        struct reader *r = userdata;
        struct cache_entry e;

        while (!atomic_load(&stop))
                for (unsigned i = 0; i < CONTENTS; i++) {
                        uint8_t digest[DIGEST_SIZE];

                        if (digest_buffer(&i, sizeof(i), digest) < 0)
                                return NULL;
                        r->hints += cache_hint(&r->view, digest, &gen_a);
                        if (!cache_export(&r->cache, i % CACHE_WAYS, &e))
                                continue;
                        if (e.time_msec >= CONTENTS)
                                return NULL;
                        if (digest_buffer(&(unsigned){ (unsigned)e.time_msec }, sizeof(unsigned),
                                          digest) < 0 ||
                            memcmp(digest, e.digest, sizeof(digest)) != 0)
                                return NULL;
                        r->exports++;
                }
        return r;
}

START_TEST(readers_beside_the_writer) {
        struct reader readers[2] = {};
        pthread_t threads[ELEMENTSOF(readers)];
        uint64_t until = now_usec() + STRESS_USEC, writes = 0;
        void *result;

        open_bucket();
        for (size_t i = 0; i < ELEMENTSOF(readers); i++) {
                ck_assert_int_eq(cache_view(region, region_size, &readers[i].view), 0);
                ck_assert_int_eq(
                        cache_open(region, region_size, cache_key_new(secret), &readers[i].cache),
                        0);
                ck_assert_int_eq(pthread_create(&threads[i], NULL, read_along, &readers[i]), 0);
        }
        while (now_usec() < until)
                for (unsigned i = 0; i < CONTENTS; i++, writes++) {
                        ck_assert_int_ge(store_clean(i, &gen_a, i), 0);
                        ck_assert_int_eq(ask(i, &gen_a), CACHE_HIT);
                }
        atomic_store(&stop, true);
        for (size_t i = 0; i < ELEMENTSOF(readers); i++) {
                ck_assert_int_eq(pthread_join(threads[i], &result), 0);
                ck_assert_msg(result, "a reader believed what was never stored");
                ck_assert_uint_gt(readers[i].hints, 0);
                ck_assert_uint_gt(readers[i].exports, 0);
                cache_key_free(readers[i].cache.key);
        }
        ck_assert_uint_gt(writes, CONTENTS);
        close_region();
}
END_TEST

/* What the gate pays: printed, and held against a bound that only something absurd exceeds. */
START_TEST(costs) {
        static uint8_t digests[BENCH_ROUNDS][DIGEST_SIZE];
        struct cache_verdict v = clean(&gen_a, 1);
        struct cache_view view;
        uint64_t times[5];
        unsigned found = 0;

        for (unsigned i = 0; i < BENCH_ROUNDS; i++)
                memcpy(digests[i], digest_of(i), DIGEST_SIZE);
        open_region(64 << 20);
        (void)memset(region + CACHE_HEADER_SIZE, 0, region_size - CACHE_HEADER_SIZE);
        ck_assert_int_eq(cache_view(region, region_size, &view), 0);
        times[0] = now_usec();
        for (unsigned i = 0; i < BENCH_ROUNDS; i++)
                found += cache_lookup(&cache, digests[i], &gen_a, &v) != CACHE_MISS;
        times[1] = now_usec();
        for (unsigned i = 0; i < BENCH_ROUNDS; i++)
                (void)cache_store(&cache, digests[i], &v);
        times[2] = now_usec();
        for (unsigned i = 0; i < BENCH_ROUNDS; i++)
                found += cache_lookup(&cache, digests[i], &gen_a, &v) == CACHE_HIT;
        times[3] = now_usec();
        for (unsigned i = 0; i < BENCH_ROUNDS; i++)
                found += cache_hint(&view, digests[i], &gen_a);
        times[4] = now_usec();
        ck_assert_uint_eq(found, 2 * BENCH_ROUNDS);
        printf("miss %.2f us, store %.2f us, hit %.2f us, hint %.2f us\n",
               (double)(times[1] - times[0]) / BENCH_ROUNDS,
               (double)(times[2] - times[1]) / BENCH_ROUNDS,
               (double)(times[3] - times[2]) / BENCH_ROUNDS,
               (double)(times[4] - times[3]) / BENCH_ROUNDS);
        ck_assert_uint_lt(times[3] - times[2], BENCH_ROUNDS * UINT64_C(100));
        close_region();
}
END_TEST

UNIT_MAIN("cache", what_is_stored_is_found, generations, only_two_verdicts_are_kept,
          other_generations_go_first_then_the_oldest, every_flipped_bit_is_a_miss,
          every_torn_entry_is_a_miss, another_key_finds_nothing, macs_are_those_of_rfc_2104,
          a_good_mac_is_not_enough, region_sizes, digests_at_the_ends, hints, export_and_import,
          file_headers, readers_beside_the_writer, costs);
