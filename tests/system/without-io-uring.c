/* SPDX-License-Identifier: Apache-2.0 */

/* Runs a program where a seccomp filter refuses io_uring, as a container's does: without-io-uring
 * PROGRAM [ARGUMENT...]. */

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[]) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

        if (argc < 2 || !filter ||
            seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0) < 0 ||
            seccomp_load(filter) < 0) {
                fprintf(stderr, "without-io-uring: the filter can't be set\n");
                return EXIT_FAILURE;
        }
        execv(argv[1], argv + 1);
        perror(argv[1]);
        return EXIT_FAILURE;
}
