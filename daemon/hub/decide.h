/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is to be done with a message, from its judgement and the policy of [hub]. Pure. */

#include "daemon/config.h"
#include "daemon/hub/handover.h"

enum deed {
        DEED_DEFER, /* the sender keeps it and tries again */
        DEED_REJECT,
        DEED_DISCARD,
        DEED_QUARANTINE,
        DEED_TAG,
        DEED_ACCEPT, /* as it is, without a stamp */
        DEED_HONOUR, /* another hub found it clean */
        DEED_STAMP,  /* it is clean */
        _DEED_MAX
};

/* Why, for the log; the order is that of importance. */
enum cause { CAUSE_NONE, CAUSE_INFECTED, CAUSE_ATTACHMENT, CAUSE_ERROR, CAUSE_UNSCANNABLE };

struct decision {
        enum deed deed;
        enum cause cause;
};

struct decision decide(const struct config_hub *policy, const struct judgement *judgement);

/* In the past tense, for people: "rejected". */
const char *deed_name(enum deed deed);
