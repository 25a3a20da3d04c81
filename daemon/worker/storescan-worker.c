/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-worker: the program that links libclamav. storescand starts one as loader, which forks
 * the workers. Owns only the arguments and the state that a process begins with.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/proto.h"
#include "daemon/worker/loader.h"
#include "daemon/worker/memory.h"
#include "daemon/worker/sandbox.h"
#include "store/util.h"

static int help(void) {
        printf("storescan-worker\n\n"
               "Loads signatures and scans mail for storescand, which starts it; there is nothing "
               "to\n"
               "start by hand.\n\n"
               "  -h --help     Show this help\n"
               "     --version  Show the version\n\n"
               "See the storescand(8) man page for details.\n");
        return EXIT_SUCCESS;
}

static int version(void) {
        printf("storescan-worker %s\n", STORESCAN_VERSION);
        return EXIT_SUCCESS;
}

static bool started_by_gate(void) {
        socklen_t size = sizeof(int);
        int type = 0;

        return getsockopt(PROTO_LOADER_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
               type == SOCK_SEQPACKET;
}

/* stdin and stdout are nothing, stderr is whatever there is, the socket is kept, all else is closed:
 * nothing that somebody forgot to close gets to a process that parses mail. */
static int prepare_fds(void) {
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0)
                return -errno;
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if ((fd != STDERR_FILENO || fcntl(fd, F_GETFD) < 0) && null != fd &&
                    dup2(null, fd) < 0)
                        return -errno;
        if (null <= STDERR_FILENO)
                null = -EBADF;
        null = close_fd(null);
        if (fcntl(PROTO_LOADER_FD, F_SETFD, FD_CLOEXEC) < 0 ||
            close_range(PROTO_LOADER_FD + 1, ~0U, 0) < 0)
                return -errno;
        return 0;
}

int main(int argc, char **argv) {
        char problem[SANDBOX_PROBLEM_MAX];
        int r;

        if (argc == 2 && (streq(argv[1], "-h") || streq(argv[1], "--help")))
                return help();
        if (argc == 2 && streq(argv[1], "--version"))
                return version();
        if (argc > 1 || !started_by_gate()) {
                fprintf(stderr, "storescan-worker is started by storescand; start that, or see "
                                "storescan-worker --help.\n");
                return 2;
        }

        r = prepare_fds();
        if (r < 0) {
                fprintf(stderr, "storescan-worker: its fds can't be set up: %s.\n", strerror(-r));
                return EXIT_FAILURE;
        }
        if (sandbox_process(problem) < 0) {
                fprintf(stderr, "storescan-worker: %s.\n", problem);
                return EXIT_FAILURE;
        }
        memory_tune();
        return loader_run(PROTO_LOADER_FD);
}
