/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A storescan-sweep that does nothing for as long as it is held (hold.h), and then runs the one whose name has
 * ".real" behind it: what becomes of sweeps that end before they have begun is tested with it
 * (STORESCAN_SWEEP).
 */

#include <stdio.h>
#include <stdlib.h>

#include "tests/system/hold.h"

int main(int argc, char *argv[]) {
        char self[PATH_MAX], path[PATH_MAX + 8], *none[] = { NULL };

        if (argc < 1 || !hold(self))
                return EXIT_FAILURE;
        (void)snprintf(path, sizeof(path), "%s.real", self);
        execve(path, argv, none);
        return EXIT_FAILURE;
}
