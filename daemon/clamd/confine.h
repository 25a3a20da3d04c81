/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the process that talks to clamd takes away from itself: files, programs, and all ports but those
 * of its servers. */

#include "daemon/clamd/address.h"

#define CONFINE_PROBLEM_MAX 256

/* 0 or negative errno, with a sentence without a full stop in problem. */
int clamd_confine(const struct clamd_address *addresses, size_t n,
                  char problem[static CONFINE_PROBLEM_MAX]);
