/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-remedy: the program that writes to mail stores. storescand starts one and tells it what to
 * replace; storescanctl starts one to put an original back. Owns only the arguments and the state that a
 * process begins with.
 */

#include <stdio.h>

#include "daemon/child.h"
#include "daemon/remedy/confine.h"
#include "daemon/remedy/release.h"
#include "daemon/remedy/serve.h"
#include "store/util.h"

static int help(void) {
        printf("storescan-remedy --release QUARANTINE-FOLDER ID\n\n"
               "Replaces infected messages for storescand, which starts it; and puts originals "
               "back\n"
               "for 'storescanctl quarantine release'. There is nothing to start by hand.\n\n"
               "  -h --help     Show this help\n"
               "     --release  Put the original of an item in quarantine back in its place\n"
               "     --version  Show the version\n\n"
               "See the storescan-remedy(8) man page for details.\n");
        return EXIT_SUCCESS;
}

static int version(void) {
        printf("storescan-remedy %s\n", STORESCAN_VERSION);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        bool releases = argc == 4 && streq(argv[1], "--release");
        char problem[CONFINE_PROBLEM_MAX];
        int r;

        if (argc == 2 && (streq(argv[1], "-h") || streq(argv[1], "--help")))
                return help();
        if (argc == 2 && streq(argv[1], "--version"))
                return version();
        if (!releases && (argc > 1 || !child_was_started())) {
                fprintf(stderr, "storescan-remedy is started by storescand and storescanctl; see "
                                "storescan-remedy --help.\n");
                return 2;
        }
        r = child_prepare_fds(!releases);
        if (r < 0) {
                fprintf(stderr, "storescan-remedy: its fds can't be set up: %s.\n", strerror(-r));
                return 2;
        }
        if (confine(problem) < 0) {
                fprintf(stderr, "storescan-remedy: %s.\n", problem);
                return 2;
        }
        return releases ? release(argv[2], argv[3]) : serve(CHILD_FD);
}
