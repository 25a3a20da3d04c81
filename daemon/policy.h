/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a store's policy says to a verdict: the one place where "could not decide" becomes an answer,
 * and where the words of on_infected become what is harmless in the store's format.
 */

#include <stdbool.h>

#include "daemon/config.h"
#include "store/verdict.h"

/* What is done about infected content. */
enum deed {
        DEED_REPLACE, /* a notice takes its place; where that fails it is as with BLOCK */
        DEED_BLOCK,   /* who asks for it is denied, with EPERM */
        DEED_ALLOW,
};

enum deed policy_deed(const struct config_store *store);

/* Why the deed is another one than on_infected names, as the end of a sentence; NULL: it is the same. */
const char *policy_hazard(const struct config_store *store);

/* Whether who asks for content of this verdict, which is not replaced, may have it. */
bool policy_allows(const struct config_store *store, enum verdict verdict);

/* The same to an open that needs a scan while there is no use in trying one (daemon/breaker.h): never
 * less lenient than to a scan that failed. */
bool policy_breaker_allows(const struct config *config, const struct config_store *store);

/* Whether who asks for nobody knows what may have it: as after a scan that failed, of a store that is not known. */
bool policy_allows_unknown(const struct config *config);
