/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-remedy: the program that writes to mail stores. storescand starts one and tells it what to
 * replace; storescanctl starts one to put an original back. Owns only the arguments and the state that a
 * process begins with.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "daemon/remedy-proto.h"
#include "daemon/remedy/confine.h"
#include "daemon/remedy/release.h"
#include "daemon/remedy/serve.h"
#include "store/util.h"

static int help(void) {
        printf("storescan-remedy --release QUARANTINE-FOLDER ID\n\n"
               "Replaces infected messages for storescand, which starts it; and puts originals "
               "back\n"
               "for 'storescanctl quarantine release'. There is nothing to start by hand.\n\n"
               "  -h --help     Show this help\n"
               "     --release  Put the original of an item in quarantine back in its place\n"
               "     --version  Show the version\n\n"
               "See the storescan-remedy(8) man page for details.\n");
        return EXIT_SUCCESS;
}

static int version(void) {
        printf("storescan-remedy %s\n", STORESCAN_VERSION);
        return EXIT_SUCCESS;
}

static bool started_by_gate(void) {
        socklen_t size = sizeof(int);
        int type = 0;

        return getsockopt(REMEDY_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
               type == SOCK_SEQPACKET;
}

/* stdin and stdout are nothing, stderr is whatever there is, the socket is kept or not, all else is
 * closed. */
static int prepare_fds(bool keep_socket) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), r = 0;

        if (null < 0)
                return -errno;
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if ((fd != STDERR_FILENO || fcntl(fd, F_GETFD) < 0) && null != fd &&
                    dup2(null, fd) < 0)
                        r = -errno;
        if (null > STDERR_FILENO && (!keep_socket || null != REMEDY_FD))
                close_fd(null);
        if (keep_socket && fcntl(REMEDY_FD, F_SETFD, FD_CLOEXEC) < 0)
                r = -errno;
        if (close_range(keep_socket ? REMEDY_FD + 1 : STDERR_FILENO + 1, ~0U, 0) < 0)
                r = -errno;
        return r;
}

int main(int argc, char **argv) {
        bool releases = argc == 4 && streq(argv[1], "--release");
        char problem[CONFINE_PROBLEM_MAX];
        int r;

        if (argc == 2 && (streq(argv[1], "-h") || streq(argv[1], "--help")))
                return help();
        if (argc == 2 && streq(argv[1], "--version"))
                return version();
        if (!releases && (argc > 1 || !started_by_gate())) {
                fprintf(stderr, "storescan-remedy is started by storescand and storescanctl; see "
                                "storescan-remedy --help.\n");
                return 2;
        }
        r = prepare_fds(!releases);
        if (r < 0) {
                fprintf(stderr, "storescan-remedy: its fds can't be set up: %s.\n", strerror(-r));
                return 2;
        }
        if (confine(problem) < 0) {
                fprintf(stderr, "storescan-remedy: %s.\n", problem);
                return 2;
        }
        return releases ? release(argv[2], argv[3]) : serve(REMEDY_FD);
}
