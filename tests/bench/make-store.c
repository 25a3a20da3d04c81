/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Makes a Maildir store of generated mail (mail.h), messages of about 20 KB with numbers from --first
 * on, or with --empty as many files of nothing. They are spread over 20 mailboxes, or as many as are said,
 * beside what is in these already:
 *
 *     FOLDER/box07/cur/1700000007.M000007P1.bench:2,S
 */

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sys/stat.h>

#include "tests/bench/bench.h"
#include "tests/bench/mail.h"

#define BOXES 20

static int make_boxes(const char *folder, unsigned boxes) {
        static const char *const parts[] = { "", "/cur", "/new", "/tmp" };

        for (unsigned box = 0; box < boxes; box++)
                for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                        char path[PATH_MAX];

                        (void)snprintf(path, sizeof(path), "%s/box%02u%s", folder, box, parts[i]);
                        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                                return -errno;
                }
        return 0;
}

static int make_message(const char *folder, unsigned boxes, unsigned i, bool empty) {
        char path[PATH_MAX];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/box%02u/cur/%u.M%06uP1.bench:2,S", folder, i % boxes,
                       1700000000 + i, i);
        f = fopen(path, "wxe");
        if (!f)
                return -errno;
        if (!empty)
                mail_put(f, i, MAIL_ATTACHMENT);
        return fclose(f) == 0 ? 0 : -errno;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "messages", required_argument, NULL, 'm' },
                { "first", required_argument, NULL, 'f' },
                { "empty", no_argument, NULL, 'e' },
                { "boxes", required_argument, NULL, 'b' },
                {},
        };
        unsigned n = 2000, first = 0, boxes = BOXES;
        bool empty = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'm': n = parse_number("--messages", optarg, 1, 1000000); break;
                case 'e': empty = true; break;
                case 'b': boxes = parse_number("--boxes", optarg, 1, 100); break;
                case 'f': first = parse_number("--first", optarg, 0, 100000000); break;
                default: return EXIT_FAILURE;
                }
        if (optind + 1 != argc) {
                fprintf(stderr,
                        "Usage: make-store [--messages N] [--first N] [--empty] [--boxes N] "
                        "FOLDER\n");
                return EXIT_FAILURE;
        }
        r = make_boxes(argv[optind], boxes);
        for (unsigned i = 0; i < n && r >= 0; i++)
                r = make_message(argv[optind], boxes, first + i, empty);
        if (r < 0)
                fprintf(stderr, "Failed to make messages in %s: %s.\n", argv[optind], strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
