/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the configurations: the running one, the one to come, those whose stores are still held.
 *
 * Steps: 1. the marker marks the stores that come, while these are judged by what the next
 * configuration says of them (config.other); 2. the content of live is exchanged; 3. the marker takes
 * the marks off the stores that go, while these are judged by the former one. When a store that comes
 * can't be guarded the marker goes back, and all stays as it was.
 */

#include "daemon/reconfigure.h"

#include <sys/queue.h>

enum stage { STAGE_NONE, STAGE_MARKING, STAGE_MARKED, STAGE_LETTING_GO, STAGE_BACK };

struct former {
        STAILQ_ENTRY(former) link;
        struct config *config;
};

struct reconfigure {
        struct reconfigure_parts p;
        enum stage stage;
        struct config *next;    /* MARKING, MARKED: the one to come; BACK: that does not come */
        struct config *waiting; /* to come behind it */
        struct former *former;  /* LETTING_GO: the one before; else room for it */
        STAILQ_HEAD(, former) held;
        char *restart; /* keys that stay as they are */
        bool engine;
        bool refused;
};

/* ---- Log ---- */

static void say_refused(struct reconfigure *r, const char *text) {
        size_t n = strlen(text);

        r->refused = true;
        journal_say(r->p.journal, EVENT_CONFIG_REFUSED, NULL,
                    "The configuration on disk can't be used, what runs is kept: %.*s",
                    (int)(n > 0 && text[n - 1] == '\n' ? n - 1 : n), text);
}

static void say_in_force(struct reconfigure *r) {
        bool rest = r->restart && r->restart[0] != '\0';

        r->refused = false;
        journal_say(r->p.journal, EVENT_CONFIG_RELOADED, NULL,
                    "The configuration was read again and is in force: %zu store%s%s%s%s.",
                    r->p.live->n_stores, r->p.live->n_stores == 1 ? "" : "s",
                    rest ? "; a restart is needed for " : "", rest ? r->restart : "",
                    r->engine ? "; signatures are loaded anew, as it says now" : "");
}

/* ---- Steps ---- */

static void end(struct reconfigure *r, bool engine) {
        r->stage = STAGE_NONE;
        free(r->restart);
        r->restart = NULL;
        r->p.done(r->p.userdata, engine);
}

static void begin(struct reconfigure *r, struct config *config) {
        size_t size = 0;
        FILE *notes = open_memstream(&r->restart, &size);
        int k = notes ? config_carry_over(config, r->p.loaded, notes, &r->engine) : -ENOMEM;

        if (notes)
                (void)fclose(notes);
        if (!r->former)
                r->former = calloc(1, sizeof(*r->former));
        if (k < 0 || !r->former) {
                config_free(config);
                say_refused(r, "there is not enough memory.");
                end(r, false);
                return;
        }
        r->next = config;
        r->p.live->other = config;
        r->stage = STAGE_MARKING;
        marker_change(r->p.marker, config);
}

bool reconfigure_refused(const struct reconfigure *r) {
        return r && r->refused;
}

void reconfigure_take(struct reconfigure *r, struct config *config) {
        config_free(r->waiting);
        r->waiting = config;
}

void reconfigure_changed(struct reconfigure *r, int error, const char *text) {
        if (r->stage == STAGE_BACK) {
                marker_let_go(r->p.marker);
                return;
        }
        if (error >= 0) {
                r->stage = STAGE_MARKED;
                return;
        }
        say_refused(r, text[0] != '\0' ? text : error_text(-error));
        r->stage = STAGE_BACK;
        marker_change(r->p.marker, r->p.loaded);
}

/* The turn of the loop in which the next configuration takes the place of the running one. */
static void exchange(struct reconfigure *r) {
        struct config *former = r->p.loaded;

        r->p.loaded = TAKE_PTR(r->next);
        *r->p.live = *r->p.loaded;
        r->p.live->other = former;
        r->former->config = former;
        many_follow_config(r->p.many);
        hot_drop_all(r->p.hot);
        r->stage = STAGE_LETTING_GO;
        marker_let_go(r->p.marker);
}

void reconfigure_let_go(struct reconfigure *r) {
        /* What was told before the marks went is judged by who guarded it. */
        gate_drain(r->p.gate);
        r->p.live->other = NULL;
        if (r->stage == STAGE_BACK) {
                /* Opens of what does not come may be under way. */
                r->former->config = TAKE_PTR(r->next);
                r->engine = false;
        } else
                say_in_force(r);
        STAILQ_INSERT_TAIL(&r->held, r->former, link);
        r->former = NULL;
        end(r, r->engine);
}

static bool is_held(const struct config *config) {
        return config->holds && *config->holds > 0;
}

void reconfigure_run(struct reconfigure *r) {
        struct former *f, *next;

        /* An engine that is being loaded is one of the running options, and is noted as such. */
        if (r->stage == STAGE_MARKED && !pool_is_loading(r->p.pool))
                exchange(r);
        if (r->stage == STAGE_NONE && r->waiting)
                begin(r, TAKE_PTR(r->waiting));
        for (f = STAILQ_FIRST(&r->held); f; f = next) {
                next = STAILQ_NEXT(f, link);
                if (is_held(f->config))
                        continue;
                STAILQ_REMOVE(&r->held, f, former, link);
                config_free(f->config);
                free(f);
        }
}

/* ---- The object ---- */

int reconfigure_new(const struct reconfigure_parts *parts, struct reconfigure **ret) {
        struct reconfigure *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->p = *parts;
        STAILQ_INIT(&r->held);
        *ret = r;
        return 0;
}

struct reconfigure *reconfigure_free(struct reconfigure *r) {
        struct former *f;

        if (!r)
                return NULL;
        while ((f = STAILQ_FIRST(&r->held))) {
                STAILQ_REMOVE_HEAD(&r->held, link);
                config_free(f->config);
                free(f);
        }
        /* Of an exchange under way: what live has, is loaded. */
        if (r->stage == STAGE_LETTING_GO)
                config_free(r->former->config);
        free(r->former);
        config_free(r->next);
        config_free(r->waiting);
        config_free(r->p.loaded);
        free(r->restart);
        free(r);
        return NULL;
}
