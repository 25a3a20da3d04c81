/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Tries what words say, of size bytes, up to the end of their line: a verb and its argument; others than the
 * verbs of escapes.c are nothing. */
void escapes_try(const char *words, size_t size);
