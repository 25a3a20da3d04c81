/* SPDX-License-Identifier: Apache-2.0 */

/*
 * clamd as quick as it gets: asks one server for every regular file below a folder, by its fd (FILDES), on
 * one connection (IDSESSION) with several scans under way. One line goes to standard output:
 *
 *     files N wall_nsec N cpu_usec N
 *
 * wall_nsec is from the first byte that is sent to the last answer. Anything but OK is an error: what was
 * refused was not measured.
 */

#include <fcntl.h>
#include <getopt.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/bench/bench.h"
#include "tests/bench/files.h"

static _Noreturn void die(const char *what) {
        fprintf(stderr, "clamd-scan: %s.\n", what);
        exit(EXIT_FAILURE);
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (strlen(path) >= sizeof(address.sun_path))
                die("the path of the socket is too long");
        strcpy(address.sun_path, path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                die("there is no connection");
        return fd;
}

static void send_all(int sock, const void *data, size_t size) {
        if (send(sock, data, size, MSG_NOSIGNAL) != (ssize_t)size)
                die("clamd takes no more");
}

static void ask(int sock, const char *path) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (char[]){ 0 }, .iov_len = 1 };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.buf,
                             .msg_controllen = sizeof(control.buf) };
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                die("a file can't be opened");
        send_all(sock, "zFILDES", sizeof("zFILDES"));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
        if (sendmsg(sock, &mh, MSG_NOSIGNAL) != 1)
                die("clamd takes no more");
        close_fd(fd);
}

/* How many answers came. */
static size_t receive(int sock) {
        static char text[65536];
        static size_t have;
        size_t answers = 0;
        ssize_t n = recv(sock, text + have, sizeof(text) - have, 0);
        char *end;

        if (n <= 0)
                die("clamd hung up");
        have += (size_t)n;
        while ((end = memchr(text, '\0', have))) {
                size_t size = (size_t)(end - text) + 1;

                if (size < 5 || !streq(end - 4, ": OK"))
                        die(text);
                have -= size;
                memmove(text, end + 1, have);
                answers++;
        }
        return answers;
}

int main(int argc, char **argv) {
        static const struct option options[] = { { "depth", required_argument, NULL, 'd' }, {} };
        unsigned depth = 16;
        struct files files;
        uint64_t started;
        int sock, c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c != 'd')
                        return EXIT_FAILURE;
                depth = parse_number("--depth", optarg, 1, 1000);
        }
        if (argc - optind != 2)
                die("usage: clamd-scan [--depth N] SOCKET FOLDER");
        if (files_find(argv[optind + 1], FILES_ALL, &files) < 0)
                die("there are no files");
        sock = connect_to(argv[optind]);
        started = now_nsec();
        send_all(sock, "zIDSESSION", sizeof("zIDSESSION"));
        for (size_t asked = 0, answered = 0; answered < files.n; answered += receive(sock))
                while (asked < files.n && asked - answered < depth)
                        ask(sock, files.paths[asked++]);
        printf("files %zu wall_nsec %llu cpu_usec %llu\n", files.n,
               (unsigned long long)(now_nsec() - started),
               (unsigned long long)cpu_usec(RUSAGE_SELF));
        return EXIT_SUCCESS;
}
