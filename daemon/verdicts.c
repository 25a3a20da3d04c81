/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the memory, the thread, both handles on the cache (the gate's, and the thread's for the
 * file). Must not own: what a verdict means for an opener.
 *
 * The memory is a memfd, taken as a whole at start: a page that can't be had later would be a
 * SIGBUS in the gate. It is never a mapping of the file, whose pages come from a disk. It can't be
 * resized, nor mapped for writing by anyone after us (F_SEAL_FUTURE_WRITE, Linux 5.1).
 *
 * The thread writes to the memory until loaded is set, and from then on only the gate does.
 */

#include "daemon/verdicts.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sysinfo.h>

#include "daemon/clock.h"
#include "daemon/new-file.h"
#include "daemon/verdicts-file.h"

#define SAVE_USEC   (5 * 60 * USEC_PER_SEC)
#define SAVE_RARELY 12 /* periods until few changes are saved, too: an hour */
#define SAVE_PART   16 /* a sixteenth of the file makes many */
#define END_USEC    (10 * USEC_PER_SEC)

/* The largest share of the machine's memory. More is a mistake, and one that is found out late: the
 * kernel grants a memfd any size, and kills others for its pages. */
#define MEMORY_PART 4

/* Contents found infected or undecided before the file is loaded, which takes them for clean. */
#define EARLY_MAX 1024

struct verdicts {
        struct stats *stats;
        struct cache cache; /* the gate's, once loaded is set */
        uint8_t (*early)[DIGEST_SIZE];
        size_t n_early;
        bool is_open;  /* loaded was seen, and what was early is forgotten */
        bool distrust; /* more was early than could be noted: the cache is not used */

        /* Shared. */
        struct journal *journal;
        pthread_mutex_t say; /* held while logging; the gate takes it only to end */
        bool mute;
        pthread_t thread;
        int fd, wake;
        void *base;
        size_t size;
        _Atomic(bool) loaded, stop;
        _Atomic(uint64_t) changes;
        sem_t loaded_event;

        /* The thread's. */
        char *directory;
        int folder; /* -EBADF: memory only */
        struct cache file_cache;
        uint64_t save_usec, saved_usec, saved_changes, saved_n;
        bool save_failed;
};

/* ---- The thread ---- */

#define say(v, ...)                                                                       \
        do {                                                                              \
                (void)pthread_mutex_lock(&(v)->say);                                      \
                if (!(v)->mute)                                                           \
                        journal_say((v)->journal, EVENT_CACHE_FAILED, NULL, __VA_ARGS__); \
                (void)pthread_mutex_unlock(&(v)->say);                                    \
        } while (0)

/* What is wrong with a file that can't be loaded. */
static const char *load_problem(int error) {
        switch (error) {
        case -EINVAL: return "it is no file of verdicts";
        case -EPROTONOSUPPORT: return "another version of storescan wrote it";
        case -EKEYREJECTED: return "it is damaged, or was written under another key";
        case -EMSGSIZE: return "it is not complete";
        case -EMEDIUMTYPE: return "it is not a regular file";
        default: return error_text(-error);
        }
}

static void load_file(struct verdicts *v) {
        struct verdicts_loaded loaded = {};
        int r = verdicts_load(v->folder, &v->file_cache, &loaded);

        if (r < 0 && r != -ENOENT)
                say(v,
                    "Verdicts from before the start are not used: %s/" VERDICTS_NAME
                    ": %s. It is replaced at the next save.",
                    v->directory, load_problem(r));
        if (loaded.damaged > 0)
                say(v, "%llu of %llu verdicts in %s/" VERDICTS_NAME " are damaged and left out.",
                    (unsigned long long)loaded.damaged, (unsigned long long)loaded.n, v->directory);
        v->saved_n = loaded.n;
}

/* The folder and the key in it; without them, a key for this run. Returns an enum verdicts_key. */
static int find_key(struct verdicts *v, uint8_t ret_secret[static CACHE_KEY_SIZE]) {
        int r;

        r = v->folder = own_folder_open(v->directory);
        if (r >= 0)
                r = verdicts_key_read(v->folder, ret_secret);
        if (r == VERDICTS_KEY_REPLACED)
                say(v,
                    "%s/" VERDICTS_KEY_NAME " was not a key of storescand's alone, and was "
                    "replaced: verdicts from before the start are not used.",
                    v->directory);
        if (r >= 0)
                return r;
        say(v,
            "Verdicts are kept in memory only, until a restart: %s: %s. Make it a folder that "
            "storescand can write to, and restart.",
            v->directory, error_text(-r));
        v->folder = close_fd(v->folder);
        if (getrandom(ret_secret, CACHE_KEY_SIZE, 0) != CACHE_KEY_SIZE)
                return -EIO;
        return VERDICTS_KEY_MADE;
}

/* Makes both handles and hands the gate its own. */
static int load(struct verdicts *v) {
        uint8_t secret[CACHE_KEY_SIZE];
        int found = find_key(v, secret), r = MIN(found, 0);

        if (r >= 0) {
                v->cache.key = cache_key_new(secret);
                v->file_cache.key = cache_key_new(secret);
        }
        explicit_bzero(secret, sizeof(secret));
        if (r < 0 || !v->cache.key || !v->file_cache.key)
                return r < 0 ? r : -ENOMEM;

        r = cache_open(v->base, v->size, v->file_cache.key, &v->file_cache);
        if (r < 0)
                return r;
        if (v->folder >= 0 && found != VERDICTS_KEY_REPLACED)
                load_file(v);
        v->cache = (struct cache){
                .slots = v->file_cache.slots,
                .n_buckets = v->file_cache.n_buckets,
                .key = v->cache.key,
                .n_entries = v->file_cache.n_entries,
        };
        atomic_store_explicit(&v->loaded, true, memory_order_release);
        return 0;
}

static void save(struct verdicts *v, uint64_t now, uint64_t changes) {
        int r = verdicts_save(v->folder, &v->file_cache, &v->saved_n);

        v->saved_usec = now;
        if (r >= 0)
                v->saved_changes = changes;
        else if (!v->save_failed)
                say(v,
                    "Verdicts could not be saved in %s: %s. They stay in memory, and saving is "
                    "tried again.",
                    v->directory, error_text(-r));
        v->save_failed = r < 0;
}

static void save_if_due(struct verdicts *v, bool ending) {
        uint64_t changes = atomic_load(&v->changes), now = now_usec();
        uint64_t fresh = changes - v->saved_changes, age = now - v->saved_usec;

        if (v->folder < 0 || fresh == 0)
                return;
        if (ending || (age >= v->save_usec && fresh >= v->saved_n / SAVE_PART) ||
            age >= SAVE_RARELY * v->save_usec)
                save(v, now, changes);
}

static void *verdicts_thread(void *userdata) {
        struct verdicts *v = userdata;
        struct pollfd wake = { .fd = v->wake, .events = POLLIN };
        /* Here, since openers may wait for the start, and that takes its time. */
        int r = fallocate(v->fd, 0, 0, (off_t)v->size) < 0 ? -errno : load(v);

        if (r < 0)
                say(v, "There is no verdict cache: %s.", error_text(-r));
        v->saved_usec = now_usec();
        (void)sem_post(&v->loaded_event);
        for (bool ending = false; r >= 0 && !ending;) {
                (void)poll(&wake, 1, (int)MAX(v->save_usec / USEC_PER_MSEC, UINT64_C(1)));
                ending = atomic_load(&v->stop);
                save_if_due(v, ending); /* also when it was stopped before the first wait */
        }
        return NULL;
}

/* ---- The gate thread's side ---- */

static void verdicts_destroy(struct verdicts *v) {
        cache_key_free(v->cache.key);
        cache_key_free(v->file_cache.key);
        if (v->base)
                (void)munmap(v->base, v->size);
        close_fd(v->fd);
        close_fd(v->wake);
        close_fd(v->folder);
        (void)sem_destroy(&v->loaded_event);
        (void)pthread_mutex_destroy(&v->say);
        free(v->directory);
        free(v->early);
        free(v);
}

/* -E2BIG: more than there may be. */
static int check_size(uint64_t size) {
        struct sysinfo machine;

        if (sysinfo(&machine) < 0)
                return -errno;
        return size > CACHE_SIZE_MAX || size / machine.mem_unit > machine.totalram / MEMORY_PART
                       ? -E2BIG
                       : 0;
}

static int take_memory(struct verdicts *v) {
        void *base;

        v->fd = memfd_create("storescan-verdicts", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (v->fd < 0 || ftruncate(v->fd, (off_t)v->size) < 0)
                return -errno;
        base = mmap(NULL, v->size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
        if (base == MAP_FAILED)
                return -errno;
        v->base = base;
        cache_format(v->base, v->size);
        return fcntl(v->fd, F_ADD_SEALS,
                     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0
                       ? -errno
                       : 0;
}

static int start(struct verdicts *v, const struct verdicts_settings *settings) {
        int r = check_size(settings->size);

        if (r < 0)
                return r;
        v->directory = strdup(settings->directory);
        if (!v->directory)
                return -ENOMEM;
        r = take_memory(v);
        if (r < 0)
                return r;
        v->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (v->wake < 0)
                return -errno;
        return -pthread_create(&v->thread, NULL, verdicts_thread, v);
}

struct verdicts *verdicts_new(const struct verdicts_settings *settings, struct stats *stats,
                              struct journal *journal) {
        struct verdicts *v;
        int r = -ENOMEM;

        if (settings->size == 0)
                return NULL;
        v = calloc(1, sizeof(*v));
        if (v) {
                *v = (struct verdicts){
                        .stats = stats,
                        .journal = journal,
                        .size = cache_region_size(settings->size),
                        .save_usec = settings->save_usec ? settings->save_usec : SAVE_USEC,
                        .fd = -EBADF,
                        .wake = -EBADF,
                        .folder = -EBADF,
                };
                (void)pthread_mutex_init(&v->say, NULL);
                (void)sem_init(&v->loaded_event, 0, 0);
                r = start(v, settings);
        }
        if (r >= 0)
                return v;
        if (v)
                verdicts_destroy(v);
        journal_say(
                journal, EVENT_CACHE_FAILED, NULL,
                "There is no verdict cache: %llu bytes of memory can't be had: %s. Make [cache] "
                "size smaller, and restart.",
                (unsigned long long)settings->size,
                r == -E2BIG ? "that is more than a quarter of this machine's" : error_text(-r));
        return NULL;
}

struct verdicts *verdicts_free(struct verdicts *v) {
        const uint64_t one = 1;

        if (!v)
                return NULL;
        atomic_store(&v->stop, true);
        (void)!write(v->wake, &one, sizeof(one));
        if (join_until(v->thread, NULL, now_usec() + END_USEC) != 0) {
                (void)pthread_mutex_lock(&v->say);
                v->mute = true; /* the journal ends before the thread does */
                (void)pthread_mutex_unlock(&v->say);
                return v;
        }
        verdicts_destroy(v);
        return NULL;
}

void verdicts_wait_loaded(struct verdicts *v) {
        while (sem_wait(&v->loaded_event) < 0)
                ;
        (void)sem_post(&v->loaded_event);
}

int verdicts_fd(const struct verdicts *v) {
        return v ? v->fd : -EBADF;
}

/* What the file may say otherwise of. */
static void note_early(struct verdicts *v, const uint8_t digest[static DIGEST_SIZE]) {
        if (!v->early)
                v->early = calloc(EARLY_MAX, sizeof(*v->early));
        if (!v->early || v->n_early == EARLY_MAX) {
                v->distrust = true;
                return;
        }
        memcpy(v->early[v->n_early++], digest, DIGEST_SIZE);
}

static void forget(struct verdicts *v, const uint8_t digest[static DIGEST_SIZE]) {
        static const struct cache_verdict unknown = {
                .verdict = VERDICT_UNKNOWN,
                .reason = REASON_ENGINE,
        };

        if (cache_store(&v->cache, digest, &unknown) == CACHE_REMOVED)
                (void)atomic_fetch_add_explicit(&v->changes, 1, memory_order_relaxed);
}

static bool is_usable(struct verdicts *v) {
        if (!v || v->distrust)
                return false;
        if (!v->is_open && atomic_load_explicit(&v->loaded, memory_order_acquire)) {
                v->is_open = true;
                while (v->n_early > 0)
                        forget(v, v->early[--v->n_early]);
                free(v->early);
                v->early = NULL;
        }
        return v->is_open;
}

enum cache_answer verdicts_lookup(struct verdicts *v, const uint8_t digest[static DIGEST_SIZE],
                                  const struct generation *running, struct cache_verdict *ret) {
        enum cache_answer answer = CACHE_MISS;

        if (!v)
                return CACHE_MISS;
        if (is_usable(v))
                answer = cache_lookup(&v->cache, digest, running, ret);
        if (answer == CACHE_HIT)
                v->stats->cache_hits++;
        else
                v->stats->cache_misses++;
        return answer;
}

void verdicts_store(struct verdicts *v, const uint8_t digest[static DIGEST_SIZE],
                    const struct generation *running, enum verdict verdict, enum reason reason) {
        const struct cache_verdict value = {
                .verdict = verdict,
                .reason = reason,
                .generation = *running,
                .time_msec = clock_usec(CLOCK_REALTIME) / USEC_PER_MSEC,
        };
        int change;

        if (!is_usable(v)) {
                if (v && verdict != VERDICT_CLEAN && verdict != VERDICT_UNSCANNABLE)
                        note_early(v, digest);
                return;
        }
        change = cache_store(&v->cache, digest, &value);
        if (change == CACHE_UNCHANGED || change == -EINVAL)
                return;
        v->stats->cache_stored += change >= 0 && change != CACHE_REMOVED;
        (void)atomic_fetch_add_explicit(&v->changes, 1, memory_order_relaxed);
}

uint64_t verdicts_count(struct verdicts *v) {
        return is_usable(v) ? v->cache.n_entries : 0;
}
