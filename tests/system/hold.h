/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For programs that stand in for others in tests, and do nothing until a test lets them. */

#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Waits for as long as there is a file called as the program, with ".hold" behind it. ret_self: what that is called;
 * false: it is not known. */
static inline bool hold(char ret_self[static PATH_MAX]) {
        char path[PATH_MAX + sizeof(".hold")];
        ssize_t n = readlink("/proc/self/exe", ret_self, PATH_MAX - 1);

        if (n < 0)
                return false;
        ret_self[n] = '\0';
        (void)stpcpy(stpcpy(path, ret_self), ".hold");
        while (access(path, F_OK) == 0)
                (void)poll(NULL, 0, 10);
        return true;
}
