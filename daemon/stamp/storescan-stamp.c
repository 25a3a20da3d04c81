/* SPDX-License-Identifier: Apache-2.0 */

/* storescan-stamp's command line: options, verbs, help. */

#include <getopt.h>
#include <stdio.h>

#include "daemon/stamp/stamp.h"

static const struct {
        struct option option;
        const char *arg, *help;
} options[] = {
        { { "key", required_argument, NULL, 'i' },
          "ID",
          "The key to sign with, if there are several" },
        { { "keys", required_argument, NULL, 'k' },
          "FOLDER",
          "Keys are here, whatever the configuration says" },
        { { "config", required_argument, NULL, 'c' },
          "FILE",
          "Read FILE instead of " STORESCAN_CONFDIR "/storescan.conf" },
        { { "xattr", required_argument, NULL, 'x' },
          "FILE",
          "Scan a file of a store and write its trusted.avstamp" },
        { { "help", no_argument, NULL, 'h' }, "", "Show this help" },
        { { "version", no_argument, NULL, 'V' }, "", "Show the version" },
};

static int help(void) {
        printf("storescan-stamp [OPTION...] COMMAND [ARGUMENT...]\n\n"
               "Stamps messages that were scanned, and explains such stamps.\n\n"
               "Commands:\n"
               "  sign         Scan the message on standard input and write it, stamped, to\n"
               "               standard output\n"
               "  verify FILE  Explain the stamps of a message, check by check\n\n"
               "Options:\n");
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                char left[40];

                (void)snprintf(left, sizeof(left), "--%s%s%s", options[i].option.name,
                               options[i].arg[0] ? "=" : "", options[i].arg);
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
