/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The proof that an engine finds what it should: a mail with an attachment in a zip in a nested
 * message, which a private signature matches, and its twin, which nothing matches. The matched
 * bytes are drawn anew for every engine, so that no mail can be made that meets the signature.
 */

#include "daemon/worker/engine.h"

struct canary;

/* 0 or negative errno (no memory, no random bytes). */
int canary_new(struct canary **ret);
struct canary *canary_free(struct canary *canary);

/* Writes the signature as a file of its own, for engine_load(). */
int canary_write_signature(const struct canary *canary, const char *path);

/* Scans mail and twin. 0, or -EIO and in problem what was wrong, without a full stop. */
int canary_check(const struct canary *canary, struct engine *engine,
                 char problem[static ENGINE_PROBLEM_MAX]);
