/* SPDX-License-Identifier: Apache-2.0 */

/* Of the build for tests only. */

#include "daemon/remedy/crash.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long stop_at, kill_at;

/* Storescand gives its child no environment: what a file beside the program says is read before it is
 * confined. */
__attribute__((constructor)) static void read_points(void) {
        const char *text = getenv("STORESCAN_REMEDY_CRASH");
        char path[PATH_MAX + sizeof(".stop")];
        ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
        FILE *f;

        if (text)
                kill_at = strtol(text, NULL, 10);
        if (n <= 0)
                return;
        (void)snprintf(path + n, sizeof(path) - (size_t)n, ".stop");
        f = fopen(path, "re");
        if (!f)
                return;
        if (fscanf(f, "%ld", &stop_at) != 1)
                stop_at = 0;
        (void)fclose(f);
}

void crash_point(enum crash_point point) {
        if (kill_at == (long)point)
                (void)raise(SIGKILL);
        if (stop_at == (long)point)
                (void)raise(SIGSTOP);
}
