/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daemon's program: command line, configuration, and off into the manager.
 */

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "daemon/config.h"
#include "daemon/manager.h"
#include "daemon/remedies.h"

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_DONE };

static void help(void) {
        printf("storescand [OPTIONS...]\n\n"
               "Guards mail stores: scans messages when they are opened.\n\n"
               "  -h --help          Show this help\n"
               "     --version       Show the version\n"
               "     --config=FILE   Read FILE instead of " STORESCAN_CONFDIR "/storescan.conf\n"
               "                     and " STORESCAN_CONFDIR "/conf.d/*.conf\n"
               "     --check-config  Check the configuration, exit 0 if it is good\n"
               "     --print-config  Show the effective configuration and where each value is "
               "from\n"
               "\nSee the storescand(8) and storescan.conf(5) man pages.\n");
}

/* Returns the action, or negative after a message. */
static int parse_argv(int argc, char *argv[], const char **ret_config) {
        enum { ARG_VERSION = 0x100, ARG_CONFIG, ARG_CHECK_CONFIG, ARG_PRINT_CONFIG };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "check-config", no_argument, NULL, ARG_CHECK_CONFIG },
                { "print-config", no_argument, NULL, ARG_PRINT_CONFIG },
                {},
        };
        int action = ACTION_RUN, c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h': help(); return ACTION_DONE;
                case ARG_VERSION: printf("storescan " STORESCAN_VERSION "\n"); return ACTION_DONE;
                case ARG_CONFIG: *ret_config = optarg; break;
                case ARG_CHECK_CONFIG: action = ACTION_CHECK; break;
                case ARG_PRINT_CONFIG: action = ACTION_PRINT; break;
                default: return -EINVAL; /* getopt_long(3) has said why */
                }
        if (optind < argc) {
                fprintf(stderr, "storescand: unexpected argument '%s'; see storescand --help.\n",
                        argv[optind]);
                return -EINVAL;
        }
        return action;
}

int main(int argc, char *argv[]) {
        _cleanup_(config_freep) struct config *config = NULL;
        const char *path = NULL;
        int action, r;

        action = parse_argv(argc, argv, &path);
        if (action < 0)
                return 2;
        if (action == ACTION_DONE)
                return EXIT_SUCCESS;

        r = config_load(path, stderr, &config);
        if (r >= 0)
                r = config_find_formats(config, stderr, stderr);
        if (r < 0) {
                if (r != -EINVAL)
                        fprintf(stderr, "storescand: failed to read the configuration: %s.\n",
                                strerror(-r));
                /* What the service manager has kept goes with a service that is not started again. */
                if (action == ACTION_RUN && getenv("LISTEN_FDS"))
                        fprintf(stderr, "storescand: its stores are OPEN from here on, until it is "
                                        "started without mistakes.\n");
                return r == -EINVAL ? EX_CONFIG : EXIT_FAILURE;
        }
        if (action == ACTION_PRINT)
                config_print(config, stdout);
        if (action != ACTION_RUN)
                return EXIT_SUCCESS;

        remedies_reserve_privileges();
        r = manager_run(TAKE_PTR(config), path, stderr);
        return r >= 0 ? EXIT_SUCCESS : r == -ENOEXEC ? EX_CONFIG : EXIT_FAILURE;
}
