/* SPDX-License-Identifier: Apache-2.0 */

/* storescan-stamp's command line: options, verbs, help, completion. */

#include <stdio.h>

#include "daemon/ctl/complete.h"
#include "daemon/stamp/stamp.h"

/* clang-format off */
static const struct verb verbs[] = {
        { .name = "sign",   .args = "",     .help = "Scan the message on standard input, write it out with a stamp" },
        { .name = "verify", .args = "FILE", .help = "Explain the stamps of a message, check by check" },
};

static const struct verb_option options[] = {
        { { "key",     required_argument, NULL, 'i' }, "ID",     0, "The key to sign with, if there are several" },
        { { "keys",    required_argument, NULL, 'k' }, "FOLDER", 0, "Keys are here, whatever the configuration says" },
        { { "config",  required_argument, NULL, 'c' }, "FILE",   0, "Read FILE instead of " STORESCAN_CONFDIR "/storescan.conf" },
        { { "xattr",   required_argument, NULL, 'x' }, "FILE",   0, "Scan a file of a store and write its trusted.avstamp" },
        { { "help",    no_argument,       NULL, 'h' }, NULL,     0, "Show this help" },
        { { "version", no_argument,       NULL, 'V' }, NULL,     0, "Show the version" },
};
/* clang-format on */

static int help(void) {
        printf("storescan-stamp [OPTION...] COMMAND [ARGUMENT...]\n\n"
               "Stamps messages that were scanned, and explains such stamps.\n\n"
               "Commands:\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                char left[16];

                (void)snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].args);
                printf("  %-12s %s\n", left, verbs[i].help);
        }
        printf("\nOptions:\n");
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                char left[40];

                (void)snprintf(left, sizeof(left), "--%s%s%s", options[i].option.name,
                               options[i].argument ? "=" : "", options[i].argument ?: "");
                printf("  -%c %-15s %s\n", options[i].option.val, left, options[i].help);
        }
        printf("\nSee the storescan-stamp(1) man page for exit statuses and examples.\n");
        return EXIT_STAMPED;
}

static int usage(const char *what) {
        fprintf(stderr, "storescan-stamp: %s; see 'storescan-stamp --help'.\n", what);
        return EXIT_USAGE;
}

static int run(const struct tool *tool, char **words, int n) {
        if (tool->xattr)
                return n == 0 ? tool_xattr(tool, tool->xattr) : usage("--xattr takes no command");
        if (n == 0)
                return usage("no command given");
        if (streq(words[0], "sign"))
                return n == 1 ? tool_sign(tool) : usage("'sign' takes no argument");
        if (streq(words[0], "verify"))
                return n == 2 ? tool_verify(tool, words[1]) : usage("'verify' takes one file");
        return usage("no such command");
}

int main(int argc, char **argv) {
        struct option longopts[ELEMENTSOF(options) + 1] = {};
        struct tool tool = {};
        int c;

        if (argc > 1 && streq(argv[1], COMPLETE_OPTION)) {
                complete_run(
                        &(struct complete){
                                .verbs = verbs,
                                .n_verbs = ELEMENTSOF(verbs),
                                .options = options,
                                .n_options = ELEMENTSOF(options),
                        },
                        argv + 2, argc - 2);
                return EXIT_STAMPED;
        }
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                longopts[i] = options[i].option;
        while ((c = getopt_long(argc, argv, "i:k:c:x:hV", longopts, NULL)) >= 0)
                switch (c) {
                case 'i': tool.key = optarg; break;
                case 'k': tool.keys = optarg; break;
                case 'c': tool.config = optarg; break;
                case 'x': tool.xattr = optarg; break;
                case 'h': return help();
                case 'V': printf("storescan-stamp " STORESCAN_VERSION "\n"); return EXIT_STAMPED;
                default: return EXIT_USAGE; /* getopt named it */
                }
        c = run(&tool, argv + optind, argc - optind);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "storescan-stamp: standard output: %m.\n");
                return EXIT_TEMPORARY;
        }
        return c;
}
