/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns what the pool knows of its servers as a whole: which signatures count, who can be asked, what of it is
 * news to the loader. Must not know of scans.
 */

#include "daemon/clamd/pool-private.h"

#include <stdio.h>

#define STALE_USEC    (30 * USEC_PER_SEC) /* until it is told again */
#define COUNTERS_USEC (1 * USEC_PER_SEC)
#define TURN          UINT64_C(10000) /* how much later the next one of a server comes */

/* A set that is older than the one that verdicts are said to be of is not asked. */
static bool is_usable(const struct clamd_pool *pool, const struct server *s) {
        return s->state == SERVER_UP &&
               (!pool->has_floor || clamd_version_compare(&s->version, &pool->floor) >= 0);
}

unsigned clamd_pool_count(const struct clamd_pool *pool) {
        unsigned n = 0;

        for (size_t i = 0; i < pool->n_servers; i++)
                n += is_usable(pool, &pool->servers[i]);
        return n;
}

/* The oldest that any of them has, as far as is known; of a server that is down, as it was. */
static const struct clamd_version *oldest(const struct clamd_pool *pool) {
        const struct clamd_version *least = NULL;

        for (size_t i = 0; i < pool->n_servers; i++) {
                const struct server *s = &pool->servers[i];

                if ((s->used || s->was_up) &&
                    (!least || clamd_version_compare(&s->version, least) < 0))
                        least = &s->version;
        }
        return least;
}

static bool is_stale(const struct clamd_pool *pool) {
        const struct clamd_version *least = oldest(pool);

        if (!least)
                return false;
        return !pool->has_floor || pool->restarted ||
               clamd_version_compare(least, &pool->floor) != 0;
}

/* ---- News ---- */

static bool is_stale_news(const struct clamd_pool *pool) {
        return is_stale(pool) &&
               (pool->stale_usec == 0 || pool->now - pool->stale_usec >= STALE_USEC);
}

void clamd_pool_tell(struct clamd_pool *pool, enum servers_change change, const char *text) {
        union link_message m;

        link_init(&m, LINK_NEWS);
        pool->news.servers = (uint32_t)pool->n_servers;
        pool->news.usable = clamd_pool_count(pool);
        pool->news.change = (uint8_t)change;
        pool->news.stale = 0;
        if (is_stale_news(pool)) {
                pool->news.stale = 1;
                pool->stale_usec = pool->now;
        }
        proto_text(pool->news.text, sizeof(pool->news.text), text);
        m.news.servers = pool->news;
        pool->told_usec = pool->now;
        pool->dirty = false;
        (void)link_send(pool->control, &m, -EBADF);
}

void clamd_pool_tell_sometimes(struct clamd_pool *pool) {
        if (is_stale_news(pool) || (pool->dirty && pool->now - pool->told_usec >= COUNTERS_USEC))
                clamd_pool_tell(pool, SERVERS_SAME, "");
}

static void tell_left_out(struct clamd_pool *pool, const struct server *s) {
        char text[PROTO_TEXT_MAX];

        pool->news.left_out++;
        (void)snprintf(text, sizeof(text), "%s is left out: %s.", s->address.text,
                       s->problem[0] ? s->problem : "it did not answer yet");
        clamd_pool_tell(pool, SERVERS_LEFT_OUT, text);
}

void clamd_pool_server_changed(void *userdata, struct server *s) {
        struct clamd_pool *pool = userdata;
        char text[PROTO_TEXT_MAX];

        if (s->state == SERVER_UP && s->was_up && s->version.database == 0)
                pool->restarted = true;
        if (!pool->ready)
                return;
        if (s->state == SERVER_UP) {
                (void)snprintf(text, sizeof(text), "%s is used again: ClamAV %s, database %u.",
                               s->address.text, s->version.engine, s->version.database);
                clamd_pool_tell(pool, SERVERS_BACK, text);
                return;
        }
        tell_left_out(pool, s);
}

/* What is wrong with those that can't be used. */
void clamd_pool_list_problems(const struct clamd_pool *pool, char *text, size_t size) {
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < pool->n_servers && n < size; i++) {
                const struct server *s = &pool->servers[i];

                if (!is_usable(pool, s))
                        n += (size_t)snprintf(text + n, size - n, "%s%s: %s", n > 0 ? "; " : "",
                                              s->address.text,
                                              s->state == SERVER_UP ? "its signatures are older"
                                              : s->problem[0]       ? s->problem
                                                                    : "it did not answer yet");
        }
}

void clamd_pool_become_ready(struct clamd_pool *pool) {
        const struct clamd_version *least = oldest(pool);
        union link_message m;

        pool->ready = true;
        link_init(&m, LINK_READY);
        if (least) {
                pool->floor = *least;
                pool->has_floor = true;
                m.ready.database = least->database;
                proto_text(m.ready.engine, sizeof(m.ready.engine), least->engine);
        }
        m.ready.servers = clamd_pool_count(pool);
        clamd_pool_list_problems(pool, m.ready.problem, sizeof(m.ready.problem));
        (void)link_send(pool->control, &m, -EBADF);
        for (size_t i = 0; i < pool->n_servers; i++)
                if (pool->servers[i].state != SERVER_UP)
                        tell_left_out(pool, &pool->servers[i]);
        clamd_pool_tell(pool, SERVERS_SAME, "");
}

/* ---- Who is asked ---- */

/* Whether a is to be asked rather than b: who answers, then who has less to do for its weight, then whose
 * turn it is. */
static bool is_better(const struct clamd_pool *pool, const struct server *a,
                      const struct server *b) {
        bool slow = server_is_slow(a, pool->now);
        unsigned load = a->scans / a->address.weight, other = b->scans / b->address.weight;

        if (slow != server_is_slow(b, pool->now))
                return !slow;
        return load != other ? load < other : a->turn < b->turn;
}

/* Of those that do not have the job already. */
struct server *clamd_pool_choose(struct clamd_pool *pool, const struct job *job) {
        struct server *best = NULL;

        for (size_t i = 0; i < pool->n_servers; i++) {
                struct server *s = &pool->servers[i];

                if (is_usable(pool, s) && server_has_room(s) && job->at[0] != s &&
                    job->at[1] != s && (!best || is_better(pool, s, best)))
                        best = s;
        }
        if (best) {
                /* One that was away has nothing to catch up on. */
                pool->turn = MAX(pool->turn, best->turn);
                best->turn = pool->turn + TURN / best->address.weight;
        }
        return best;
}
