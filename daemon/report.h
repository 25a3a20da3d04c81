/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The log record of a verdict: who asked for which content of which store, what was found in it, and
 * what the answer was. Called behind the answers.
 */

#include <sys/types.h>

#include "daemon/config.h"
#include "daemon/cures.h"
#include "daemon/journal.h"
#include "store/context.h"
#include "store/hub-stamp.h"

struct report {
        int fd; /* of the file */
        const struct config_store *store;
        enum verdict verdict;
        enum reason reason;
        enum log_tier tier;
        const char *signature; /* its name, or what was said of content that can't be judged */
        const uint8_t *digest; /* of the content, DIGEST_SIZE bytes; or NULL */
        const struct context *context; /* of the message; or NULL */
        const uint8_t
                *known; /* how the digest begins (STAMP_DIGEST_SIZE bytes), if that is all that is
                               * known of it; or NULL */
        const struct generation *generation;
        uint64_t size; /* of the file */
        uint64_t queue_usec, read_usec, scan_usec;
        enum hub_check hub_refused; /* the record is of a stamp in the header; GOOD: it is not */

        bool released; /* infected, and let through as the admin wants it */

        bool has_item;                   /* it is one item of many */
        uint64_t item_offset, item_size; /* size 0: not known */

        bool has_opener; /* else nobody waited for it */
        bool is_read;    /* of a file that is open already */
        bool allowed;
        pid_t pid;
        uint64_t answer_usec; /* from event to answer */
};

/* That an item could not be replaced, unless that was told already; of other outcomes nothing. */
void report_cure(struct journal *journal, const struct cure *cure);

void report_verdict(struct journal *journal, const struct config *config,
                    const struct report *report);

/* The record alone, zeroed before but for its uid (-1), for somebody who puts it into the journal later. */
void report_fill(const struct config *config, const struct report *report, struct log_record *r);

/* What is found out of the message meanwhile; digest may be NULL. */
void report_name(struct log_record *r, const char *signature, const struct context *context,
                 const uint8_t *digest, uint64_t item_size);
