/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A circuit breaker between opens and an engine that fails again and again: once it is open, nobody
 * waits for a scan that would fail anyway, and after a while a single one is tried.
 *
 *     CLOSED   scans go to the engine; so many failures in a row within a time open it
 *     OPEN     none do, until a time has come
 *     PROBING  one has gone; its success closes, its failure opens again, for twice as long
 *
 * Pure: callers bring the time.
 */

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING, _BREAKER_STATE_MAX };

/* What became of a scan. */
enum breaker_result {
        BREAKER_SUCCESS, /* the engine judged something */
        BREAKER_FAILURE, /* it did not, by its own fault */
        BREAKER_NEITHER, /* it was not asked in the end, or could not be */
};

struct breaker {
        /* Set by the owner; then by breaker_limit(). */
        unsigned failures_max; /* 0: it never opens */
        uint64_t window_usec;
        void (*changed)(void *userdata, bool open); /* may be NULL */
        void *userdata;

        /* Its own; zeroed: closed. */
        enum breaker_state state;
        unsigned failures;     /* in a row */
        uint64_t first_usec;   /* when the first of them was */
        uint64_t success_usec; /* when the engine last judged something */
        uint64_t pause_usec;   /* how long it stays open this time */
        uint64_t due_usec;     /* when the next probe may go */
};

#define BREAKER_PAUSE_MIN ((uint64_t)5 * 1000000)
#define BREAKER_PAUSE_MAX ((uint64_t)300 * 1000000)
/* A probe that nothing is heard of for so long is given up. */
#define BREAKER_PROBE_MAX ((uint64_t)120 * 1000000)

/* "closed", "open", "probing"; stable. */
const char *breaker_state_name(enum breaker_state state);

/* Other limits from now on; a breaker that never opens is closed. */
void breaker_limit(struct breaker *breaker, unsigned failures_max, uint64_t window_usec);

/* Whether a scan may go to the engine now; if not, the open is answered by policy at once. */
bool breaker_lets(struct breaker *breaker, uint64_t now);

/* What became of a scan that went, or had gone before. */
void breaker_tell(struct breaker *breaker, enum breaker_result result, uint64_t now);

/* An opener's deadline passed, who had waited since then: a failure, unless the engine has judged
 * something meanwhile, and is merely slow or busy. */
void breaker_tell_late(struct breaker *breaker, uint64_t since, uint64_t now);
