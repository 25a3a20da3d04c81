/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inputs made of others, without a look at what the target does with them: cheap enough for every
 * build. The same number and inputs make the same on every machine.
 */

#include <stddef.h>
#include <stdint.h>

#define MUTATE_SIZE_MAX ((size_t)64 << 10)

struct input {
        const uint8_t *data;
        size_t size;
};

/* inputs: n > 0 of them; small ones are preferred. Returns the size. */
size_t mutate(uint64_t number, const struct input *inputs, size_t n,
              uint8_t ret_data[static MUTATE_SIZE_MAX]);

/* Spreads a number over all its bits. */
uint64_t mutate_spread(uint64_t number);
