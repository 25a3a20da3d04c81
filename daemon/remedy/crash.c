/* SPDX-License-Identifier: Apache-2.0 */

/* Of the build for tests only. */

#include "daemon/remedy/crash.h"

#include <signal.h>
#include <stdlib.h>

void crash_point(enum crash_point point) {
        const char *text = getenv("STORESCAN_REMEDY_CRASH");

        if (text && strtol(text, NULL, 10) == (long)point)
                (void)raise(SIGKILL);
}
