/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-worker: the program that links libclamav. storescand starts one as loader, which forks
 * the workers. Owns only the arguments and the state that a process begins with.
 */

#include <stdio.h>

#include "daemon/child.h"
#include "daemon/worker/loader.h"
#include "daemon/worker/memory.h"
#include "daemon/worker/sandbox.h"
#include "store/util.h"

static int help(void) {
        printf("storescan-worker\n\n"
               "Loads signatures and scans mail for storescand, which starts it; there is nothing "
               "to\n"
               "start by hand.\n\n"
               "  -h --help     Show this help\n"
               "     --version  Show the version\n\n"
               "See the storescand(8) man page for details.\n");
        return EXIT_SUCCESS;
}

static int version(void) {
        printf("storescan-worker %s\n", STORESCAN_VERSION);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        char problem[SANDBOX_PROBLEM_MAX];
        int r;

        if (argc == 2 && (streq(argv[1], "-h") || streq(argv[1], "--help")))
                return help();
        if (argc == 2 && streq(argv[1], "--version"))
                return version();
        if (argc > 1 || !child_was_started()) {
                fprintf(stderr, "storescan-worker is started by storescand; start that, or see "
                                "storescan-worker --help.\n");
                return 2;
        }

        r = child_prepare_fds(true);
        if (r < 0) {
                fprintf(stderr, "storescan-worker: its fds can't be set up: %s.\n", strerror(-r));
                return EXIT_FAILURE;
        }
        if (sandbox_process(problem) < 0) {
                fprintf(stderr, "storescan-worker: %s.\n", problem);
                return EXIT_FAILURE;
        }
        memory_tune();
        return loader_run(CHILD_FD);
}
