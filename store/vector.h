/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For loops that look at 16 bytes at once, in whatever the compiler has for that. Header only; owns no state. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t vector __attribute__((vector_size(16)));

/* The 16 bytes there, wherever that is. */
static inline vector vector_load(const uint8_t *p) {
        vector v;

        memcpy(&v, p, sizeof(v));
        return v;
}

/* Whether any bit is set. */
static inline bool vector_any(vector v) {
        uint64_t halves[2];

        memcpy(halves, &v, sizeof(v));
        return (halves[0] | halves[1]) != 0;
}
