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

static int load(const char *path, FILE *errors, struct config **ret) {
        _cleanup_(config_freep) struct config *config = NULL;
        int r = config_load(path, errors, &config);

        if (r >= 0)
                r = config_find_formats(config, errors, errors);
        if (r >= 0)
                *ret = TAKE_PTR(config);
        return r;
}

/* A restart must not open the stores for a mistake, nor for one store that looks different now: as with a
 * reload, what ran goes on. */
static int load_former(const struct legacy *legacy, struct config **ret) {
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = legacy_config(legacy, &text, &size);

        if (r >= 0)
                r = config_load_former("(the configuration that ran before)", text, size, stderr,
                                       &config);
        if (r >= 0)
                r = config_find_formats(config, stderr, stderr);
        if (r >= 0)
                *ret = TAKE_PTR(config);
        return r;
}

/* On one line, as the log has it. */
static const char *flatten(char *text) {
        size_t n = strlen(text);

        while (n > 0 && text[n - 1] == '\n')
                text[--n] = '\0';
        for (char *p = text; *p; p++)
                if (*p == '\n')
                        *p = ' ';
        return text;
}

static int run(const char *path) {
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_free_ char *mistakes = NULL;
        struct legacy *legacy = NULL;
        size_t size = 0;
        struct keep keep;
        FILE *errors;
        int r;

        keep_take(&keep);
        if (keep.fds[KEEP_LEGACY] >= 0 && keep.fds[KEEP_GATE] >= 0) {
                r = legacy_take(keep.fds[KEEP_LEGACY], &legacy);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0)
                        keep.fds[KEEP_LEGACY] = close_fd(keep.fds[KEEP_LEGACY]);
        }
        errors = open_memstream(&mistakes, &size);
        if (!errors)
                return -ENOMEM;
        r = load(path, errors, &config);
        if (r < 0 && r != -EINVAL)
                fprintf(errors, "storescand: failed to read the configuration: %s.\n",
                        strerror(-r));
        if (r >= 0 && legacy_has_failed(legacy)) {
                fputs("storescand could not start by it, as its last messages say.\n", errors);
                config = config_free(config);
                r = -EINVAL;
        }
        if (fclose(errors) != 0 || !mistakes)
                return -ENOMEM;
        (void)fputs(mistakes, stderr);
        if (r < 0) {
                int k = load_former(legacy, &config);

                /* Short of memory: the next one may be able to read it. */
                if (k == -ENOMEM && keep.fds[KEEP_GATE] >= 0)
                        r = k;
                /* What the service manager has kept goes with a service that is not started again. */
                else if (k < 0 && keep.fds[KEEP_GATE] >= 0)
                        fprintf(stderr, "storescand: its stores are OPEN from here on, until it is "
                                        "started without mistakes.\n");
                if (k < 0) {
                        legacy_free(legacy);
                        return r == -EINVAL ? -ENOEXEC : r;
                }
        }
        remedies_reserve_privileges();
        return manager_run(
                &(struct manager_start){
                        .config = TAKE_PTR(config),
                        .config_path = path,
                        .refused = r < 0 ? flatten(mistakes) : NULL,
                        .keep = &keep,
                        .legacy = legacy,
                },
                stderr);
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
        if (action == ACTION_RUN) {
                r = run(path);
                return r >= 0 ? EXIT_SUCCESS : r == -ENOEXEC ? EX_CONFIG : EXIT_FAILURE;
        }

        r = load(path, stderr, &config);
        if (r < 0) {
                if (r != -EINVAL)
                        fprintf(stderr, "storescand: failed to read the configuration: %s.\n",
                                strerror(-r));
                return r == -EINVAL ? EX_CONFIG : EXIT_FAILURE;
        }
        if (action == ACTION_PRINT)
                config_print(config, stdout);
        return EXIT_SUCCESS;
}
