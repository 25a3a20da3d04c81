/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The floor that storescand is held against: a fanotify listener that allows every open of a file
 * system and asks nothing. It is the quickest simple one: one thread, blocking reads of as many
 * events as there are, one writev(2) for their answers, one close_range(2) for their fds. Says
 * "ready" when the mark is in place; runs until it is killed.
 *
 * --accesses: also every access to a file that is open (FAN_PRE_ACCESS), as mailboxes that are one
 * file need it. --ignore PATH: a bare ignore mark on that file, or on each below that folder, for all
 * of it: what the kernel alone costs where nobody has to be asked. --changes: with storescand's other marks,
 * too, that tell of writes (FAN_MODIFY, to a group of their own), of which it hears before it answers, as
 * everybody must who knows what was in a mailbox a moment ago. --stamps: asks the kernel what
 * nobody can leave out who believes stamps (the stamp, its file's times, by a lease whether somebody
 * writes), and allows every open all the same.
 */

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "store/util.h"
#include "tests/bench/files.h"

/* Newer than Debian 12's headers. */
#ifndef FAN_PRE_ACCESS
#        define FAN_PRE_ACCESS 0x00100000
#endif

#define BATCH       64
#define IGNORED_MAX 8

static struct fanotify_event_metadata events[BATCH];
static struct fanotify_response answers[BATCH];
static struct iovec iov[BATCH];
static bool stamps;
static int changes = -EBADF;

/* The lease goes with the descriptor. A file without a stamp, or with a writer, is not what is measured. */
static bool ask(int fd) {
        char stamp[256];
        struct stat st;

        return fgetxattr(fd, "trusted.avstamp", stamp, sizeof(stamp)) > 0 && fstat(fd, &st) >= 0 &&
               fcntl(fd, F_SETLEASE, F_RDLCK) >= 0;
}

/* Answers the events read; -EBADMSG if the kernel speaks of them otherwise than we know. */
static int answer(int group, ssize_t size) {
        const struct fanotify_event_metadata *event = events;
        bool run = true; /* their fds have consecutive numbers */
        int n = 0;

        for (ssize_t left = size; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) {
                if (event->vers != FANOTIFY_METADATA_VERSION || event->fd < 0)
                        return -EBADMSG;
                if (stamps && !ask(event->fd))
                        return -ENODATA;
                run = run && (n == 0 || event->fd == answers[n - 1].fd + 1);
                answers[n] = (struct fanotify_response){ .fd = event->fd, .response = FAN_ALLOW };
                iov[n] = (struct iovec){ &answers[n], sizeof(answers[n]) };
                n++;
        }
        if (n == 0 || writev(group, iov, n) != n * (ssize_t)sizeof(answers[0]))
                return -EBADMSG;
        if (run)
                return close_range((unsigned)answers[0].fd, (unsigned)answers[n - 1].fd, 0) < 0
                               ? -errno
                               : 0;
        for (int i = 0; i < n; i++)
                (void)close(answers[i].fd);
        return 0;
}

/* What was written until now; nothing is made of it. */
static void hear(void) {
        char told[4096];

        if (changes >= 0)
                (void)!read(changes, told, sizeof(told));
}

static void fail(const char *path) {
        fprintf(stderr, "Failed to watch %s: %s.\n", path, strerror(errno));
        exit(EXIT_FAILURE);
}

static void tell_changes(const char *folder) {
        changes = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK |
                                        FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                                O_RDONLY | O_LARGEFILE | O_CLOEXEC);
        if (changes < 0 || fanotify_mark(changes, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY,
                                         AT_FDCWD, folder) < 0)
                fail(folder);
}

static void ignore(int group, uint64_t mask, const char *path) {
        struct files files;
        int r = files_find(path, FILES_ALL, &files);

        if (r < 0) {
                errno = -r;
                fail(path);
        }
        for (size_t i = 0; i < files.n; i++)
                if (fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, mask, AT_FDCWD,
                                  files.paths[i]) < 0)
                        fail(files.paths[i]);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "accesses", no_argument, NULL, 'a' },
                { "changes", no_argument, NULL, 'c' },
                { "ignore", required_argument, NULL, 'i' },
                { "stamps", no_argument, NULL, 's' },
                {},
        };
        unsigned class = FAN_CLASS_CONTENT;
        uint64_t mask = FAN_OPEN_PERM;
        const char *ignored[IGNORED_MAX];
        bool told = false;
        size_t n_ignored = 0;
        int group, c, r = 0;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'a':
                        class = FAN_CLASS_PRE_CONTENT;
                        mask |= FAN_PRE_ACCESS;
                        break;
                case 'c': told = true; break;
                case 'i':
                        if (n_ignored < IGNORED_MAX)
                                ignored[n_ignored++] = optarg;
                        break;
                case 's': stamps = true; break;
                default: return EXIT_FAILURE;
                }
        if (optind + 1 != argc) {
                fprintf(stderr, "Usage: allow-all [--accesses] [--changes] [--stamps] "
                                "[--ignore PATH]... FOLDER-ON-THE-FILE-SYSTEM\n");
                return EXIT_FAILURE;
        }
        group = fanotify_init(class | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                              O_RDONLY | O_LARGEFILE | O_CLOEXEC);
        if (group < 0 || fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD,
                                       argv[optind]) < 0)
                fail(argv[optind]);
        for (size_t i = 0; i < n_ignored; i++)
                ignore(group, mask, ignored[i]);
        if (told)
                tell_changes(argv[optind]);
        printf("ready\n");
        (void)fflush(stdout);

        while (r >= 0) {
                ssize_t n = read(group, events, sizeof(events));

                hear();
                if (n > 0)
                        r = answer(group, n);
                else if (n == 0 || errno != EINTR)
                        r = n == 0 ? -EBADMSG : -errno;
        }
        fprintf(stderr, "Failed to answer events: %s.\n", strerror(-r));
        return EXIT_FAILURE;
}
