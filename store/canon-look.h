/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For canon.c: what ends of lines and control characters a block of bytes holds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct canon_look {
        bool lone_lf; /* LF without CR before it */
        bool lone_cr; /* CR without LF behind it; the last byte is not counted */
        bool binary;  /* control characters that text does not hold; CR is not among them */
};

void canon_look(const uint8_t *data, size_t size, struct canon_look *ret);
