/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-stamp --xattr: for delivery agents that may write trusted.avstamp. The file is scanned
 * where it lies, and gets the stamp that storescand would have written at its first access. The
 * lease is taken before the size is asked for, and must hold until the stamp's window is over.
 */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/scans.h"
#include "daemon/stamp/once.h"
#include "daemon/stamp/stamp.h"
#include "daemon/stamper.h"
#include "daemon/stores.h"

static int told(const char *what) {
        fprintf(stderr, "storescan-stamp: %s.\n", what);
        return EXIT_USAGE;
}

/* What the file is to its store; NULL: it can be stamped. */
static const char *prepare(const struct config *config, int fd, const struct stat *st,
                           struct once_request *ret) {
        struct stores_answer answer;
        char path[PATH_MAX];

        if (!S_ISREG(st->st_mode))
                return "not a regular file";
        stores_ask(config, fd, st, path, &answer);
        if (!answer.rooted)
                return "the file lies in no store of the configuration";
        if (answer.place != PLACE_ITEM)
                return "the file is not mail by its place in the store";
        if (format_items(answer.store->format) == ITEMS_MANY)
                return "the file may hold many messages: such files get no stamp from here";
        if (!scans_can_know_writers(fd, NULL))
                return "on this file system nobody can tell who writes to the file";
        *ret = (struct once_request){
                .config = config,
                .fd = fd,
                .size = (uint64_t)st->st_size,
                .form = !format_is_mail(answer.store->format)        ? JOB_RAW
                        : answer.store->format == STORE_FORMAT_SDBOX ? JOB_DBOX
                                                                     : JOB_MESSAGE,
                .store = answer.store,
        };
        return NULL;
}

static int stamp_file(const struct config *config, int fd) {
        struct once_request request;
        struct once once = {};
        const char *problem;
        struct stat st;

        if (lease_take(fd) < 0) {
                fprintf(stderr, "storescan-stamp: somebody writes to the file, or it can't be "
                                "leased.\n");
                return EXIT_TEMPORARY;
        }
        if (fstat(fd, &st) < 0)
                return told(error_text(errno));
        problem = prepare(config, fd, &st, &request);
        if (problem)
                return told(problem);
        if (once_judge(&request, stderr, &once) < 0)
                return EXIT_TEMPORARY;
        if (once.verdict == VERDICT_UNKNOWN || !once.stamped) {
                fprintf(stderr, "storescan-stamp: not stamped: %s.\n",
                        once.verdict == VERDICT_UNKNOWN
                                ? "the file could not be scanned"
                                : "it was written to meanwhile, or has no room for a stamp");
                return EXIT_TEMPORARY;
        }
        if (once.verdict == VERDICT_INFECTED)
                fprintf(stderr, "storescan-stamp: the file is infected with %s.\n", once.signature);
        return once.verdict == VERDICT_INFECTED ? EXIT_REFUSED : EXIT_STAMPED;
}

int tool_xattr(const struct tool *tool, const char *path) {
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (settings_load(tool, true, &config) < 0 ||
            config_find_formats(config, stderr, stderr) < 0)
                return EXIT_USAGE;
        /* The default of a lease's signal would end us. */
        (void)signal(SIGIO, SIG_IGN);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOATIME);
        if (fd < 0) {
                fprintf(stderr, "storescan-stamp: the file can't be opened: %s.\n",
                        error_text(errno));
                return EXIT_TEMPORARY;
        }
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        return stamp_file(config, fd);
}
