/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What "storescanctl setup" looks at: asks programs of mail servers, lists homes. Changes nothing.
 */

#include "daemon/ctl/setup-proposal.h"
#include "daemon/ctl/setup-read.h"

/* Finds out which mail servers are here, and what they say; proposes, and looks at the folders proposed.
 * hub: the address of storescan-hub. Failures of programs are told on standard error. 0 or -ENOMEM. */
int setup_look(struct setup *setup, const char *hub);
