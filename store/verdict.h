/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a scan can say of an item. A verdict is a value, never an error: "could not scan" is a
 * verdict of its own, with a reason, and no code path turns it into clean.
 */

#include <stdint.h>

enum verdict {
        VERDICT_UNKNOWN =
                0,        /* not judged (yet), or the scan failed: the store's on_error decides */
        VERDICT_CLEAN,    /* scanned to the end, nothing found */
        VERDICT_INFECTED, /* a signature matched */
        VERDICT_UNSCANNABLE, /* the engine works, the content can't be judged: on_unscannable */
        _VERDICT_MAX
};

/* Why a verdict is UNKNOWN or UNSCANNABLE. REASON_NONE goes with CLEAN and INFECTED. */
enum reason {
        REASON_NONE = 0,
        /* UNSCANNABLE */
        REASON_LIMITS,    /* larger, deeper or more numerous than the configured limits */
        REASON_ENCRYPTED, /* encrypted archive or document */
        REASON_BROKEN,    /* damaged executable, document or media file */
        /* UNKNOWN */
        REASON_ENGINE,   /* libclamav failed or warned that it did not look at everything */
        REASON_TIMEOUT,  /* no verdict before the deadline */
        REASON_CRASH,    /* the worker died twice on this content */
        REASON_HANG,     /* the worker was killed twice, hung on this content */
        REASON_READ,     /* the content could not be read from the store */
        REASON_OVERLOAD, /* no memory or no worker to scan with */
        REASON_SHUTDOWN, /* storescand stopped before the scan ended */
        REASON_STAMP,    /* an old stamp could not be taken off a file that is written to */
        REASON_PROTOCOL, /* the worker answered nonsense */
        REASON_BREAKER,  /* the engine failed again and again: it was not even tried */
        REASON_POISON,   /* this content has cost two workers before: it was not even tried */
        REASON_HALF, /* it was being replaced when that was interrupted, and may be half of both */
        _REASON_MAX
};

/* Lower-case English words, stable: they appear in logs, stamps' explanations and JSON.
 * Out-of-range values give "invalid". */
const char *verdict_name(enum verdict verdict);
const char *reason_name(enum reason reason);

/* Whether reason can go with verdict (a worker's message is checked with it). */
int verdict_reason_fits(enum verdict verdict, enum reason reason);
