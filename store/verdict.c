/* SPDX-License-Identifier: Apache-2.0 */

/* The tables behind verdict.h: one line a verdict, one line a reason. */

#include "store/verdict.h"
#include "store/util.h"

#include <assert.h>

static const char *const verdict_names[] = {
        [VERDICT_UNKNOWN] = "unknown",
        [VERDICT_CLEAN] = "clean",
        [VERDICT_INFECTED] = "infected",
        [VERDICT_UNSCANNABLE] = "unscannable",
};

static const struct {
        const char *name;
        enum verdict verdict;
} reasons[] = {
        [REASON_NONE] = { "none", VERDICT_CLEAN },
        [REASON_LIMITS] = { "limits", VERDICT_UNSCANNABLE },
        [REASON_ENCRYPTED] = { "encrypted", VERDICT_UNSCANNABLE },
        [REASON_BROKEN] = { "broken", VERDICT_UNSCANNABLE },
        [REASON_ENGINE] = { "engine", VERDICT_UNKNOWN },
        [REASON_TIMEOUT] = { "timeout", VERDICT_UNKNOWN },
        [REASON_CRASH] = { "crash", VERDICT_UNKNOWN },
        [REASON_HANG] = { "hang", VERDICT_UNKNOWN },
        [REASON_READ] = { "read", VERDICT_UNKNOWN },
        [REASON_OVERLOAD] = { "overload", VERDICT_UNKNOWN },
        [REASON_SHUTDOWN] = { "shutdown", VERDICT_UNKNOWN },
        [REASON_STAMP] = { "stamp", VERDICT_UNKNOWN },
        [REASON_PROTOCOL] = { "protocol", VERDICT_UNKNOWN },
        [REASON_BREAKER] = { "breaker", VERDICT_UNKNOWN },
        [REASON_POISON] = { "poison", VERDICT_UNKNOWN },
        [REASON_HALF] = { "half-replaced", VERDICT_UNKNOWN },
};

static_assert(ELEMENTSOF(verdict_names) == _VERDICT_MAX, "a name for every verdict");
static_assert(ELEMENTSOF(reasons) == _REASON_MAX, "a line for every reason");

const char *verdict_name(enum verdict verdict) {
        return (unsigned)verdict < _VERDICT_MAX ? verdict_names[verdict] : "invalid";
}

const char *reason_name(enum reason reason) {
        return (unsigned)reason < _REASON_MAX ? reasons[reason].name : "invalid";
}

int verdict_reason_fits(enum verdict verdict, enum reason reason) {
        if ((unsigned)verdict >= _VERDICT_MAX || (unsigned)reason >= _REASON_MAX)
                return 0;
        if (reason == REASON_NONE)
                return verdict == VERDICT_CLEAN || verdict == VERDICT_INFECTED;
        return reasons[reason].verdict == verdict;
}
