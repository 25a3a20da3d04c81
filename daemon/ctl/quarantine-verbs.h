/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the verbs of the quarantine share. Everything here tells what went wrong on standard error, and
 * returns a STATUS_*.
 */

#include "daemon/config.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/shelf.h"

/* The configuration and the quarantine that it names; one that does not exist yet is empty, with no
 * folder (-EBADF). */
int quarantine_open(const struct ctl *ctl, struct config **ret_config, struct shelf *ret);

/* What is noted of an item. */
int quarantine_read(const struct shelf *shelf, const char *id, struct quarantine *ret);

/* Writes the original bytes to a new file, or with NULL to standard output, and compares them with what
 * was quarantined. */
int quarantine_export(const struct shelf *shelf, const char *id, const struct quarantine *q,
                      const char *path);
