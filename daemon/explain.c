/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. The order of questions is that of judge.c. Must not change what it looks at. */

#include "daemon/explain.h"

#include <assert.h>

#include "daemon/policy.h"

static const char *const tiers[] = {
        [EXPLAIN_UNGUARDED] = "unguarded",
        [EXPLAIN_PAUSED] = "paused",
        [EXPLAIN_OUTSIDE] = "outside",
        [EXPLAIN_EMPTY] = "empty",
        [EXPLAIN_CONTROL] = "no-mail",
        [EXPLAIN_IN_PROGRESS] = "in-progress",
        [EXPLAIN_HOT] = "hot",
        [EXPLAIN_STAMP] = "stamp",
        [EXPLAIN_OLDER] = "older-stamp",
        [EXPLAIN_LEFT] = "left-to-sweep",
        [EXPLAIN_ITEMS] = "items",
        [EXPLAIN_JOINS] = "joins-scan",
        [EXPLAIN_READ] = "content",
};
static_assert(ELEMENTSOF(tiers) == _EXPLAIN_TIER_MAX, "a word for every tier");

static const char *const answers[] = {
        [EXPLAIN_ALLOW] = "allow",
        [EXPLAIN_DENY] = "deny",
        [EXPLAIN_REPLACE] = "replace",
        [EXPLAIN_DEPENDS] = "depends",
};
static_assert(ELEMENTSOF(answers) == _EXPLAIN_ANSWER_MAX, "a word for every answer");

const char *explain_tier_name(enum explain_tier tier) {
        return tiers[tier];
}

const char *explain_answer_name(enum explain_answer answer) {
        return answers[answer];
}

static void look_at_stamp(const struct judge *judge, const struct explain_question *q,
                          struct explanation *e) {
        const struct generation *running = pool_generation(judge->pool);

        e->check = STAMP_OUTDATED;
        if (q->stamp.verdict == VERDICT_UNKNOWN || !running || !judge->config->stamps)
                return;
        e->check = stamp_check(&q->stamp, &q->st, running);
        e->holds = stamp_check(&q->stamp, &q->st, &q->stamp.generation) == STAMP_VALID;
        e->older = e->holds && e->check == STAMP_OUTDATED && e->store && !q->read_only &&
                   history_may_accept(judge->history, &q->stamp) &&
                   history_accepts(judge->history, e->store, &q->stamp);
}

static bool left_to_sweep(const struct judge *judge, const struct explain_question *q,
                          const struct explanation *e) {
        enum verdict verdict = q->stamp.verdict;

        return e->check == STAMP_OUTDATED && !e->older &&
               (verdict == VERDICT_UNKNOWN || verdict == VERDICT_CLEAN) &&
               history_leaves(judge->history, e->store, &q->st,
                              e->holds && verdict == VERDICT_CLEAN);
}

static enum explain_answer answer_to(const struct config_store *store, enum verdict verdict) {
        if (verdict == VERDICT_INFECTED && policy_deed(store) == DEED_REPLACE)
                return EXPLAIN_REPLACE;
        return policy_allows(store, verdict) ? EXPLAIN_ALLOW : EXPLAIN_DENY;
}

/* It is mail: what is known of it? */
static enum explain_tier tier_of_mail(const struct judge *judge, const struct explain_question *q,
                                      const struct explanation *e) {
        bool clean = q->stamp.verdict == VERDICT_CLEAN;

        if (e->hot)
                return EXPLAIN_HOT;
        if (e->check == STAMP_VALID && clean)
                return EXPLAIN_STAMP;
        if (e->older)
                return EXPLAIN_OLDER;
        if (left_to_sweep(judge, q, e))
                return EXPLAIN_LEFT;
        if (format_items(e->store->format) == ITEMS_MANY)
                return EXPLAIN_ITEMS;
        if (e->check == STAMP_VALID)
                return EXPLAIN_STAMP;
        return e->scanning ? EXPLAIN_JOINS : EXPLAIN_READ;
}

static enum explain_tier tier_of(const struct judge *judge, bool guarding,
                                 const struct explain_question *q, enum place place,
                                 const struct explanation *e) {
        if (!guarding)
                return EXPLAIN_UNGUARDED;
        if (!e->store)
                return EXPLAIN_OUTSIDE;
        if (pause_is_on(judge->pause))
                return EXPLAIN_PAUSED;
        if (!S_ISREG(q->st.st_mode) || q->st.st_size == 0)
                return EXPLAIN_EMPTY;
        /* Whatever it is: readers of a hot file raise no event, a stamp is looked at first. */
        if (place == PLACE_CONTROL && !e->hot && e->check != STAMP_VALID)
                return EXPLAIN_CONTROL;
        if (place == PLACE_IN_PROGRESS && !e->hot && e->check != STAMP_VALID)
                return EXPLAIN_IN_PROGRESS;
        return tier_of_mail(judge, q, e);
}

void explain(const struct judge *judge, bool guarding, const struct explain_question *q,
             struct explanation *ret) {
        struct stores_answer found;
        struct explanation e = {};

        stores_ask_path(judge->config, q->path, (uint64_t)q->st.st_size, q->bound, &found);
        e.store = found.rooted ? found.store : NULL;
        look_at_stamp(judge, q, &e);
        e.hot = hot_has(judge->hot, &q->st);
        e.scanning = scans_has(judge->scans, &q->st);
        e.tier = tier_of(judge, guarding, q, found.place, &e);
        switch (e.tier) {
        case EXPLAIN_STAMP: e.answer = answer_to(e.store, q->stamp.verdict); break;
        case EXPLAIN_ITEMS:
        case EXPLAIN_JOINS:
        case EXPLAIN_READ: e.answer = EXPLAIN_DEPENDS; break;
        default: e.answer = EXPLAIN_ALLOW;
        }
        *ret = e;
}
