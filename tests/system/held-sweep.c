/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A storescan-sweep that does nothing for as long as there is a file of its own name with ".hold" behind it,
 * and then runs the one whose name has ".real" behind it: what becomes of sweeps that end before they have
 * begun is tested with it (STORESCAN_SWEEP).
 */

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[]) {
        char self[PATH_MAX], path[PATH_MAX + 8], *none[] = { NULL };
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (argc < 1 || n < 0)
                return EXIT_FAILURE;
        self[n] = 0;
        (void)snprintf(path, sizeof(path), "%s.hold", self);
        while (access(path, F_OK) == 0)
                (void)poll(NULL, 0, 10);
        (void)snprintf(path, sizeof(path), "%s.real", self);
        execve(path, argv, none);
        return EXIT_FAILURE;
}
