/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the list, what waits to be looked at, and the thread that does one thing at a time: look at a
 * content, or write the list. Both sides never use the same part at once: what the thread works on is
 * fixed before it starts, and looked at again when it has ended. Must not parse anything.
 */

#include "daemon/poisons.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include "daemon/clock.h"
#include "daemon/poison-file.h"
#include "daemon/proc-fd.h"

#define CASES_MAX  8
#define AGAIN_USEC (50 * USEC_PER_MSEC) /* until a thread that is under way is looked at again */
#define RETRY_USEC (60 * USEC_PER_SEC)  /* until the list is written again, after a failure */
#define TOLD_USEC  (10 * USEC_PER_SEC)  /* what is not told by then will not be */
#define END_USEC   (3 * USEC_PER_SEC)

struct item {
        int fd;
        uint64_t offset;
        bool of_many;
        uint32_t serial; /* 0: to be looked at */
        uint64_t until_usec;
        const struct config_store *store;
        struct poison poison;
        int error; /* as poison_copy() */
        char path[PATH_MAX];
};

struct poisons {
        struct stats *stats;
        struct journal *journal;
        struct poison_list list;
        uint64_t version;
        struct generation running;
        bool has_running, unsaved, wipe;
        uint64_t save_usec; /* not before */
        size_t n_items;
        struct item *items[CASES_MAX];

        /* The thread, and what it works on. */
        pthread_t thread;
        bool started;
        char *directory;
        struct item *item; /* NULL: it writes this list */
        bool delete_copies;
        char text[POISON_TEXT_MAX];
        size_t text_size;
};

/* ---- The thread ---- */

static int write_list(struct poisons *p, int folder) {
        int r = p->delete_copies ? poison_delete_copies(folder) : 0;

        return r < 0 ? r : poison_save(folder, p->text, p->text_size);
}

static void *poisons_thread(void *userdata) {
        struct poisons *p = userdata;
        int folder = poison_folder_open(p->directory), r;

        if (!p->item)
                r = folder < 0 ? folder : write_list(p, folder);
        else {
                proc_fd_path(p->item->fd, p->item->path);
                r = p->item->error = poison_copy(folder, p->item->fd, p->item->offset,
                                                 p->item->poison.size, p->item->poison.digest);
        }
        close_fd(folder);
        return (void *)(intptr_t)MIN(r, 0);
}

/* ---- What came of it ---- */

static struct item *item_free(struct item *item) {
        if (!item)
                return NULL;
        close_fd(item->fd);
        if (item->store)
                config_store_release(item->store);
        free(item);
        return NULL;
}

static void log_item(struct poisons *p, const struct item *item) {
        struct log_record *record = journal_get(p->journal, EVENT_POISON);
        char digest[POISON_DIGEST_TEXT + 1];

        if (!record)
                return;
        poison_digest_format(item->poison.digest, digest);
        record->has_verdict = record->has_digest = true;
        record->verdict = VERDICT_UNKNOWN;
        record->reason = item->poison.reason;
        record->store = item->store ? item->store->name : NULL;
        record->size = item->poison.size;
        memcpy(record->digest, item->poison.digest, DIGEST_SIZE);
        record->has_item = item->of_many;
        record->item_offset = item->offset;
        record->item_size = item->poison.size;
        generation_format(&item->poison.generation, record->generation);
        (void)snprintf(record->path, sizeof(record->path), "%s", item->path);
        if (item->poison.copied)
                (void)snprintf(record->detail, sizeof(record->detail),
                               "It cost two workers and is not scanned again by these signatures. "
                               "A copy is in %s/" POISON_FOLDER "/" POISON_COPY "%s.",
                               p->directory, digest);
        else
                (void)snprintf(record->detail, sizeof(record->detail),
                               "It cost two workers and is not scanned again by these signatures. "
                               "There is no copy of its %llu bytes: too large, or no room.",
                               (unsigned long long)item->poison.size);
        journal_put(p->journal, record);
}

static void changed(struct poisons *p) {
        p->version++;
        p->unsaved = true;
        p->save_usec = 0;
}

static void take_item(struct poisons *p, struct item *item) {
        /* What was written to meanwhile, or was never there, is nothing to remember. */
        if (item->error < 0)
                return;
        item->poison.copied = item->error > 0;
        poison_add(&p->list, &item->poison);
        p->stats->poisoned++;
        changed(p);
        log_item(p, item);
}

static void thread_ended(struct poisons *p, const void *result, uint64_t now) {
        p->started = false;
        if (p->item) {
                take_item(p, p->item);
                p->item = item_free(p->item);
                return;
        }
        if (!result)
                return;
        p->unsaved = true;
        p->wipe = p->wipe || p->delete_copies;
        p->save_usec = now + RETRY_USEC;
        journal_say(p->journal, EVENT_CACHE_FAILED, NULL,
                    "Failed to write %s/" POISON_PATH
                    ": %s; what costs workers is remembered in memory, until a restart. Writing "
                    "is tried again.",
                    p->directory, error_text((int)-(intptr_t)result));
}

/* ---- The gate thread's side ---- */

void poisons_learn(struct poisons *p, const struct poison_case *c) {
        struct item *item = p->n_items < CASES_MAX ? calloc(1, sizeof(*item)) : NULL;

        if (!item)
                return;
        item->fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
        if (item->fd < 0) {
                free(item);
                return;
        }
        item->offset = c->offset;
        item->of_many = c->of_many;
        item->serial = c->serial;
        item->until_usec = now_usec() + TOLD_USEC;
        item->store = c->store ? config_store_hold(c->store) : NULL;
        item->poison = (struct poison){
                .generation = *c->generation,
                .size = c->size,
                .time_sec = clock_usec(CLOCK_REALTIME) / USEC_PER_SEC,
                .reason = c->reason,
        };
        memcpy(item->poison.digest, c->digest, DIGEST_SIZE);
        p->items[p->n_items++] = item;
}

static struct item *take_out(struct poisons *p, size_t i) {
        struct item *item = p->items[i];

        memmove(&p->items[i], &p->items[i + 1], (--p->n_items - i) * sizeof(p->items[0]));
        return item;
}

void poisons_tell(struct poisons *p, uint32_t serial, bool guilty) {
        for (size_t i = p->n_items; i-- > 0;) {
                if (p->items[i]->serial != serial)
                        continue;
                if (guilty)
                        p->items[i]->serial = 0;
                else
                        item_free(take_out(p, i));
        }
}

void poisons_clear(struct poisons *p) {
        while (p->n_items > 0)
                item_free(p->items[--p->n_items]);
        p->list.n = 0;
        p->wipe = true;
        changed(p);
}

const struct poison_list *poisons_list(const struct poisons *p) {
        return &p->list;
}

uint64_t poisons_version(const struct poisons *p) {
        return p->version;
}

/* The first that is to be looked at; those that nothing was heard of go. due: when to ask again. */
static struct item *next_item(struct poisons *p, uint64_t now, uint64_t *due) {
        for (size_t i = 0; i < p->n_items;) {
                if (p->items[i]->serial == 0)
                        return take_out(p, i);
                if (now >= p->items[i]->until_usec) {
                        item_free(take_out(p, i));
                        continue;
                }
                *due = MIN(*due, p->items[i]->until_usec);
                i++;
        }
        return NULL;
}

/* item: NULL: writes the list. */
static void start_thread(struct poisons *p, struct item *item) {
        p->item = item;
        if (!item) {
                p->text_size = poison_format(&p->list, STORESCAN_VERSION, p->text);
                p->delete_copies = p->wipe;
                p->unsaved = p->wipe = false;
        }
        p->started = pthread_create(&p->thread, NULL, poisons_thread, p) == 0;
        if (p->started)
                return;
        p->unsaved = p->unsaved || !p->item;
        p->wipe = p->wipe || (!p->item && p->delete_copies);
        p->item = item_free(p->item);
}

uint64_t poisons_run(struct poisons *p, const struct generation *running, uint64_t now) {
        uint64_t due = USEC_INFINITY;
        struct item *item;
        void *result;

        if (running && (!p->has_running || memcmp(running, &p->running, sizeof(*running)) != 0)) {
                p->running = *running;
                p->has_running = true;
                if (poison_forget_others(&p->list, running))
                        changed(p);
        }
        if (p->started && pthread_tryjoin_np(p->thread, &result) == 0)
                thread_ended(p, result, now);
        if (p->started)
                return now + AGAIN_USEC;
        item = next_item(p, now, &due);
        if (item || (p->unsaved && now >= p->save_usec)) {
                start_thread(p, item);
                return now + AGAIN_USEC;
        }
        return p->unsaved ? MIN(due, p->save_usec) : due;
}

/* ---- The object ---- */

int poisons_new(const char *directory, struct stats *stats, struct journal *journal,
                struct poisons **ret) {
        struct poisons *p = calloc(1, sizeof(*p));
        int r;

        if (!p || !(p->directory = strdup(directory))) {
                free(p);
                return -ENOMEM;
        }
        p->stats = stats;
        p->journal = journal;
        r = poison_load(directory, STORESCAN_VERSION, &p->list);
        p->version = p->list.n > 0;
        if (r < 0 && r != -EPROTONOSUPPORT)
                journal_say(journal, EVENT_CACHE_FAILED, NULL,
                            "Failed to read %s/" POISON_PATH
                            ": %s; what costs workers is learnt anew, and the file replaced then.",
                            directory, r == -EINVAL ? "it is damaged" : error_text(-r));
        *ret = p;
        return 0;
}

struct poisons *poisons_free(struct poisons *p) {
        uint64_t until;
        void *result;

        if (!p)
                return NULL;
        until = now_usec() + END_USEC;
        while (p->started || p->unsaved) {
                if (!p->started)
                        start_thread(p, NULL);
                if (!p->started || join_until(p->thread, &result, until) != 0)
                        break;
                thread_ended(p, result, 0);
                if (result && p->unsaved)
                        break;
        }
        if (p->started)
                return p;
        while (p->n_items > 0)
                item_free(p->items[--p->n_items]);
        free(p->directory);
        free(p);
        return NULL;
}
