/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The items of a store file as text, one a line:
 *
 *     offset size message_offset message_size state last from claimed plain external received guid mailbox
 *
 * Numbers are decimal, last, from and external 0 or 1, guid and mailbox "-" where there is none. With
 * --messages FOLDER the message of each item is written to FOLDER/1, FOLDER/2, ...
 */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/reader.h"
#include "store/util.h"

DEFINE_CLEANUP(struct reader *, reader_free);

static ssize_t read_fd(void *userdata, void *buf, size_t size, uint64_t offset) {
        ssize_t n = pread(*(int *)userdata, buf, size, (off_t)offset);

        return n < 0 ? -errno : n;
}

static void print_text(const char *text) {
        putchar(' ');
        if (*text == '\0')
                putchar('-');
        for (; *text; text++)
                putchar(*text > ' ' && *text <= '~' ? *text : '?');
}

static void print_item(const struct item *item) {
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s %d %d %" PRIu64 " %" PRIu64
               " %d %" PRIu64,
               item->offset, item->size, item->message_offset, item->message_size,
               item_state_name(item->state), item->last, item->has_from_lines, item->claimed_size,
               item->plain_size, item->external, item->received);
        print_text(item->guid);
        print_text(item->mailbox);
        putchar('\n');
}

static int write_message(int fd, const struct item *item, const char *folder, unsigned number) {
        _cleanup_close_ int out = -EBADF;
        char path[PATH_MAX], buf[65536];

        if (snprintf(path, sizeof(path), "%s/%u", folder, number) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (out < 0)
                return -errno;
        for (uint64_t done = 0; done < item->message_size;) {
                ssize_t n = pread(fd, buf, MIN(sizeof(buf), item->message_size - done),
                                  (off_t)(item->message_offset + done));

                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                if (write(out, buf, (size_t)n) != n)
                        return -EIO;
                done += (uint64_t)n;
        }
        return 0;
}

static int run(enum reader_format format, unsigned flags, const char *path, const char *folder) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct reader_source source = { .read = read_fd, .userdata = &fd };
        struct item item;
        struct stat st;
        uint64_t offset = 0;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        source.size = (uint64_t)st.st_size;
        r = reader_new(format, &source, 0, flags, &reader);
        if (r < 0)
                return r;
        for (unsigned n = 1; (r = reader_next(reader, &item)) > 0; n++) {
                if (item.offset != offset)
                        return -EBADMSG;
                offset += item.size;
                print_item(&item);
                if (folder) {
                        r = write_message(fd, &item, folder, n);
                        if (r < 0)
                                return r;
                }
        }
        return r < 0 ? r : offset == source.size ? 0 : -EBADMSG;
}

int main(int argc, char **argv) {
        enum reader_format format;
        const char *folder = NULL;
        unsigned flags = 0;
        int i = 2, r;

        if (argc < 3)
                goto usage;
        if (streq(argv[1], "mbox"))
                format = READER_MBOX;
        else if (streq(argv[1], "dbox"))
                format = READER_DBOX;
        else
                goto usage;
        if (i < argc && streq(argv[i], "--lenient")) {
                flags = READER_LENIENT;
                i++;
        }
        if (i + 1 < argc && streq(argv[i], "--messages")) {
                folder = argv[i + 1];
                i += 2;
        }
        if (i + 1 != argc)
                goto usage;
        r = run(format, flags, argv[i], folder);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", argv[i], error_text(-r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;

usage:
        fprintf(stderr, "Usage: read-items mbox|dbox [--lenient] [--messages FOLDER] FILE\n");
        return EXIT_FAILURE;
}
