/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is known of the content of a file that holds many items: which ranges were judged, with what
 * verdict, and which of them something may have happened to since. Pure bookkeeping, in bounded
 * memory: neighbours that are clean are kept as one span, the coarser the more there are.
 *
 * Every span begins where an item begins, so that a reader of items can be started there. What lies
 * behind the last span is unknown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/verdict.h"

#define SPANS_MAX 4096 /* 16 bytes each: 64 KiB at most for a file of any size */

enum span_state {
        SPAN_PASSED, /* items begin and end here, nobody has judged them */
        SPAN_STALE,  /* was judged; may have changed since */
        SPAN_FRESH,  /* the verdict holds */
};

struct span {
        uint64_t start;  /* ends where the next one begins */
        uint8_t state;   /* enum span_state */
        uint8_t verdict; /* enum verdict, of FRESH and STALE; INFECTED of PASSED: it was once */
        uint8_t reason;  /* enum reason */
};

struct spans {
        struct span *spans;
        size_t n, allocated;
        uint64_t end;   /* of the last span; 0: there is none */
        uint64_t grain; /* clean neighbours are kept apart from this size on */
};

/* A zeroed object is empty and valid. Releases the memory; the object is empty again. */
void spans_done(struct spans *spans);

/* Notes what was found of the items in [offset, offset + size), where an item begins and one ends.
 * offset is at most the end of what is known, and for new content exactly that. What is left of a
 * span that is cut into becomes STALE. 0; -EINVAL: a gap would be left; -ENOMEM: nothing is noted. */
int spans_set(struct spans *spans, uint64_t offset, uint64_t size, enum span_state state,
              enum verdict verdict, enum reason reason);

/* Something may have been written to [offset, offset + size). The span before goes with it, since its
 * last item may end elsewhere now. */
void spans_touch(struct spans *spans, uint64_t offset, uint64_t size);

/* The same for everything; and: the file has another size now. */
void spans_touch_all(struct spans *spans);
/* Verdicts do not count any more, though nothing was written: but what was infected is known to have been. */
void spans_outdate(struct spans *spans);
void spans_resize(struct spans *spans, uint64_t size);

struct spans_answer {
        enum verdict verdict; /* the worst of the items that overlap the range, as far as known */
        enum reason reason;
        uint64_t worst, worst_end; /* where the span begins, and ends, that it is from */
        bool complete;             /* all of them are FRESH; else: */
        uint64_t missing;          /* where to begin reading items, to know more */
};

/* What is known of the items that overlap [offset, offset + size), size > 0. */
void spans_ask(const struct spans *spans, uint64_t offset, uint64_t size, struct spans_answer *ret);

/* Whether a span that overlaps [*offset, end) was infected when it was last judged, whatever became of it
 * since. *offset becomes where the first such one begins, or stays if it lies in that. */
bool spans_find_infected(const struct spans *spans, uint64_t *offset, uint64_t end);

/* Whether all of [offset, offset + size) was found clean when it was last judged, STALE or not. */
bool spans_was_clean(const struct spans *spans, uint64_t offset, uint64_t size);
