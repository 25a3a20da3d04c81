/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns nothing but the table of formats.
 *
 * What mail servers were seen to do about a denial decides where there may be one. A message that is a
 * file of its own: its reader is disconnected or told of an error, all other mail can be read and
 * delivered, nothing is lost. An mbox can't be opened any more, nor new mail be delivered to it. Of an
 * mdbox file all messages fail in the session, and "doveadm purge" takes what is denied for gone.
 *
 * A denial is EPERM everywhere: EIO, EAGAIN, EBUSY, ETXTBSY and ENOSPC (FAN_DENY_ERRNO) made no
 * difference to any of them, and by EDQUOT new mail bounces.
 */

#include "daemon/policy.h"

#include <assert.h>

/* clang-format off */
static const struct {
        enum deed deeds[_ON_INFECTED_MAX];
        const char *hazard;
} formats[] = {
#define DEEDS(replace, block) \
        { [ON_INFECTED_REPLACE] = replace, [ON_INFECTED_BLOCK] = block, [ON_INFECTED_DETECT] = DEED_ALLOW }
        [STORE_FORMAT_MAILDIR] = { DEEDS(DEED_REPLACE, DEED_BLOCK), NULL },
        [STORE_FORMAT_SDBOX]   = { DEEDS(DEED_REPLACE, DEED_BLOCK), NULL },
        [STORE_FORMAT_CYRUS]   = { DEEDS(DEED_REPLACE, DEED_BLOCK), NULL },
        [STORE_FORMAT_MH]      = { DEEDS(DEED_REPLACE, DEED_BLOCK), NULL },
        [STORE_FORMAT_SIS]     = { DEEDS(DEED_REPLACE, DEED_BLOCK), NULL },
        [STORE_FORMAT_MDBOX]   = { DEEDS(DEED_REPLACE, DEED_REPLACE),
                "infected messages are replaced, since a denial takes other mail with it; accesses "
                "to them are denied only where they can't be" },
        [STORE_FORMAT_MBOX]    = { DEEDS(DEED_REPLACE, DEED_REPLACE),
                "infected messages are replaced, since a denial makes the mailbox unusable, and "
                "keeps new mail out of it; accesses to them are denied only where they can't be" },
        [STORE_FORMAT_FILES]   = { DEEDS(DEED_BLOCK, DEED_BLOCK),
                "infected files are blocked, since their format is not known, so that a notice "
                "could damage them" },
#undef DEEDS
};
/* clang-format on */
static_assert(ELEMENTSOF(formats) == _STORE_FORMAT_MAX, "a line for every format");

enum deed policy_deed(const struct config_store *store) {
        return formats[store->format].deeds[store->on_infected];
}

const char *policy_hazard(const struct config_store *store) {
        static const enum deed meant[] = {
                [ON_INFECTED_REPLACE] = DEED_REPLACE,
                [ON_INFECTED_BLOCK] = DEED_BLOCK,
                [ON_INFECTED_DETECT] = DEED_ALLOW,
        };
        static_assert(ELEMENTSOF(meant) == _ON_INFECTED_MAX, "a deed for every word");

        return policy_deed(store) == meant[store->on_infected] ? NULL
                                                               : formats[store->format].hazard;
}

bool policy_allows(const struct config_store *store, enum verdict verdict) {
        switch (verdict) {
        case VERDICT_CLEAN: return true;
        case VERDICT_INFECTED: return policy_deed(store) == DEED_ALLOW;
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

bool policy_allows_unknown(const struct config *config) {
        for (size_t i = 0; i < config->n_stores; i++)
                if (!policy_allows(&config->stores[i], VERDICT_UNKNOWN))
                        return false;
        return true;
}
