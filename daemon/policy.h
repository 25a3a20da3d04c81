/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a store's policy says to a verdict: the one place where "could not decide" becomes an answer.
 */

#include <stdbool.h>

#include "daemon/config.h"
#include "store/verdict.h"

bool policy_allows(const struct config_store *store, enum verdict verdict);

/* The same to an open that needs a scan while there is no use in trying one (daemon/breaker.h): never
 * less lenient than to a scan that failed. */
bool policy_breaker_allows(const struct config *config, const struct config_store *store);
