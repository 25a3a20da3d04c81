/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A fuzz target is one function, called by libFuzzer (-Dfuzz=true) or by driver.c. What must hold
 * is said by FUZZ_ASSERT, which also works where asserts are compiled out.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ASSERT(condition)                                                           \
        do {                                                                             \
                if (!(condition)) {                                                      \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
                                #condition);                                             \
                        abort();                                                         \
                }                                                                        \
        } while (0)
