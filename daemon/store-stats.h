/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Counters of one store, of what is known to be its: answers by a stamp ask for no store. */

#include <stdint.h>

#include "store/hub-stamp.h"

/* clang-format off */
#define STORE_STATS_TABLE(X) \
        X(processed,   "contents judged, by a scan or by what was known of them") \
        X(files,       "files read for a scan") \
        X(scans,       "contents scanned") \
        X(bytes,       "bytes scanned") \
        X(clean,       "contents found clean") \
        X(infected,    "contents found infected") \
        X(unscannable, "contents that can't be judged") \
        X(undecided,   "scans that failed") \
        X(released,    "accesses to infected content that the admin allows") \
        X(replaced,    "messages replaced by a notice") \
        X(quarantined, "originals put into quarantine") \
        X(timeouts,    "openers answered by on_error at their deadline")
/* clang-format on */

struct store_stats {
        const char *name; /* of the store, as the configuration keeps it */
#define X(name, meaning) uint64_t name;
        STORE_STATS_TABLE(X)
#undef X
        uint64_t hub[_HUB_CHECK_MAX]; /* stamps in headers: GOOD is accepted */
};
