/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Makes an mbox file of generated mail (mail.h), as Dovecot and Postfix write it: From_ line, message
 * with LF, an empty line; no line of it needs quoting. It ends with the message that reaches --size,
 * or is of so many messages.
 */

#include <fcntl.h>
#include <getopt.h>

#include "tests/bench/bench.h"
#include "tests/bench/mail.h"

#define ATTACHMENT_MAX (64U << 20)
#define SIZE_MAX_MB    (64U << 10)

/* Bytes written; or negative errno. */
static int64_t put_item(FILE *f, unsigned i, size_t attachment) {
        _cleanup_free_ char *text = NULL;
        size_t size, n = 0;
        FILE *m = open_memstream(&text, &size);
        int head;

        if (!m)
                return -errno;
        mail_put(m, i, attachment);
        if (fclose(m) != 0)
                return -errno;
        for (size_t k = 0; k < size; k++)
                if (text[k] != '\r')
                        text[n++] = text[k];
        head = fprintf(f, "From bench@example.org Mon Jan  1 00:00:00 2024\n");
        if (head < 0 || fwrite(text, 1, n, f) != n || fputc('\n', f) == EOF)
                return -EIO;
        return head + (int64_t)n + 1;
}

static int make_mbox(const char *path, unsigned first, unsigned n, uint64_t size,
                     size_t attachment) {
        FILE *f = fopen(path, "wxe");
        uint64_t written = 0;

        if (!f)
                return -errno;
        for (unsigned i = 0; n > 0 ? i < n : written < size; i++) {
                int64_t r = put_item(f, first + i, attachment);

                if (r < 0) {
                        (void)fclose(f);
                        return (int)r;
                }
                written += (uint64_t)r;
        }
        return fclose(f) == 0 ? 0 : -errno;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "messages", required_argument, NULL, 'm' },
                { "megabytes", required_argument, NULL, 's' },
                { "first", required_argument, NULL, 'f' },
                { "attachment", required_argument, NULL, 'a' },
                {},
        };
        unsigned n = 0, megabytes = 0, first = 0, attachment = MAIL_ATTACHMENT;
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'm': n = parse_number("--messages", optarg, 1, 1000000); break;
                case 's': megabytes = parse_number("--megabytes", optarg, 1, SIZE_MAX_MB); break;
                case 'f': first = parse_number("--first", optarg, 0, UINT32_MAX / 2); break;
                case 'a':
                        attachment = parse_number("--attachment", optarg, 1, ATTACHMENT_MAX);
                        break;
                default: return EXIT_FAILURE;
                }
        if (optind + 1 != argc || (n == 0) == (megabytes == 0)) {
                fprintf(stderr, "Usage: make-mbox {--messages N | --megabytes N} [--first N] "
                                "[--attachment BYTES] FILE\n");
                return EXIT_FAILURE;
        }
        r = make_mbox(argv[optind], first, n, (uint64_t)megabytes * 1000000, attachment);
        if (r < 0)
                fprintf(stderr, "Failed to make %s: %s.\n", argv[optind], strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
