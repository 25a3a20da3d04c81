/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When a sweep may work: hours of the day, a rate, the load of the machine; and when it will be
 * through. Pure: the clock and the texts of the kernel are brought by callers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Hours ---- */

/* Minutes of the day; from == to: all day. */
struct day_window {
        uint16_t from, to;
};

/* Whether both are minutes of a day; all else here takes it for granted. */
bool day_window_valid(const struct day_window *window);

#define DAY_WINDOW_TEXT_MAX 12 /* "22:00-06:00" and a NUL */

/* Reads "always" or "HH:MM-HH:MM", which may go over midnight. 0 or -EINVAL. */
int day_window_parse(const char *text, struct day_window *ret);
void day_window_format(const struct day_window *window, char ret_text[static DAY_WINDOW_TEXT_MAX]);

/* How many seconds until it opens, at this second of the day (0: it is open). */
unsigned day_window_wait(const struct day_window *window, unsigned second);

/* How many seconds ago it opened last: all day, at midnight. */
unsigned day_window_age(const struct day_window *window, unsigned second);

/* ---- Rate ---- */

struct sweep_rate {
        unsigned per_second; /* 0: no limit */
        uint64_t next_usec;
};

/* Whether the next item may be begun at now; else *ret_usec is how long to wait. An item that may is
 * counted. */
bool sweep_rate_take(struct sweep_rate *rate, uint64_t now_usec, uint64_t *ret_usec);

/* ---- Load ---- */

/* How long somebody waits for CPU, memory or disk. Documentation/accounting/psi.rst */
struct sweep_pressure {
        unsigned recent; /* in hundredths of a percent, the average of ten seconds */
        uint64_t total_usec;
};

/* The line "some" of a text of /proc/pressure. -EINVAL. */
int sweep_pressure_parse(const char *text, struct sweep_pressure *ret);

#define SWEEP_PRESSURES_MAX 3

enum sweep_load {
        SWEEP_LOAD_LOW,
        SWEEP_LOAD_UNKNOWN, /* nothing is to be begun, until what others do can be told */
        SWEEP_LOAD_HIGH,
        _SWEEP_LOAD_MAX
};

/* What a sweep's own scans weigh is no reason for a pause, and the kernel does not tell whose the weight
 * is: above the limit the sweep rests for two seconds, what is waited for in the second of them is by
 * others, and for a minute that answer counts. Zero: at the start. */
struct sweep_rest {
        enum {
                SWEEP_REST_NOT,
                SWEEP_REST_SETTLES, /* what was begun comes to its end */
                SWEEP_REST_MEASURES,
        } state;
        bool high;
        uint64_t since_usec, trusted_usec;
        uint64_t total_usec[SWEEP_PRESSURES_MAX];
};

/* limit in hundredths of a percent; 0: none. It is asked again while the sweep rests, about once a second. */
enum sweep_load sweep_pressure_judge(struct sweep_rest *rest,
                                     const struct sweep_pressure pressures[SWEEP_PRESSURES_MAX],
                                     unsigned limit, uint64_t now_usec);

/* The first number of /proc/loadavg, in hundredths. -EINVAL. */
int sweep_load_parse(const char *text, unsigned *ret);

/* Whether to pause: above the limit, or, once paused, until it has fallen below four fifths of it. */
bool sweep_load_pauses(unsigned load, unsigned limit, bool paused);

/* ---- Progress ---- */

struct sweep_progress {
        uint64_t last_usec, last_done;
        double rate; /* items a second, smoothed; 0: not known yet */
};

/* Takes note of what is done by now. */
void sweep_progress_note(struct sweep_progress *progress, uint64_t done, uint64_t now_usec);

/* Seconds until all is done; UINT64_MAX: nobody knows. */
uint64_t sweep_progress_eta(const struct sweep_progress *progress, uint64_t done, uint64_t total);
