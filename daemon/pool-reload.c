/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From one engine to the next, without a pause: the new one is loaded beside the one that runs, and its
 * workers are there before jobs go to them. With concurrent_reload = no there is only memory for one:
 * then it is first found out whether there is anything new, and what runs is let go before that is
 * loaded. Whatever is wrong with the new one, what runs is let go for nothing else.
 */

#include "daemon/pool-private.h"

#include "daemon/clock.h"

#define WORKERS_USEC (60 * USEC_PER_SEC) /* for the first worker of an engine to start */

static void finish(struct pool *pool, enum pool_reloaded how, const char *text) {
        struct pool_reload reload = pool->reload;

        pool->reloading = false;
        pool->reload = (struct pool_reload){ .database = -EBADF };
        close_fd(reload.database);
        reload.done(reload.userdata, how, text);
}

void pool_reload_settled(struct pool *pool, enum pool_reloaded how, const char *text) {
        if (pool->reloading && !pool->next && !pool->alone)
                finish(pool, how, text);
}

/* The engine that was to be next is none. */
static void drop_next(struct pool *pool) {
        struct team *team = TAKE_PTR(pool->next);

        if (!team)
                return;
        team->retired = true;
        team_end(team, REASON_CRASH);
        LIST_INSERT_HEAD(&pool->retired, team, link);
}

static void retire_running(struct pool *pool, struct team *heir) {
        struct team *old = pool->running;

        pool->running = heir;
        pool->restart_usec = 0;
        team_retire(old);
        LIST_INSERT_HEAD(&pool->retired, old, link);
}

/* ---- What the next one's loader says ---- */

static void compared(struct pool *pool, bool same) {
        if (same || !pool->next->compares) {
                drop_next(pool);
                finish(pool, POOL_UNCHANGED, "");
                return;
        }
        /* There is something new, and no memory for two: pool_run_reload() goes on when all of what
         * runs is gone. */
        pool->next->loaded = pool->next->compares = false;
        team_end(pool->next, REASON_CRASH);
        retire_running(pool, TAKE_PTR(pool->next));
        pool->alone = true;
}

void pool_next_said(struct pool *pool, const union proto_message *m) {
        struct team *team = pool->next;

        switch (m->header.kind) {
        case PROTO_COMPARED: compared(pool, m->compared.same); return;
        case PROTO_REFUSED:
                drop_next(pool);
                finish(pool, POOL_REFUSED, m->refused.text);
                return;
        case PROTO_LOADED: break;
        default: return;
        }
        if (team->compares)
                return; /* that was not what it was asked for */
        team->generation = m->loaded.generation;
        team->database_version = m->loaded.database_version;
        team->database_usec = m->loaded.database_usec;
        team->loaded = true;
        team->loaded_usec = now_usec();
        team_log_loaded(team, &m->loaded);
        (void)pool_run(pool, now_usec());
}

void pool_next_ended(struct pool *pool) {
        drop_next(pool);
        finish(pool, POOL_REFUSED,
               "The loader process ended unexpectedly; its messages above, or those of the kernel, "
               "say why.");
}

/* ---- Steps ---- */

/* All of its workers are there; or some are, and the others do not come. */
static bool next_is_ready(const struct pool *pool) {
        return pool->next && pool->next->loaded && team_count(pool->next, WORKER_RUNNING) > 0 &&
               team_count(pool->next, WORKER_STARTING) == 0;
}

static void swap(struct pool *pool) {
        struct team *next = TAKE_PTR(pool->next);

        /* The generation first: what is given back is dispatched to the new workers at once. */
        pool_take_generation(pool, next);
        retire_running(pool, next);
        pool_dispatch(pool);
        finish(pool, POOL_CHANGED, "");
}

/* In the place of the one that ran; from here on it is like one whose loader crashed. */
static void load_alone(struct pool *pool) {
        const struct loader_request request = { .database = pool->reload.database };

        pool->alone = false;
        if (team_load(pool->running, &request) < 0)
                pool_loader_failed(pool, -EPIPE, "Failed to start the loader process.");
}

static void free_retired(struct pool *pool, uint64_t now, uint64_t *due) {
        struct team *team, *following;

        for (team = LIST_FIRST(&pool->retired); team; team = following) {
                following = LIST_NEXT(team, link);
                *due = MIN(*due, team_run(team, now));
                if (team_count(team, WORKER_ABSENT) < team->n_workers)
                        continue;
                team->loader = loader_let_go(team->loader);
                if (team_lingers(team))
                        continue;
                LIST_REMOVE(team, link);
                team_free(team);
        }
}

uint64_t pool_run_reload(struct pool *pool, uint64_t now) {
        uint64_t due = USEC_INFINITY;

        if (pool->next)
                due = MIN(due, team_run(pool->next, now));
        if (next_is_ready(pool))
                swap(pool);
        else if (pool->next && pool->next->loaded) {
                if (now - pool->next->loaded_usec >= WORKERS_USEC) {
                        drop_next(pool);
                        finish(pool, POOL_REFUSED,
                               "None of the new engine's workers started; the messages of "
                               "storescan-worker, or of the kernel, say why.");
                } else
                        due = MIN(due, pool->next->loaded_usec + WORKERS_USEC);
        }
        free_retired(pool, now, &due);
        if (pool->alone && LIST_EMPTY(&pool->retired))
                load_alone(pool);
        return due;
}

/* ---- Beginning ---- */

bool pool_is_loading(const struct pool *pool) {
        return pool->reloading || (pool->running->loader && !pool->running->loaded);
}

int pool_reload(struct pool *pool, const struct pool_reload *reload) {
        bool beside = pool->config->concurrent_reload;
        const struct loader_request request = {
                .database = reload->database,
                .running = reload->always ? NULL : &pool->generation,
                .only_compare = !beside && !reload->always,
        };
        int r;

        /* Two at once would be three engines; and without one that runs it is being loaded anyway. */
        if (pool->ending || pool->reloading || !pool->ready || !pool->running->loaded)
                return -EBUSY;
        pool->next = team_new(pool);
        if (!pool->next)
                return -ENOMEM;
        if (!beside && reload->always) {
                pool->reload = *reload;
                pool->reloading = pool->alone = true;
                retire_running(pool, TAKE_PTR(pool->next));
                return 0;
        }
        pool->next->compares = request.only_compare;
        r = team_load(pool->next, &request);
        if (r < 0) {
                pool->next = team_free(pool->next);
                return r;
        }
        pool->reload = *reload;
        pool->reloading = true;
        return 0;
}
