/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verdict cache by itself, with room for N digests: N are put into it when it is empty, N more when it
 * is as good as full, known and unknown ones are looked up in no order, as many as are said; then it is
 * saved in a folder as storescand saves it, for one that has the same size, and loaded again. One line
 * goes to standard output, times of all of it:
 *
 *     digests N insert_nsec N evict_nsec N lookups N hits N hit_nsec N miss_nsec N
 *         kept N memory N save_nsec N file N load_nsec N
 */

#include <fcntl.h>
#include <getopt.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/verdicts-file.h"
#include "tests/bench/bench.h"

#define MOST      100000000
#define TIME_MSEC UINT64_C(1700000000000) /* of the first digest */

/* splitmix64, by Sebastiano Vigna: a digest of which all bits depend on i. */
static uint64_t mix(uint64_t x) {
        x += UINT64_C(0x9E3779B97F4A7C15);
        x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
        return x ^ x >> 31;
}

static void digest_of(uint64_t i, uint8_t ret[static DIGEST_SIZE]) {
        uint64_t word = i;

        for (size_t k = 0; k < DIGEST_SIZE; k += sizeof(word)) {
                word = mix(word);
                memcpy(ret + k, &word, sizeof(word));
        }
}

static _Noreturn void die(const char *what, int error) {
        fprintf(stderr, "Failed to %s: %s.\n", what, strerror(-error));
        exit(EXIT_FAILURE);
}

static void *take_memory(size_t size) {
        void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

        if (base == MAP_FAILED)
                die("take memory", -errno);
        cache_format(base, size);
        return base;
}

static struct cache open_cache(void *base, size_t size, struct cache_key *key) {
        struct cache cache;
        int r = cache_open(base, size, key, &cache);

        if (r < 0)
                die("open the cache", r);
        return cache;
}

static uint64_t insert(struct cache *cache, uint64_t first, uint64_t n) {
        struct cache_verdict verdict = { .verdict = VERDICT_CLEAN };
        uint64_t start = now_nsec();

        for (uint64_t i = first; i < first + n; i++) {
                uint8_t digest[DIGEST_SIZE];
                int r;

                digest_of(i, digest);
                verdict.time_msec = TIME_MSEC + i; /* the oldest goes */
                r = cache_store(cache, digest, &verdict);
                if (r < 0)
                        die("put a digest into the cache", r);
        }
        return now_nsec() - start;
}

/* Digests from first to first + range - 1. Returns the time; *hits grows. */
static uint64_t look_up(const struct cache *cache, uint64_t first, uint64_t range, unsigned n,
                        uint64_t *hits) {
        const struct generation running = {};
        uint64_t start = now_nsec();

        for (unsigned i = 0; i < n; i++) {
                struct cache_verdict verdict;
                uint8_t digest[DIGEST_SIZE];

                digest_of(first + mix(i) % range, digest);
                *hits += cache_lookup(cache, digest, &running, &verdict) == CACHE_HIT;
        }
        return now_nsec() - start;
}

static struct cache_key *read_key(int folder) {
        uint8_t secret[CACHE_KEY_SIZE];
        struct cache_key *key;
        int r = verdicts_key_read(folder, secret);

        if (r < 0)
                die("read or make the key", r);
        key = cache_key_new(secret);
        if (!key)
                die("use the key", -ENOMEM);
        return key;
}

/* Prints everything but the number. */
static void run(int folder, uint64_t n, unsigned lookups) {
        size_t size = cache_region_size(CACHE_HEADER_SIZE + n * sizeof(struct cache_entry));
        struct cache_key *key = read_key(folder);
        struct verdicts_loaded loaded = {};
        uint64_t hits = 0, wrong = 0, saved = 0, start;
        void *base = take_memory(size);
        struct cache cache = open_cache(base, size, key);
        struct stat st;
        int r;

        printf(" insert_nsec %llu", (unsigned long long)insert(&cache, 0, n));
        printf(" evict_nsec %llu", (unsigned long long)insert(&cache, n, n));
        printf(" lookups %u hit_nsec %llu", lookups,
               (unsigned long long)look_up(&cache, n, n, lookups, &hits));
        printf(" miss_nsec %llu", (unsigned long long)look_up(&cache, 2 * n, n, lookups, &wrong));
        if (wrong > 0)
                die("miss what is not there", -EBADMSG);
        printf(" hits %llu kept %zu memory %zu", (unsigned long long)hits, cache.n_entries, size);

        start = now_nsec();
        r = verdicts_save(folder, &cache, &saved);
        if (r < 0)
                die("save", r);
        printf(" save_nsec %llu", (unsigned long long)(now_nsec() - start));
        if (fstatat(folder, VERDICTS_NAME, &st, 0) < 0)
                die("find what was saved", -errno);
        (void)munmap(base, size);

        base = take_memory(size);
        cache = open_cache(base, size, key);
        start = now_nsec();
        r = verdicts_load(folder, &cache, &loaded);
        if (r < 0 || loaded.damaged > 0 || cache.n_entries != saved)
                die("load what was saved", r < 0 ? r : -EBADMSG);
        printf(" load_nsec %llu file %llu\n", (unsigned long long)(now_nsec() - start),
               (unsigned long long)st.st_size);
        (void)munmap(base, size);
        cache_key_free(key);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "digests", required_argument, NULL, 'd' },
                { "lookups", required_argument, NULL, 'l' },
                {},
        };
        unsigned n = 1000000, lookups = 200000;
        _cleanup_close_ int folder = -EBADF;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'd': n = parse_number("--digests", optarg, CACHE_WAYS, MOST); break;
                case 'l': lookups = parse_number("--lookups", optarg, 1, MOST); break;
                default: return EXIT_FAILURE;
                }
        if (optind + 1 != argc) {
                fprintf(stderr, "Usage: digests [--digests N] [--lookups N] FOLDER\n");
                return EXIT_FAILURE;
        }
        folder = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                die("open the folder", -errno);
        printf("digests %u", n);
        run(folder, n, lookups);
        return EXIT_SUCCESS;
}
