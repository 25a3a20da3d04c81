/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the table of generations and the thread that writes it, one write at a time: the gate thread
 * only ever makes the text. Must not know what a stamp's content is.
 */

#include "daemon/history.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "daemon/clock.h"
#include "daemon/new-file.h"
#include "store/digest.h"
#include "store/rescan.h"

#define RETRY_USEC USEC_PER_SEC /* until a write that is under way is looked at again */
#define END_USEC   (3 * USEC_PER_SEC)

struct history {
        const struct config *config;
        struct journal *journal;
        struct generations generations;
        struct generation running;
        bool has_running, unreadable, unsaved;
        uint64_t retry_usec;

        /* The thread, which ends with an error or 0, and what it writes. */
        pthread_t thread;
        bool started;
        char text[GENERATIONS_TEXT_MAX];
        size_t size;
        char *directory;
};

DEFINE_CLEANUP(struct digest_ctx *, digest_free);

/* ---- The file ---- */

static int load(struct history *h) {
        char text[GENERATIONS_TEXT_MAX + 1];
        ssize_t n = own_file_load(h->directory, HISTORY_NAME, text, sizeof(text));

        if (n == -ENOENT)
                return 0;
        return n < 0 ? (int)n : generations_parse(text, (size_t)n, &h->generations);
}

static int save(const struct history *h) {
        _cleanup_close_ int folder = own_folder_open(h->directory);

        return folder < 0 ? folder : own_file_save(folder, HISTORY_NAME, h->text, h->size);
}

static void *save_thread(void *userdata) {
        return (void *)(intptr_t)save(userdata);
}

static void save_ended(struct history *h, const void *result) {
        h->started = false;
        if (result)
                journal_say(
                        h->journal, EVENT_HISTORY_FAILED, NULL,
                        "Failed to write %s/%s: %s; after a restart, what was scanned by "
                        "these signatures is taken for never scanned once there are newer ones.",
                        h->directory, HISTORY_NAME, error_text((int)-(intptr_t)result));
}

/* Whether the last write is over. */
static bool saved(struct history *h) {
        void *result;

        if (h->started && pthread_tryjoin_np(h->thread, &result) == 0)
                save_ended(h, result);
        return !h->started;
}

/* ---- Generations ---- */

/* Of every option that changes verdicts: what was scanned under laxer ones is not as good. */
static uint32_t options_digest(const struct config *c) {
        _cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();
        uint8_t digest[DIGEST_SIZE] = {};
        char text[256];
        int n = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %u %u %u %u %u %d %d",
                         c->max_file_size, c->max_scan_size, c->max_files, c->max_recursion,
                         c->limits, c->encrypted, c->broken, c->pua, c->phishing);
        uint32_t v;

        if (c->engine == ENGINE_CLAMD)
                n += snprintf(text + n, sizeof(text) - (size_t)n, " clamd %d", c->clamd_fallback);

        if (!ctx || digest_update(ctx, text, (size_t)n) < 0 ||
            digest_update(ctx, c->allowed_signatures, strlen(c->allowed_signatures)) < 0 ||
            digest_final(ctx, digest) < 0)
                return 0;
        memcpy(&v, digest, sizeof(v));
        return v;
}

uint64_t history_run(struct history *h, const struct generation *running, uint64_t now) {
        if (running && (!h->has_running || memcmp(running, &h->running, sizeof(*running)) != 0)) {
                h->running = *running;
                h->has_running = h->unsaved = true;
                h->retry_usec = 0;
                generations_note(&h->generations, running, options_digest(h->config),
                                 clock_usec(CLOCK_REALTIME) / USEC_PER_SEC);
        }
        /* One that can't be read is left to be looked at. */
        if ((!h->unsaved && !h->started) || h->unreadable)
                return USEC_INFINITY;
        if (now < h->retry_usec)
                return h->retry_usec;
        h->retry_usec = now + RETRY_USEC;
        if (!saved(h) || !h->unsaved)
                return h->started ? h->retry_usec : USEC_INFINITY;
        h->size = generations_format(&h->generations, h->text);
        h->started = pthread_create(&h->thread, NULL, save_thread, h) == 0;
        h->unsaved = !h->started;
        return h->retry_usec;
}

/* ---- Questions ---- */

bool history_may_accept(const struct history *h, const struct stamp *stamp) {
        bool any = false;

        if (h->unreadable || !h->has_running || stamp->verdict != VERDICT_CLEAN)
                return false;
        for (size_t i = 0; i < h->config->n_stores && !any; i++) {
                enum rescan_mode mode = config_rescan_policy(h->config, &h->config->stores[i]).mode;

                any = mode == RESCAN_SWEEP || mode == RESCAN_NEVER_OLDER;
        }
        return any;
}

bool history_accepts(const struct history *h, const struct config_store *store,
                     const struct stamp *stamp) {
        const struct rescan_policy policy = config_rescan_policy(h->config, store);

        return !h->unreadable && h->has_running &&
               rescan_accepts(&policy, &h->generations, &h->running, stamp,
                              clock_usec(CLOCK_REALTIME) / USEC_PER_MSEC);
}

bool history_leaves(const struct history *h, const struct config_store *store,
                    const struct stat *st, bool clean) {
        const struct rescan_policy policy = config_rescan_policy(h->config, store);

        return !h->unreadable && h->has_running &&
               rescan_leaves(&policy, &h->generations, &h->running, st, clean,
                             clock_usec(CLOCK_REALTIME) / USEC_PER_SEC);
}

/* ---- The object ---- */

int history_new(const struct config *config, struct journal *journal, struct history **ret) {
        struct history *h = calloc(1, sizeof(*h));
        int r;

        if (!h || !(h->directory = strdup(config->cache_directory))) {
                free(h);
                return -ENOMEM;
        }
        h->config = config;
        h->journal = journal;
        r = load(h);
        if (r < 0) {
                h->unreadable = true;
                journal_say(journal, EVENT_HISTORY_FAILED, NULL,
                            "Failed to read %s/%s: %s; no stamp of older signatures is accepted, "
                            "and no mail is too old to be scanned, until it is repaired or deleted "
                            "and storescand restarted.",
                            h->directory, HISTORY_NAME,
                            r == -EINVAL ? "it is damaged" : error_text(-r));
        }
        *ret = h;
        return 0;
}

struct history *history_free(struct history *h) {
        void *result;

        if (!h)
                return NULL;
        if (h->started && join_until(h->thread, &result, now_usec() + END_USEC) != 0)
                return h;
        if (h->started)
                save_ended(h, result);
        free(h->directory);
        free(h);
        return NULL;
}
