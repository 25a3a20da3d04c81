/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Putting an original back in the place where its replacement stands. */

enum {
        RELEASE_DONE = 0,
        RELEASE_ELSE = 1, /* something else stands there now, or nothing */
        RELEASE_ERROR = 2,
};

/* The exit status; when it is not DONE, one line on standard error says why. */
int release(const char *directory, const char *id);
