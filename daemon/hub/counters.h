/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What storescan-hub counts, one line each; logged on SIGUSR1 and at the end. Any thread counts. */

#include <stdatomic.h>
#include <stdint.h>

/* clang-format off */
#define HUB_COUNTERS(X) \
        X(messages,    "messages that came to their end") \
        X(bytes,       "bytes of messages that were judged") \
        X(clean,       "messages scanned and found clean") \
        X(honoured,    "messages accepted by another hub's stamp, without a scan") \
        X(stamped,     "messages stamped") \
        X(infected,    "messages found infected") \
        X(attachments, "messages with an attachment that fits a rule") \
        X(unscannable, "messages that can't be judged") \
        X(undecided,   "messages whose scan failed or took too long") \
        X(deferred,    "messages that their senders have to send again") \
        X(rejected,    "messages rejected") \
        X(discarded,   "messages discarded") \
        X(held,        "messages put on hold") \
        X(tagged,      "messages delivered with a header line of ours") \
        X(stripped,    "header lines of stamps taken off")
/* clang-format on */

struct hub_counters {
#define X(name, meaning) _Atomic(uint64_t) name;
        HUB_COUNTERS(X)
#undef X
};
