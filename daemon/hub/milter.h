/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The mail server's side, by libmilter, which no other file sees. It has a thread for each connection;
 * all of them use one set of settings.
 */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/hub/counters.h"
#include "daemon/hub/handover.h"
#include "daemon/journal.h"

struct milter_settings {
        const struct config *config;
        struct handover *handover;
        struct journal *journal;
        struct hub_counters *counters;
};

/* Opens the socket; settings must live until the process ends. 0 or negative errno, after one
 * sentence on errors. */
int milter_open(const struct milter_settings *settings, FILE *errors);

/* Serves mail servers until libmilter meets SIGTERM or SIGINT. 0 or -EIO. */
int milter_run(void);
