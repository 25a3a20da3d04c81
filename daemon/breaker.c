/* SPDX-License-Identifier: Apache-2.0 */

/* The states of a breaker. */

#include "daemon/breaker.h"

#include <assert.h>

#include "store/util.h"

const char *breaker_state_name(enum breaker_state state) {
        static const char *const names[] = {
                [BREAKER_CLOSED] = "closed",
                [BREAKER_OPEN] = "open",
                [BREAKER_PROBING] = "probing",
        };

        static_assert(ELEMENTSOF(names) == _BREAKER_STATE_MAX, "a name for each");
        return (unsigned)state < _BREAKER_STATE_MAX ? names[state] : "invalid";
}

static void change(struct breaker *b, enum breaker_state state) {
        bool was_open = b->state != BREAKER_CLOSED, open = state != BREAKER_CLOSED;

        b->state = state;
        if (was_open != open && b->changed)
                b->changed(b->userdata, open);
}

static void open_for(struct breaker *b, uint64_t usec, uint64_t now) {
        b->pause_usec = usec;
        b->due_usec = now + usec;
        change(b, BREAKER_OPEN);
}

void breaker_limit(struct breaker *b, unsigned failures_max, uint64_t window_usec) {
        b->failures_max = failures_max;
        b->window_usec = window_usec;
        if (failures_max == 0)
                change(b, BREAKER_CLOSED);
}

bool breaker_lets(struct breaker *b, uint64_t now) {
        if (b->state == BREAKER_CLOSED)
                return true;
        if (now < b->due_usec)
                return false;
        b->due_usec = now + BREAKER_PROBE_MAX;
        change(b, BREAKER_PROBING);
        return true;
}

static void failed(struct breaker *b, uint64_t now) {
        switch (b->state) {
        case BREAKER_CLOSED:
                if (b->failures == 0 || now - b->first_usec > b->window_usec) {
                        b->failures = 0;
                        b->first_usec = now;
                }
                if (++b->failures >= b->failures_max && b->failures_max > 0)
                        open_for(b, BREAKER_PAUSE_MIN, now);
                break;
        case BREAKER_PROBING: open_for(b, MIN(2 * b->pause_usec, BREAKER_PAUSE_MAX), now); break;
        case BREAKER_OPEN: /* it had gone before */
        case _BREAKER_STATE_MAX:
        default: break;
        }
}

void breaker_tell(struct breaker *b, enum breaker_result result, uint64_t now) {
        switch (result) {
        case BREAKER_SUCCESS:
                b->success_usec = now;
                b->failures = 0;
                change(b, BREAKER_CLOSED);
                break;
        case BREAKER_FAILURE: failed(b, now); break;
        case BREAKER_NEITHER:
        default:
                /* The next one is the probe. */
                if (b->state == BREAKER_PROBING)
                        open_for(b, b->pause_usec, now - b->pause_usec);
        }
}

void breaker_tell_late(struct breaker *b, uint64_t since, uint64_t now) {
        if (b->success_usec < since)
                failed(b, now);
}
