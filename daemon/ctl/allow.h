/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The list of allowed contents, for verbs that read or change it. Everything here tells what went wrong
 * on standard error, and returns a STATUS_*.
 */

#include <stdbool.h>

#include "daemon/config.h"
#include "daemon/ctl/allow-file.h"

int allow_open(const struct config *config, bool change, struct allow_file *ret);
int allow_save(const struct config *config, struct allow_file *file);
