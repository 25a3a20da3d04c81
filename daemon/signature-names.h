/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which files in a signature folder are signatures: those that libclamav would load.
 */

#include <stdbool.h>

bool is_signature_name(const char *name);
