/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. */

#include "daemon/policy.h"

bool policy_allows(const struct config_store *store, enum verdict verdict) {
        switch (verdict) {
        case VERDICT_CLEAN: return true;
        case VERDICT_INFECTED: return store->on_infected == ON_INFECTED_DETECT;
        case VERDICT_UNSCANNABLE: return store->on_unscannable == ON_FAILURE_ALLOW;
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: return store->on_error == ON_FAILURE_ALLOW;
        }
}

bool policy_breaker_allows(const struct config *config, const struct config_store *store) {
        enum on_failure breaker =
                store->breaker == _ON_FAILURE_MAX ? config->breaker : store->breaker;

        return breaker == ON_FAILURE_ALLOW || policy_allows(store, VERDICT_UNKNOWN);
}
