/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One engine: its loader and the workers that were forked from it. There are two while signatures are
 * reloaded; the one that was replaced lives on until its last worker is through. Must not decide which
 * engine runs.
 */

#include "daemon/pool-private.h"

#include "daemon/clock.h"

#define START_PAUSE_USEC (5 * USEC_PER_SEC) /* before a worker that did not start is tried again */
/* How long nobody has waited for a scan before workers step back. */
#define CALM_USEC (100 * USEC_PER_MSEC)
/* On a busy machine a scan that nobody waits for gets next to nothing. It must not be taken for one that
 * hangs, or that is beyond limits: what takes so long goes on as if somebody waited for it. */
#define MEEK_USEC (1 * USEC_PER_SEC)

struct team *team_new(struct pool *pool) {
        struct team *team = calloc(1, sizeof(*team));

        if (!team)
                return NULL;
        team->pool = pool;
        team->n_workers = pool->config->workers;
        for (unsigned i = 0; i < WORKERS_MAX; i++)
                worker_init(&team->workers[i], team, i);
        return team;
}

struct team *team_free(struct team *team) {
        if (!team)
                return NULL;
        team->loader = loader_free(team->loader);
        for (unsigned i = 0; i < WORKERS_MAX; i++)
                worker_done(&team->workers[i]);
        free(team);
        return NULL;
}

void team_log_loaded(const struct team *team, const struct proto_loaded *loaded) {
        struct journal *journal = team->pool->journal;
        struct log_record *r = journal_get(journal, EVENT_ENGINE_LOADED);

        if (!r)
                return;
        generation_format(&team->generation, r->generation);
        if (loaded->signatures > 0)
                snprintf(r->detail, sizeof(r->detail),
                         "%s with %u signatures (database version %u) loaded in %llu ms; "
                         "generation %s.",
                         loaded->engine, loaded->signatures, loaded->database_version,
                         (unsigned long long)(loaded->load_usec / 1000), r->generation);
        else
                snprintf(r->detail, sizeof(r->detail),
                         "%s (database version %u) proven in %llu ms; generation %s.",
                         loaded->engine, loaded->database_version,
                         (unsigned long long)(loaded->load_usec / 1000), r->generation);
        journal_put(journal, r);
}

/* ---- Who comes first ---- */

static void step_back(struct team *team, bool back) {
        if (team->back == back)
                return;
        team->back = back;
        if (team->loader)
                loader_step_back(team->loader, back);
}

void team_hurry(struct team *team, uint64_t now) {
        team->wanted_usec = now;
        step_back(team, false);
}

/* ---- The loader ---- */

/* Counters are those of the loader's life. */
static void servers_said(struct team *team, const struct proto_servers *m) {
        static const enum event_kind events[_SERVERS_CHANGE_MAX] = {
                [SERVERS_LEFT_OUT] = EVENT_CLAMD_LEFT_OUT,
                [SERVERS_BACK] = EVENT_CLAMD_BACK,
                [SERVERS_NONE] = EVENT_CLAMD_NONE,
        };
        struct pool *pool = team->pool;
        struct stats *stats = pool->stats;

        stats->clamd_left_out += m->left_out - MIN(m->left_out, team->servers.left_out);
        stats->clamd_again += m->again - MIN(m->again, team->servers.again);
        stats->clamd_none += m->none - MIN(m->none, team->servers.none);
        team->servers = *m;
        team->stale = team->stale || m->stale;
        if (team == pool->running) {
                stats->clamd_usable = m->usable;
                pool->stale = pool->stale || m->stale;
        } else if (team != pool->next)
                return;
        if (m->change != SERVERS_SAME)
                journal_say(pool->journal, events[m->change], NULL, "%s", m->text);
}

/* Nothing that it says counts when its engine was retired. */
static void loader_said(void *userdata, const union proto_message *m) {
        struct team *team = userdata;
        struct pool *pool = team->pool;

        if (m->header.kind == PROTO_ENDED) {
                worker_ended(team, &m->ended);
                return;
        }
        if (m->header.kind == PROTO_SERVERS) {
                servers_said(team, &m->servers);
                return;
        }
        if (team == pool->next) {
                pool_next_said(pool, m);
                return;
        }
        if (team != pool->running || m->header.kind == PROTO_COMPARED)
                return;
        if (m->header.kind == PROTO_REFUSED) {
                team->refused = true;
                pool_loader_failed(pool, -ENOEXEC, m->refused.text);
                return;
        }
        team->generation = m->loaded.generation;
        team->database_version = m->loaded.database_version;
        team->database_usec = m->loaded.database_usec;
        team->loaded = true;
        team_log_loaded(team, &m->loaded);
        pool_take_generation(pool, team);
        for (unsigned i = 0; i < team->n_workers; i++)
                team->workers[i].quick_death = false;
        pool_reload_settled(pool, POOL_CHANGED, "");
        (void)pool_run(pool, now_usec());
}

static void loader_ended(void *userdata) {
        struct team *team = userdata;
        struct pool *pool = team->pool;
        bool refused = team->refused;

        team_end(team, REASON_CRASH);
        if (team == pool->next)
                pool_next_ended(pool);
        else if (team == pool->running && !pool->ending && !refused)
                pool_loader_failed(pool, -EPIPE,
                                   "The loader process ended unexpectedly; its messages above, or "
                                   "those of the kernel, say why.");
}

int team_load(struct team *team, const struct loader_request *request) {
        team->loaded = team->refused = false;
        return loader_new(team->pool->ring, &team->pool->settings, request, loader_said,
                          loader_ended, team, &team->loader);
}

void team_end(struct team *team, enum reason reason) {
        team->loader = loader_free(team->loader);
        team->loaded = team->back = false;
        for (unsigned i = 0; i < WORKERS_MAX; i++)
                worker_lost(&team->workers[i], reason);
}

void team_retire(struct team *team) {
        team->retired = true;
        step_back(team, false);
        for (unsigned i = 0; i < WORKERS_MAX; i++)
                worker_retire(&team->workers[i]);
}

/* ---- The workers ---- */

/* Starts a worker where there is none, if there may be one now. */
static uint64_t fill_place(struct team *team, struct worker *w, uint64_t now) {
        if (w->state != WORKER_ABSENT || !team->loader || !team->loaded || team->retired)
                return USEC_INFINITY;
        /* Its operations must be out of the ring before the place is used again. */
        if (worker_lingers(w))
                return USEC_INFINITY;
        if (w->quick_death && now - w->since_usec < START_PAUSE_USEC)
                return w->since_usec + START_PAUSE_USEC;
        if (worker_start(w, now) < 0) {
                w->quick_death = true;
                w->since_usec = now;
                return now + START_PAUSE_USEC;
        }
        return worker_run(w, now);
}

/* Workers that only have what nobody waits for step back, all of them: they are one session. When it is to
 * be looked at again. */
static uint64_t set_pace(struct team *team, uint64_t now) {
        uint64_t oldest = USEC_INFINITY;
        bool wanted = false;

        for (unsigned i = 0; i < team->n_workers; i++)
                for (size_t k = 0; k < PROTO_BAYS; k++) {
                        const struct bay *bay = &team->workers[i].bays[k];

                        if (bay->state == BAY_FREE)
                                continue;
                        wanted = wanted || (bay->job && !bay->job->low);
                        oldest = MIN(oldest, bay->since_usec);
                }
        wanted = wanted || (team == team->pool->running && queue_urgent(&team->pool->queue));
        if (wanted || (oldest != USEC_INFINITY && now >= oldest + MEEK_USEC))
                team_hurry(team, now);
        if (wanted || oldest == USEC_INFINITY)
                return USEC_INFINITY;
        if (now < team->wanted_usec + CALM_USEC)
                return team->wanted_usec + CALM_USEC;
        step_back(team, true);
        return oldest + MEEK_USEC;
}

uint64_t team_run(struct team *team, uint64_t now) {
        uint64_t next = set_pace(team, now);

        for (unsigned i = 0; i < team->n_workers; i++) {
                next = MIN(next, worker_run(&team->workers[i], now));
                next = MIN(next, fill_place(team, &team->workers[i], now));
        }
        return next;
}

unsigned team_count(const struct team *team, enum worker_state state) {
        unsigned n = 0;

        for (unsigned i = 0; i < team->n_workers; i++)
                n += team->workers[i].state == state;
        return n;
}

bool team_lingers(const struct team *team) {
        for (unsigned i = 0; i < team->n_workers; i++)
                if (worker_lingers(&team->workers[i]))
                        return true;
        return false;
}
