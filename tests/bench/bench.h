/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the programs of the benchmark share: numbers from the command line, time, processor time. */

#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "store/util.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

static inline uint64_t now_nsec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Processor time so far, of this process (RUSAGE_SELF) or of those it waited for
 * (RUSAGE_CHILDREN). */
static inline uint64_t cpu_usec(int who) {
        struct rusage usage;

        (void)getrusage(who, &usage);
        return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
               (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* A number from min to max, or the end of the program. */
static inline unsigned parse_number(const char *option, const char *text, unsigned min,
                                    unsigned max) {
        char *end;
        unsigned long n;

        errno = 0;
        n = strtoul(text, &end, 10);
        if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || n < min || n > max) {
                fprintf(stderr, "%s: '%s' is not a number from %u to %u.\n", option, text, min,
                        max);
                exit(EXIT_FAILURE);
        }
        return (unsigned)n;
}

static inline int compare_uint64(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}
