/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rules that a plan must keep, whoever made it: it comes from a process that parsed hostile mail.
 * What mail servers know of an item (offsets, lines, headers, their own metadata) stays as it is. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/format.h"

/* NULL: it keeps them; else the rule that it breaks, as part of a sentence. Both have size bytes. */
const char *verify_plan(enum store_format format, bool opaque, const uint8_t *original,
                        const uint8_t *planned, size_t size);
