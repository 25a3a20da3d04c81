/* SPDX-License-Identifier: Apache-2.0 */

/* Arithmetic on times, rates and loads. Owns nothing beyond the objects of its callers. */

#include "store/sweep-pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/util.h"

#define MINUTES_OF_DAY 1440U
#define SECONDS_OF_DAY 86400U
#define SMOOTHING      0.2 /* part of the rate that the last interval makes */
#define INTERVAL_USEC  (USEC_PER_SEC / 2)
#define REST_USEC      (USEC_PER_SEC * 9 / 10) /* for callers that ask once a second */
#define TRUST_USEC     (60 * USEC_PER_SEC)

/* ---- Hours ---- */

bool day_window_valid(const struct day_window *window) {
        return window->from < MINUTES_OF_DAY && window->to < MINUTES_OF_DAY;
}

/* "HH:MM" with both digits. */
static const char *parse_time(const char *text, uint16_t *ret) {
        unsigned v[4];

        for (size_t i = 0; i < 5; i++) {
                if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
                        return NULL;
                if (i != 2)
                        v[i - (i > 2)] = (unsigned)(text[i] - '0');
        }
        if (v[0] * 10 + v[1] > 23 || v[2] > 5)
                return NULL;
        *ret = (uint16_t)((v[0] * 10 + v[1]) * 60 + v[2] * 10 + v[3]);
        return text + 5;
}

int day_window_parse(const char *text, struct day_window *ret) {
        struct day_window w = {};

        if (streq(text, "always")) {
                *ret = w;
                return 0;
        }
        text = parse_time(text, &w.from);
        if (!text || *text != '-')
                return -EINVAL;
        text = parse_time(text + 1, &w.to);
        if (!text || *text || w.from == w.to)
                return -EINVAL;
        *ret = w;
        return 0;
}

void day_window_format(const struct day_window *window, char ret_text[static DAY_WINDOW_TEXT_MAX]) {
        if (window->from == window->to)
                (void)snprintf(ret_text, DAY_WINDOW_TEXT_MAX, "always");
        else
                (void)snprintf(ret_text, DAY_WINDOW_TEXT_MAX, "%02u:%02u-%02u:%02u",
                               window->from / 60 % 24U, window->from % 60U, window->to / 60 % 24U,
                               window->to % 60U);
}

unsigned day_window_age(const struct day_window *window, unsigned second) {
        unsigned from = window->from == window->to ? 0 : window->from * 60U;

        return (second + SECONDS_OF_DAY - from) % SECONDS_OF_DAY;
}

unsigned day_window_wait(const struct day_window *window, unsigned second) {
        unsigned length = (window->to + MINUTES_OF_DAY - window->from) % MINUTES_OF_DAY * 60;
        unsigned age = day_window_age(window, second);

        return length == 0 || age < length ? 0 : SECONDS_OF_DAY - age;
}

/* ---- Rate ---- */

bool sweep_rate_take(struct sweep_rate *rate, uint64_t now_usec, uint64_t *ret_usec) {
        if (rate->per_second == 0)
                return true;
        if (rate->next_usec > now_usec) {
                *ret_usec = rate->next_usec - now_usec;
                return false;
        }
        /* What was not used is lost: no burst follows a pause. A turn that came late, by less than a
         * tenth of a second, is made up for. */
        rate->next_usec = MAX(rate->next_usec, now_usec - MIN(now_usec, USEC_PER_SEC / 10)) +
                          USEC_PER_SEC / rate->per_second;
        return true;
}

/* ---- Load ---- */

/* "12.34" with any number of decimals, in hundredths. */
static int parse_hundredths(const char *text, unsigned *ret) {
        unsigned whole = 0, hundredths = 0;
        const char *p = text;

        for (; *p >= '0' && *p <= '9' && whole < 1000000; p++)
                whole = whole * 10 + (unsigned)(*p - '0');
        if (p == text || *p != '.')
                return -EINVAL;
        p++;
        for (unsigned weight = 10; *p >= '0' && *p <= '9'; p++, weight /= 10)
                hundredths += weight * (unsigned)(*p - '0');
        *ret = whole * 100 + hundredths;
        return 0;
}

int sweep_pressure_parse(const char *text, struct sweep_pressure *ret) {
        const char *p = startswith(text, "some avg10="), *total;
        struct sweep_pressure found = {};
        int r;

        total = p ? strstr(p, " total=") : NULL;
        if (!total || memchr(p, '\n', (size_t)(total - p)))
                return -EINVAL;
        r = parse_hundredths(p, &found.recent);
        if (r < 0)
                return r;
        total += strlen(" total=");
        if (*total < '0' || *total > '9')
                return -EINVAL;
        found.total_usec = strtoull(total, NULL, 10);
        *ret = found;
        return 0;
}

static bool is_recently_high(const struct sweep_pressure pressures[SWEEP_PRESSURES_MAX],
                             unsigned limit) {
        for (size_t i = 0; i < SWEEP_PRESSURES_MAX; i++)
                if (pressures[i].recent > limit)
                        return true;
        return false;
}

/* By what was waited for since the measurement began. */
static bool measures_high(const struct sweep_rest *rest,
                          const struct sweep_pressure pressures[SWEEP_PRESSURES_MAX],
                          unsigned limit, uint64_t now_usec) {
        uint64_t elapsed = MAX(now_usec - rest->since_usec, UINT64_C(1));

        for (size_t i = 0; i < SWEEP_PRESSURES_MAX; i++) {
                uint64_t total = pressures[i].total_usec;
                uint64_t waited = total > rest->total_usec[i] ? total - rest->total_usec[i] : 0;

                if (sweep_load_pauses((unsigned)(MIN(waited, elapsed) * 10000 / elapsed), limit,
                                      rest->high))
                        return true;
        }
        return false;
}

static void measure_from(struct sweep_rest *rest,
                         const struct sweep_pressure pressures[SWEEP_PRESSURES_MAX],
                         uint64_t now_usec) {
        rest->state = SWEEP_REST_MEASURES;
        rest->since_usec = now_usec;
        for (size_t i = 0; i < SWEEP_PRESSURES_MAX; i++)
                rest->total_usec[i] = pressures[i].total_usec;
}

enum sweep_load sweep_pressure_judge(struct sweep_rest *rest,
                                     const struct sweep_pressure pressures[SWEEP_PRESSURES_MAX],
                                     unsigned limit, uint64_t now_usec) {
        if (limit == 0) {
                *rest = (struct sweep_rest){};
                return SWEEP_LOAD_LOW;
        }
        switch (rest->state) {
        case SWEEP_REST_NOT:
                if (now_usec < rest->trusted_usec || !is_recently_high(pressures, limit))
                        return SWEEP_LOAD_LOW;
                rest->state = SWEEP_REST_SETTLES;
                rest->since_usec = now_usec;
                break;
        case SWEEP_REST_SETTLES:
                if (now_usec >= rest->since_usec + REST_USEC)
                        measure_from(rest, pressures, now_usec);
                break;
        case SWEEP_REST_MEASURES:
        default:
                if (now_usec < rest->since_usec + REST_USEC)
                        break;
                rest->high = measures_high(rest, pressures, limit, now_usec);
                if (!rest->high) {
                        *rest = (struct sweep_rest){ .trusted_usec = now_usec + TRUST_USEC };
                        return SWEEP_LOAD_LOW;
                }
                measure_from(rest, pressures, now_usec);
        }
        return rest->high ? SWEEP_LOAD_HIGH : SWEEP_LOAD_UNKNOWN;
}

int sweep_load_parse(const char *text, unsigned *ret) {
        return parse_hundredths(text, ret);
}

bool sweep_load_pauses(unsigned load, unsigned limit, bool paused) {
        return limit > 0 && load > (paused ? limit / 5 * 4 : limit);
}

/* ---- Progress ---- */

void sweep_progress_note(struct sweep_progress *progress, uint64_t done, uint64_t now_usec) {
        double seconds, rate;

        if (progress->last_usec == 0) {
                progress->last_usec = now_usec;
                progress->last_done = done;
                return;
        }
        if (now_usec < progress->last_usec + INTERVAL_USEC || done < progress->last_done)
                return;
        seconds = (double)(now_usec - progress->last_usec) / (double)USEC_PER_SEC;
        rate = (double)(done - progress->last_done) / seconds;
        progress->rate =
                progress->rate > 0 ? progress->rate + SMOOTHING * (rate - progress->rate) : rate;
        progress->last_usec = now_usec;
        progress->last_done = done;
}

uint64_t sweep_progress_eta(const struct sweep_progress *progress, uint64_t done, uint64_t total) {
        if (total > 0 && done >= total)
                return 0;
        if (total == 0 || progress->rate < 0.001)
                return UINT64_MAX;
        return (uint64_t)((double)(total - done) / progress->rate) + 1;
}
