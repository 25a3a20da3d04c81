/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-hub's program: command line, configuration, and off into the hub.
 */

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "daemon/hub/hub.h"

enum action { ACTION_RUN, ACTION_CHECK, ACTION_DONE };

static void help(void) {
        printf("storescan-hub [OPTIONS...]\n\n"
               "Scans mail in transit, as a milter of Postfix.\n\n"
               "  -h --help          Show this help\n"
               "     --version       Show the version\n"
               "     --config=FILE   Read FILE instead of " STORESCAN_CONFDIR "/storescan.conf\n"
               "                     and " STORESCAN_CONFDIR "/conf.d/*.conf\n"
               "     --check-config  Check the configuration, exit 0 if it is good\n"
               "\nSee the storescan-hub(8) and storescan.conf(5) man pages.\n");
}

/* Returns the action, or negative after a message. */
static int parse_argv(int argc, char *argv[], const char **ret_config) {
        enum { ARG_VERSION = 0x100, ARG_CONFIG, ARG_CHECK_CONFIG };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "check-config", no_argument, NULL, ARG_CHECK_CONFIG },
                {},
        };
        int action = ACTION_RUN, c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h': help(); return ACTION_DONE;
                case ARG_VERSION: printf("storescan " STORESCAN_VERSION "\n"); return ACTION_DONE;
                case ARG_CONFIG: *ret_config = optarg; break;
                case ARG_CHECK_CONFIG: action = ACTION_CHECK; break;
                default: return -EINVAL; /* getopt_long(3) has said why */
                }
        if (optind < argc) {
                fprintf(stderr,
                        "storescan-hub: unexpected argument '%s'; see storescan-hub --help.\n",
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
        r = config_load_hub(path, stderr, &config);
        if (r < 0) {
                if (r != -EINVAL)
                        fprintf(stderr, "storescan-hub: failed to read the configuration: %s.\n",
                                strerror(-r));
                return r == -EINVAL ? EX_CONFIG : EXIT_FAILURE;
        }
        if (action == ACTION_CHECK)
                return EXIT_SUCCESS;
        if (geteuid() == 0) {
                fprintf(stderr,
                        "storescan-hub: it needs no privileges and does not run with those of "
                        "root; start it by its unit, or as an unprivileged user.\n");
                return EX_CONFIG;
        }
        hub_run(config, stderr);
}
