/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns what was found on disk until the pool can take it: the latest signatures wait while others are
 * being loaded. Says in the log what came of each. Must not touch the disk.
 */

#include "daemon/reload.h"

#include "daemon/reload-thread.h"

struct reload {
        struct reload_parts p;
        struct reload_thread *thread;
        struct config *config; /* to be handed over */
        bool asked;            /* whoever asked is to be told when all is through */
        bool config_asked;     /* and not through */
        bool signatures_asked;
        bool config_refused, signatures_refused; /* when they were last looked at */
        bool always;                  /* [scanner] has changed: also for the signatures that run */
        int database;                 /* to be loaded next; -EBADF: nothing is */
        struct generation generation; /* that was told of */
        bool has_generation;
};

/* ---- Signatures ---- */

static void log_refused(struct reload *reload, const char *text) {
        reload->p.stats->reloads_failed++;
        reload->signatures_asked = false;
        reload->signatures_refused = true;
        journal_say(reload->p.journal, EVENT_RELOAD_FAILED, NULL,
                    "%s The engine that was loaded before goes on; the signatures are tried again "
                    "when they change, or at SIGHUP.",
                    text);
}

static void on_reloaded(void *userdata, enum pool_reloaded how, const char *text) {
        struct reload *reload = userdata;

        reload->signatures_asked = reload->database >= 0;
        if (how == POOL_UNCHANGED || how == POOL_CHANGED)
                reload->signatures_refused = false;
        switch (how) {
        case POOL_UNCHANGED:
                journal_say(reload->p.journal, EVENT_SIGNATURES_UNCHANGED, NULL,
                            "The signatures were looked at again: they are those in use.");
                return;
        case POOL_CHANGED: reload->p.stats->reloads++; return;
        case POOL_REFUSED: log_refused(reload, text); return;
        case POOL_FAILED: /* told by the pool */
        default: reload->p.stats->reloads_failed++; return;
        }
}

static void take_signatures(struct reload *reload, const struct reload_news *news) {
        char text[PATH_MAX + 128];

        reload->database = close_fd(reload->database);
        if (news->error >= 0) {
                reload->database = news->database;
                return;
        }
        snprintf(text, sizeof(text),
                 "[scanner] database %s: it can't be opened: %s; put it back, or correct the path.",
                 config_signatures(reload->p.config), error_text(-news->error));
        log_refused(reload, text);
}

static void load_signatures(struct reload *reload) {
        struct pool_reload next = {
                .database = reload->database,
                .always = reload->always,
                .done = on_reloaded,
                .userdata = reload,
        };
        int r;

        if (reload->database < 0 || !reload->p.pool)
                return;
        r = pool_reload(reload->p.pool, &next);
        if (r == -EBUSY)
                return; /* its end makes another turn */
        if (r >= 0) {
                reload->database = -EBADF;
                reload->always = false;
                return;
        }
        reload->database = close_fd(reload->database);
        log_refused(reload, "Failed to start a loader process for new signatures.");
}

bool reload_tell_generation(struct reload *reload) {
        const struct generation *running = pool_generation(reload->p.pool);
        struct generation old = reload->generation;
        char text[GENERATION_LENGTH + 1];
        struct log_record *r;

        if (!running || memcmp(running, &old, sizeof(old)) == 0)
                return false;
        reload->generation = *running;
        if (!reload->has_generation) {
                reload->has_generation = true;
                return false;
        }
        r = journal_get(reload->p.journal, EVENT_GENERATION_CHANGED);
        if (!r)
                return true;
        generation_format(&old, text);
        generation_format(running, r->generation);
        snprintf(r->detail, sizeof(r->detail),
                 "Generation %s (database version %u) takes the place of %s: mail that was judged "
                 "under that is judged anew when it is asked for.",
                 r->generation, pool_database_version(reload->p.pool), text);
        journal_put(reload->p.journal, r);
        return true;
}

/* ---- News ---- */

static void take_config(struct reload *reload, const struct reload_news *news) {
        size_t n = news->text ? strlen(news->text) : 0;

        config_free(reload->config);
        reload->config = news->config;
        reload->config_refused = !news->config;
        if (n > 0 && news->text[n - 1] == '\n')
                news->text[n - 1] = '\0';
        if (!news->config) {
                journal_say(reload->p.journal, EVENT_CONFIG_REFUSED, NULL,
                            "The configuration on disk has mistakes, what runs is kept: %s",
                            news->text ? news->text : error_text(-news->error));
                reload->config_asked = false;
        }
        free(news->text);
}

static void on_news(void *userdata, const struct reload_news *news) {
        if (news->kind == RELOAD_SIGNATURES)
                take_signatures(userdata, news);
        else
                take_config(userdata, news);
}

void reload_config_done(struct reload *reload, bool engine) {
        reload->config_asked = false;
        if (!engine)
                return;
        reload->always = reload->signatures_asked = true;
        reload_thread_aim(reload->thread, config_signatures(reload->p.config));
        reload_thread_ask(reload->thread, RELOAD_SIGNATURES);
}

void reload_ask(struct reload *reload) {
        reload->asked = reload->config_asked = reload->signatures_asked = true;
        reload_thread_ask(reload->thread, RELOAD_CONFIG);
        reload_thread_ask(reload->thread, RELOAD_SIGNATURES);
}

void reload_run(struct reload *reload, bool ready) {
        if (reload->p.pool && pool_take_stale(reload->p.pool)) {
                reload->signatures_asked = true;
                reload_thread_ask(reload->thread, RELOAD_SIGNATURES);
        }
        if (ready && reload->config)
                reload->p.take_config(reload->p.userdata, TAKE_PTR(reload->config));
        load_signatures(reload);
        if (reload->asked && ready && !reload->config_asked && !reload->signatures_asked) {
                reload->asked = false;
                reload->p.settled(reload->p.userdata);
        }
}

bool reload_refused_signatures(const struct reload *reload) {
        return reload->signatures_refused;
}

bool reload_refused_config(const struct reload *reload) {
        return reload->config_refused;
}

/* ---- The object ---- */

void reload_set_pool(struct reload *reload, struct pool *pool) {
        reload->p.pool = pool;
}

int reload_new(const struct reload_parts *parts, struct reload **ret) {
        struct reload *reload = calloc(1, sizeof(*reload));
        int r;

        if (!reload)
                return -ENOMEM;
        reload->p = *parts;
        reload->database = -EBADF;
        r = reload_thread_new(parts->ring, parts->config_path, on_news, reload, &reload->thread);
        if (r < 0) {
                free(reload);
                return r;
        }
        reload_thread_aim(reload->thread, config_signatures(parts->config));
        *ret = reload;
        return 0;
}

struct reload *reload_free(struct reload *reload) {
        if (!reload)
                return NULL;
        reload->thread = reload_thread_free(reload->thread);
        if (reload->thread)
                return reload;
        close_fd(reload->database);
        config_free(reload->config);
        free(reload);
        return NULL;
}
