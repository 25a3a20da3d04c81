/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the rule that only what was scanned to its end and found clean is stamped. */

#include "daemon/hub/decide.h"

static enum deed deed_of(enum hub_action action) {
        switch (action) {
        case HUB_REJECT: return DEED_REJECT;
        case HUB_DISCARD: return DEED_DISCARD;
        case HUB_QUARANTINE: return DEED_QUARANTINE;
        case HUB_TAG: return DEED_TAG;
        case HUB_ACCEPT: return DEED_ACCEPT;
        case _HUB_ACTION_MAX:
        default: return DEED_DEFER;
        }
}

struct decision decide(const struct config_hub *policy, const struct judgement *j) {
        if (j->honoured && j->result.known == KNOWN_HUB)
                return (struct decision){ DEED_HONOUR, CAUSE_NONE };
        if (j->result.verdict == VERDICT_INFECTED)
                return (struct decision){ deed_of(policy->on_infected), CAUSE_INFECTED };
        if (j->unwanted)
                return (struct decision){ deed_of(policy->on_attachment), CAUSE_ATTACHMENT };
        if (j->result.verdict == VERDICT_UNSCANNABLE)
                return (struct decision){ deed_of(policy->on_unscannable), CAUSE_UNSCANNABLE };
        if (j->result.verdict == VERDICT_CLEAN && j->result.known == KNOWN_NOT)
                return (struct decision){ DEED_STAMP, CAUSE_NONE };
        return (struct decision){ policy->on_error == HUB_ERROR_ACCEPT ? DEED_ACCEPT : DEED_DEFER,
                                  CAUSE_ERROR };
}

const char *deed_name(enum deed deed) {
        static const char *const names[] = {
                [DEED_DEFER] = "deferred",    [DEED_REJECT] = "rejected",
                [DEED_DISCARD] = "discarded", [DEED_QUARANTINE] = "put on hold",
                [DEED_TAG] = "tagged",        [DEED_ACCEPT] = "accepted without a stamp",
                [DEED_HONOUR] = "accepted",   [DEED_STAMP] = "accepted",
        };

        return (unsigned)deed < ELEMENTSOF(names) ? names[deed] : "invalid";
}
