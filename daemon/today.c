/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. The time zone is read at the first call, which comes before any store is guarded, and
 * never again: localtime_r() opens no file then. */

#include "daemon/today.h"

#include <time.h>

#include "daemon/clock.h"
#include "store/util.h"

#define HOUR_SECONDS 3600
#define DAY_SECONDS  (24 * HOUR_SECONDS)

static void begin(struct today *today, const struct stats *stats, uint64_t since_usec) {
        today->since_usec = since_usec;
#define X(name) today->name = stats->name;
        TODAY_TABLE(X)
#undef X
}

/* Local time of day; seconds until the next day, or 1 where summer time makes that uncertain. */
static int seconds_left(const struct tm *tm) {
        int gone = (tm->tm_hour * HOUR_SECONDS) + (tm->tm_min * 60) + tm->tm_sec;

        return MAX(DAY_SECONDS - gone, 1);
}

static int look(struct today *today, const struct stats *stats, uint64_t realtime_usec) {
        time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
        struct tm tm = {};

        (void)localtime_r(&seconds, &tm);
        if (today->since_usec == 0 || tm.tm_yday != today->day || tm.tm_year != today->year)
                begin(today, stats, realtime_usec);
        today->day = tm.tm_yday;
        today->year = tm.tm_year;
        return seconds_left(&tm);
}

void today_at(struct today *today, const struct stats *stats, uint64_t realtime_usec) {
        (void)look(today, stats, realtime_usec);
}

uint64_t today_run(struct today *today, const struct stats *stats, uint64_t now) {
        int left;

        if (now < today->due_usec)
                return today->due_usec;
        left = look(today, stats, clock_usec(CLOCK_REALTIME));
        /* The wall clock may be set meanwhile. */
        today->due_usec = now + (uint64_t)MIN(left, HOUR_SECONDS) * USEC_PER_SEC;
        return today->due_usec;
}
