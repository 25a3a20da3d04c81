/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The generation: identity of everything that decides verdicts. Two scanners with the same
 * generation find the same, so that either may trust the other's stamps.
 */

#include "daemon/worker/engine.h"
#include "store/digest.h"
#include "store/stamp.h"

/* Which files they were that a generation was made of: changes also with a file that was replaced by
 * an equal one, so that a set which was exchanged and put back in between is not taken for one that
 * stood still. */
struct generation_source {
        uint8_t digest[DIGEST_SIZE];
};

/* Of libclamav, the options, and the signature files in a folder, or the one file that database (an
 * O_PATH fd will do) is; name is the file's own, without folders. Two calls give the same unless
 * something was changed between them.
 *
 * database < 0: no files, signatures are elsewhere. elsewhere: what is to be known of these, or "".
 *
 * Returns the number of signature files (0: none, nothing is returned then); negative errno and in
 * problem the file that could not be read, without a full stop. */
int generation_compute(int database, const char *name, const char *elsewhere,
                       const struct engine_options *options, struct generation *ret,
                       struct generation_source *ret_source,
                       char problem[static ENGINE_PROBLEM_MAX]);
