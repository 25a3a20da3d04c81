/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the array of spans, sorted, without gaps. Knows nothing of files and time. */

#include "store/spans.h"

#include "store/util.h"

#define GRAIN_MIN ((uint64_t)64 << 10)

void spans_done(struct spans *spans) {
        free(spans->spans);
        *spans = (struct spans){};
}

static uint64_t span_end(const struct spans *spans, size_t i) {
        return i + 1 < spans->n ? spans->spans[i + 1].start : spans->end;
}

/* The span that holds offset; n if it lies behind the last. */
static size_t find(const struct spans *spans, uint64_t offset) {
        size_t low = 0, high = spans->n;

        if (offset >= spans->end)
                return spans->n;
        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;

                if (spans->spans[middle].start <= offset)
                        low = middle;
                else
                        high = middle;
        }
        return low;
}

static bool mergeable(const struct span *a, const struct span *b) {
        if (a->state != b->state)
                return false;
        if (a->state == SPAN_PASSED)
                return (a->verdict == VERDICT_INFECTED) == (b->verdict == VERDICT_INFECTED);
        return a->verdict == VERDICT_CLEAN && b->verdict == VERDICT_CLEAN;
}

/* How bad: what is certain goes before what is not. */
static int badness(enum verdict verdict) {
        switch (verdict) {
        case VERDICT_CLEAN: return 0;
        case VERDICT_UNSCANNABLE: return 1;
        case VERDICT_UNKNOWN: return 2;
        case VERDICT_INFECTED: return 3;
        case _VERDICT_MAX:
        default: return 2;
        }
}

/* Makes one of two spans, at the cost of knowing less: the worse verdict, the lesser state. */
static void merge(struct span *into, const struct span *other) {
        into->state = MIN(into->state, other->state);
        if (badness(other->verdict) > badness(into->verdict)) {
                into->verdict = other->verdict;
                into->reason = other->reason;
        }
}

/* Merges neighbours up to the grain; all of them, or those that lose nothing by it. */
static void merge_all(struct spans *spans, bool any) {
        size_t kept = 0;

        for (size_t i = 1; i < spans->n; i++) {
                struct span *into = &spans->spans[kept];

                if ((any || mergeable(into, &spans->spans[i])) &&
                    span_end(spans, i) - into->start <= spans->grain)
                        merge(into, &spans->spans[i]);
                else
                        spans->spans[++kept] = spans->spans[i];
        }
        spans->n = MIN(spans->n, kept + 1);
}

/* Makes room. In a file with thousands of infected items clean ones between them share their verdict
 * in the end. */
static void coarsen(struct spans *spans) {
        for (bool any = false; spans->n >= SPANS_MAX - 2; any = true) {
                spans->grain = MAX(spans->grain, GRAIN_MIN) * 2;
                merge_all(spans, any);
        }
}

static int reserve(struct spans *spans, size_t more) {
        size_t wanted = spans->n + more, size;
        struct span *p;

        if (wanted <= spans->allocated)
                return 0;
        size = MIN(MAX(wanted * 2, (size_t)16), (size_t)SPANS_MAX);
        p = reallocarray(spans->spans, size, sizeof(*p));
        if (!p)
                return -ENOMEM;
        spans->spans = p;
        spans->allocated = size;
        return 0;
}

/* Merges span i with the one before it, if they are alike and small. */
static void merge_back(struct spans *spans, size_t i) {
        uint64_t grain = MAX(spans->grain, GRAIN_MIN);

        if (i == 0 || i >= spans->n || !mergeable(&spans->spans[i - 1], &spans->spans[i]) ||
            span_end(spans, i) - spans->spans[i - 1].start > grain)
                return;
        memmove(spans->spans + i, spans->spans + i + 1,
                (spans->n - i - 1) * sizeof(spans->spans[0]));
        spans->n--;
}

int spans_set(struct spans *spans, uint64_t offset, uint64_t size, enum span_state state,
              enum verdict verdict, enum reason reason) {
        uint64_t end = offset + size, last_end = spans->end;
        struct span rest = {};
        size_t first, last;
        bool has_rest;
        int r;

        if (size == 0 || end < offset)
                return -EINVAL;
        coarsen(spans);
        if (offset > spans->end)
                return -EINVAL;
        r = reserve(spans, 2);
        if (r < 0)
                return r;

        /* Where the new one goes: behind what is left of the span that it begins in. */
        first = find(spans, offset);
        if (first < spans->n && spans->spans[first].start < offset) {
                if (spans->spans[first].state == SPAN_FRESH)
                        spans->spans[first].state = SPAN_STALE;
                first++;
        }
        last = find(spans, end); /* the one that it ends in */
        has_rest = last < spans->n;
        if (has_rest) {
                rest = spans->spans[last];
                if (rest.start < end && rest.state == SPAN_FRESH)
                        rest.state = SPAN_STALE;
                if (rest.start == end)
                        has_rest = false; /* it stays as it is */
                else
                        last++;
                rest.start = end;
        }
        if (first > last)
                last = first;
        memmove(spans->spans + first + 1 + has_rest, spans->spans + last,
                (spans->n - last) * sizeof(spans->spans[0]));
        spans->n = spans->n - (last - first) + 1 + has_rest;
        spans->spans[first] = (struct span){
                .start = offset,
                .state = (uint8_t)state,
                .verdict = (uint8_t)verdict,
                .reason = (uint8_t)reason,
        };
        if (has_rest)
                spans->spans[first + 1] = rest;
        spans->end = MAX(last_end, end);
        merge_back(spans, first);
        return 0;
}

static void touch(struct span *span) {
        if (span->state == SPAN_FRESH)
                span->state = SPAN_STALE;
}

void spans_touch(struct spans *spans, uint64_t offset, uint64_t size) {
        uint64_t end = size > UINT64_MAX - offset ? UINT64_MAX : offset + size;
        size_t i = find(spans, offset);

        if (size == 0)
                return;
        if (i > 0)
                touch(&spans->spans[i - 1]);
        for (; i < spans->n && spans->spans[i].start < end; i++)
                touch(&spans->spans[i]);
}

void spans_touch_all(struct spans *spans) {
        for (size_t i = 0; i < spans->n; i++)
                touch(&spans->spans[i]);
}

void spans_outdate(struct spans *spans) {
        for (size_t i = 0; i < spans->n; i++) {
                touch(&spans->spans[i]);
                if (spans->spans[i].verdict != VERDICT_INFECTED) {
                        spans->spans[i].verdict = VERDICT_UNKNOWN;
                        spans->spans[i].reason = REASON_NONE;
                }
        }
}

void spans_resize(struct spans *spans, uint64_t size) {
        while (spans->n > 0 && spans->spans[spans->n - 1].start >= size) {
                spans->end = spans->spans[spans->n - 1].start;
                spans->n--;
        }
        if (spans->n == 0) {
                spans->end = 0;
                return;
        }
        /* Its end is not where it was, or not the end of the file. */
        if (spans->end != size) {
                spans->end = MIN(spans->end, size);
                touch(&spans->spans[spans->n - 1]);
        }
}

/* Where to begin in order to know of a span: where the one before it is STALE as well, its last item
 * may reach into this one by now. */
static uint64_t start_for(const struct spans *spans, size_t i) {
        if (i > 0 && spans->spans[i].state == SPAN_STALE && spans->spans[i - 1].state == SPAN_STALE)
                i--;
        return spans->spans[i].start;
}

void spans_ask(const struct spans *spans, uint64_t offset, uint64_t size,
               struct spans_answer *ret) {
        uint64_t end = size > UINT64_MAX - offset ? UINT64_MAX : offset + size;

        *ret = (struct spans_answer){ .verdict = VERDICT_CLEAN, .complete = true };
        for (size_t i = find(spans, offset); i < spans->n && spans->spans[i].start < end; i++) {
                const struct span *span = &spans->spans[i];

                if (span->state != SPAN_FRESH) {
                        if (ret->complete)
                                ret->missing = start_for(spans, i);
                        ret->complete = false;
                } else if (badness(span->verdict) > badness(ret->verdict)) {
                        ret->verdict = span->verdict;
                        ret->reason = span->reason;
                        ret->worst = span->start;
                        ret->worst_end = span_end(spans, i);
                }
        }
        if (end <= spans->end || !ret->complete)
                return;
        /* The last item that is known may go on where nothing is known. */
        ret->complete = false;
        ret->missing = spans->n > 0 && spans->spans[spans->n - 1].state == SPAN_STALE
                               ? start_for(spans, spans->n - 1)
                               : spans->end;
}

bool spans_find_infected(const struct spans *spans, uint64_t *offset, uint64_t end) {
        for (size_t i = find(spans, *offset); i < spans->n && spans->spans[i].start < end; i++)
                if (spans->spans[i].verdict == VERDICT_INFECTED) {
                        *offset = MAX(*offset, spans->spans[i].start);
                        return true;
                }
        return false;
}

bool spans_was_clean(const struct spans *spans, uint64_t offset, uint64_t size) {
        if (size == 0)
                return true;
        if (size > spans->end || offset > spans->end - size)
                return false;
        for (size_t i = find(spans, offset); i < spans->n && spans->spans[i].start < offset + size;
             i++)
                if (spans->spans[i].state == SPAN_PASSED ||
                    spans->spans[i].verdict != VERDICT_CLEAN)
                        return false;
        return true;
}
