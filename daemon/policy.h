/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a store's policy says to a verdict: the one place where "could not decide" becomes an answer.
 */

#include <stdbool.h>

#include "daemon/config.h"
#include "store/verdict.h"

bool policy_allows(const struct config_store *store, enum verdict verdict);
