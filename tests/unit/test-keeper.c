/* SPDX-License-Identifier: Apache-2.0 */

/* What storescan-keeper makes of what it is told: what it keeps, what it passes on, and in which order; and whom
 * and what it does not listen to. The service manager is a socket of the test. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "daemon/keeper/relay.h"
#include "store/util.h"
#include "tests/unit/unit.h"

/* ---- Messages ---- */

static struct message parsed;

static int parse(const char *text) {
        return message_parse(text, strlen(text), false, &parsed);
}

START_TEST(test_passed_on) {
        static const char *const whole[] = {
                "READY=1",
                "STATUS=Guarding 2 stores.",
                "WATCHDOG=1",
                "RELOADING=1\nMONOTONIC_USEC=17",
                "EXTEND_TIMEOUT_USEC=5",
                "ERRNO=2",
                "FDSTORE=1\nFDNAME=gate\nFDPOLL=0",
                "FDSTOREREMOVE=1\nFDNAME=gate",
                "BARRIER=1",
        };

        for (size_t i = 0; i < ELEMENTSOF(whole); i++) {
                ck_assert_int_eq(parse(whole[i]), 0);
                ck_assert_str_eq(parsed.text, whole[i]);
                ck_assert_uint_eq(parsed.size, strlen(whole[i]));
        }
}
END_TEST

START_TEST(test_meaning) {
        ck_assert_int_eq(parse("READY=1\nSTATUS=x"), 0);
        ck_assert(parsed.ready && !parsed.store && !parsed.remove && !parsed.barrier);
        ck_assert_int_eq(parse("READY=0"), 0);
        ck_assert(!parsed.ready);
        ck_assert_int_eq(parse("FDSTORE=1\nFDNAME=gate"), 0);
        ck_assert(parsed.store && !parsed.ready);
        ck_assert_str_eq(parsed.name, "gate");
        ck_assert_int_eq(parse("FDSTORE=1"), 0);
        ck_assert_str_eq(parsed.name, "stored");
        ck_assert_int_eq(parse("FDSTOREREMOVE=1\nFDNAME=gate"), 0);
        ck_assert(parsed.remove && !parsed.store);
        ck_assert_int_eq(parse("BARRIER=1\n"), 0);
        ck_assert_int_eq(parse("BARRIER=1"), 0);
        ck_assert(parsed.barrier);
}
END_TEST

START_TEST(test_left_out) {
        static const char *const nothing[] = {
                "MAINPID=1", "NOTIFYACCESS=all", "WATCHDOG_USEC=1",      "X=1",        "READY",
                "\n\n",      " READY=1",         "MAINPID=1\nUSER=root", "STOPPING=1",
        };

        for (size_t i = 0; i < ELEMENTSOF(nothing); i++) {
                ck_assert_int_eq(parse(nothing[i]), 0);
                ck_assert_str_eq(parsed.text, "");
                ck_assert(!parsed.ready);
        }
        ck_assert_int_eq(parse("MAINPID=1\nREADY=1\nX=2\nSTATUS=a"), 0);
        ck_assert_str_eq(parsed.text, "READY=1\nSTATUS=a");
        ck_assert_int_eq(message_parse("STOPPING=1\nSTATUS=a", 19, true, &parsed), 0);
        ck_assert_str_eq(parsed.text, "STOPPING=1\nSTATUS=a");
}
END_TEST

START_TEST(test_refused) {
        char large[MESSAGE_MAX + 2], name[MESSAGE_NAME_MAX + 8];

        ck_assert_int_eq(parse(""), -EBADMSG);
        ck_assert_int_eq(message_parse("READY=1\0X", 9, false, &parsed), -EBADMSG);
        ck_assert_int_eq(message_parse("READY=1\0", 8, false, &parsed), 0);
        ck_assert_int_eq(message_parse("\0", 1, false, &parsed), -EBADMSG);
        ck_assert_int_eq(parse("READY=1\nBARRIER=1"), -EBADMSG);
        ck_assert_int_eq(parse("BARRIER=1\nSTATUS=a"), -EBADMSG);
        ck_assert_int_eq(parse("FDSTORE=1\nFDSTOREREMOVE=1\nFDNAME=a"), -EBADMSG);
        ck_assert_int_eq(parse("FDSTORE=1\nFDNAME="), -EBADMSG);
        ck_assert_int_eq(parse("FDSTORE=1\nFDNAME=a:b"), -EBADMSG);
        ck_assert_int_eq(parse("FDSTORE=1\nFDNAME=a\x7f"), -EBADMSG);
        ck_assert_int_eq(parse("FDSTORE=1\nFDNAME=\xc3\xa4"), -EBADMSG);
        memset(name, 'a', sizeof(name));
        memcpy(name, "FDNAME=", 7);
        name[7 + MESSAGE_NAME_MAX] = '\0';
        ck_assert_int_eq(parse(name), -EBADMSG);
        name[7 + MESSAGE_NAME_MAX - 1] = '\0';
        ck_assert_int_eq(parse(name), 0);
        memset(large, 'a', sizeof(large));
        memcpy(large, "STATUS=", 7);
        ck_assert_int_eq(message_parse(large, MESSAGE_MAX, false, &parsed), 0);
        ck_assert_uint_eq(parsed.size, MESSAGE_MAX);
        ck_assert_int_eq(message_parse(large, MESSAGE_MAX + 1, false, &parsed), -EBADMSG);
}
END_TEST

/* ---- The relay ---- */

static char folder[] = "/tmp/test-keeper.XXXXXX", manager_path[64];
static int manager = -1;
static struct relay relay;

static int bind_at(const char *path) {
        struct sockaddr_un sun = { .sun_family = AF_UNIX };
        int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        memccpy(sun.sun_path, path, '\0', sizeof(sun.sun_path));
        ck_assert_int_eq(bind(sock, (struct sockaddr *)&sun, sizeof(sun)), 0);
        return sock;
}

/* With a manager or without, and so many fds that it has kept. */
static void begin(bool managed) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(manager_path, sizeof(manager_path), "%s/manager", folder);
        setenv("RUNTIME_DIRECTORY", folder, 1);
        unsetenv("NOTIFY_SOCKET");
        if (managed) {
                manager = bind_at(manager_path);
                setenv("NOTIFY_SOCKET", manager_path, 1);
        }
        ck_assert_int_eq(relay_open(&relay), 0);
        ck_assert_int_eq(relay.manager.sock >= 0, managed);
}

static void done(void) {
        struct stat st;

        relay_close(&relay);
        ck_assert_int_lt(stat(relay.path, &st), 0);
        if (manager >= 0) {
                close(manager);
                unlink(manager_path);
        }
        ck_assert_int_eq(rmdir(folder), 0);
}

/* As sd_pid_notify_with_fds() of storescand, to the relay's socket. */
static void tell_with(const char *text, const int *fds, unsigned n) {
        setenv("NOTIFY_SOCKET", relay.path, 1);
        ck_assert_int_gt(sd_pid_notify_with_fds(0, 0, text, fds, n), 0);
}

static void tell(const char *text) {
        tell_with(text, NULL, 0);
}

static void listen_to(pid_t pid) {
        relay_receive(&relay, pid, false);
        relay_pass(&relay);
}

/* What came to the manager: the text, or "" for nothing; and how many fds. */
static const char *told(size_t *ret_fds) {
        static char text[MESSAGE_MAX + 1];
        char control[CMSG_SPACE(16 * sizeof(int))] __attribute__((aligned(8)));
        struct iovec iov = { text, MESSAGE_MAX };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(manager, &message, MSG_CMSG_CLOEXEC);
        size_t fds = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); n >= 0 && c; c = CMSG_NXTHDR(&message, c))
                for (fds = 0; c->cmsg_len > CMSG_LEN(fds * sizeof(int)); fds++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + fds * sizeof(int), sizeof(fd));
                        close(fd);
                }
        if (ret_fds)
                *ret_fds = fds;
        text[MAX(n, 0)] = '\0';
        return text;
}

static unsigned open_fds(void) {
        unsigned n = 0;

        for (int fd = 3; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* Whether somebody has the other end of a pipe. */
static bool has_writer(int read_end) {
        char c;

        return read(read_end, &c, 1) < 0 && errno == EAGAIN;
}

START_TEST(test_keeps_and_passes) {
        unsigned before;
        size_t n;
        int p[2];

        begin(true);
        before = open_fds();
        ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
        tell_with("FDSTORE=1\nFDNAME=gate\nFDPOLL=0", &p[1], 1);
        close(p[1]);
        tell("READY=1\nMAINPID=1");
        listen_to(getpid());
        ck_assert_uint_eq(relay.n_kept, 1);
        ck_assert_str_eq(relay.kept[0].name, "gate");
        ck_assert(relay.ready);
        ck_assert_str_eq(told(&n), "FDSTORE=1\nFDNAME=gate\nFDPOLL=0");
        ck_assert_uint_eq(n, 1);
        ck_assert_str_eq(told(&n), "READY=1");
        ck_assert_uint_eq(n, 0);
        ck_assert(has_writer(p[0]));
        tell("FDSTOREREMOVE=1\nFDNAME=other");
        listen_to(getpid());
        ck_assert(has_writer(p[0]));
        ck_assert(relay_keeps(&relay, "gate") && !relay_keeps(&relay, "gat"));
        tell("FDSTOREREMOVE=1\nFDNAME=gate");
        listen_to(getpid());
        ck_assert(!has_writer(p[0]) && !relay_keeps(&relay, "gate"));
        ck_assert_uint_eq(relay.n_kept, 0);
        close(p[0]);
        ck_assert_uint_eq(open_fds(), before);
        done();
}
END_TEST

START_TEST(test_bounded) {
        unsigned before;
        int p[2];

        begin(false);
        ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
        before = open_fds();
        for (unsigned i = 0; i < 2 * RELAY_KEPT_MAX; i++) {
                tell_with("FDSTORE=1\nFDNAME=gate", &p[1], 1);
                listen_to(getpid());
        }
        ck_assert_uint_eq(relay.n_kept, RELAY_KEPT_MAX);
        ck_assert_uint_eq(relay.refused, RELAY_KEPT_MAX);
        ck_assert_uint_eq(open_fds(), before + RELAY_KEPT_MAX);
        /* More than are taken of one message: none is, and none stays open. */
        tell("FDSTOREREMOVE=1\nFDNAME=gate");
        tell_with("FDSTORE=1\nFDNAME=gate",
                  (int[]){ p[0], p[0], p[0], p[0], p[0], p[0], p[0], p[0], p[0] },
                  MESSAGE_FDS_MAX + 1);
        listen_to(getpid());
        ck_assert_uint_eq(relay.n_kept, 0);
        ck_assert_uint_eq(open_fds(), before);
        /* With a message that is none, or that has no use for them. */
        tell_with("FDSTORE=1\nFDNAME=a:b", &p[1], 1);
        tell_with("WATCHDOG=1", &p[1], 1);
        tell_with("X=1", &p[1], 1);
        listen_to(getpid());
        ck_assert_uint_eq(open_fds(), before);
        done();
}
END_TEST

START_TEST(test_strangers) {
        int p[2];

        begin(true);
        ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
        tell_with("FDSTORE=1\nFDNAME=gate", &p[1], 1);
        close(p[1]);
        listen_to(getpid() + 1);
        ck_assert_uint_eq(relay.n_kept, 0);
        ck_assert(!has_writer(p[0]));
        tell("READY=1");
        listen_to(0);
        ck_assert(!relay.ready);
        ck_assert_str_eq(told(NULL), "");
        ck_assert_uint_eq(relay.refused, 2);
        close(p[0]);
        done();
}
END_TEST

START_TEST(test_barrier) {
        int p[2];
        size_t n;

        /* With nobody to pass it on to it is closed once it was read, behind all before it. */
        begin(false);
        ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
        tell_with("BARRIER=1", &p[1], 1);
        close(p[1]);
        ck_assert(has_writer(p[0]));
        listen_to(getpid());
        ck_assert(!has_writer(p[0]));
        close(p[0]);
        done();
        memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);

        /* Else it is the manager who closes it. */
        begin(true);
        ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
        tell_with("BARRIER=1", &p[1], 1);
        close(p[1]);
        listen_to(getpid());
        ck_assert(has_writer(p[0]));
        ck_assert_str_eq(told(&n), "BARRIER=1");
        ck_assert_uint_eq(n, 1);
        ck_assert(!has_writer(p[0]));
        close(p[0]);
        done();
}
END_TEST

/* A manager that reads nothing. */
START_TEST(test_never_blocks) {
        char text[32];
        unsigned sent = 0, got = 0;
        int p[2];

        begin(true);
        while (relay_listens(&relay)) {
                snprintf(text, sizeof(text), "STATUS=%u", sent);
                tell(text);
                listen_to(getpid());
                ck_assert_uint_lt(++sent, 2000);
        }
        ck_assert_uint_eq(relay.n_queued, RELAY_QUEUED_MAX);
        /* It is not listened to, until it ends: then what it wants kept is. */
        ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
        tell_with("FDSTORE=1\nFDNAME=gate", &p[1], 1);
        tell("STATUS=last");
        listen_to(getpid());
        ck_assert_uint_eq(relay.n_kept, 0);
        relay_receive(&relay, getpid(), true);
        ck_assert_uint_eq(relay.n_kept, 1);
        ck_assert_uint_eq(relay.n_queued, RELAY_QUEUED_MAX + 1);
        /* It reads again: all is there, in its order. */
        while (relay.first || got <= sent) {
                const char *now = told(NULL);

                snprintf(text, sizeof(text), "STATUS=%u", got);
                ck_assert_str_eq(now, got < sent ? text : "FDSTORE=1\nFDNAME=gate");
                got++;
                relay_pass(&relay);
        }
        ck_assert_uint_eq(got, sent + 1);
        ck_assert_str_eq(told(NULL), "");
        ck_assert_uint_eq(relay.not_passed, 0);
        done();
}
END_TEST

START_TEST(test_new_manager) {
        begin(true);
        close(manager);
        unlink(manager_path);
        manager = bind_at(manager_path);
        setenv("NOTIFY_SOCKET", manager_path, 1);
        relay_tell(&relay, "WATCHDOG=1");
        ck_assert_str_eq(told(NULL), "WATCHDOG=1");
        ck_assert_uint_eq(relay.not_passed, 0);
        done();
}
END_TEST

/* Whether our end would let through who waits. */
START_TEST(test_delivered) {
        int p[2];

        begin(true);
        ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
        tell_with("FDSTORE=1\nFDNAME=gate", &p[1], 1);
        listen_to(getpid());
        ck_assert(relay_deliver(&relay));
        close(manager);
        unlink(manager_path);
        manager = -1;
        tell("STATUS=x");
        tell_with("FDSTORE=1\nFDNAME=news", &p[1], 1);
        setenv("NOTIFY_SOCKET", manager_path, 1);
        relay_receive(&relay, getpid(), false);
        relay_pass(&relay);
        ck_assert_uint_eq(relay.not_passed, 2);
        ck_assert(relay_keeps(&relay, "news") && !relay_deliver(&relay));
        close(p[0]);
        close(p[1]);
        done();
}
END_TEST

/* What a manager kept is there for the child, and what that adds is for the next. */
START_TEST(test_handed_over) {
        char pid[16];
        int p[2], status;
        pid_t child;

        ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
        for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + 2; fd++)
                ck_assert_int_ge(fd == p[0] || fd == p[1] ? fd : dup2(p[1], fd), 0);
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "2", 1);
        setenv("LISTEN_FDNAMES", "gate:orphans", 1);
        begin(false);
        ck_assert_ptr_null(getenv("LISTEN_FDS"));
        ck_assert_uint_eq(relay.n_kept, 2);
        ck_assert_str_eq(relay.kept[1].name, "orphans");
        ck_assert_int_eq(fcntl(relay.kept[0].fd, F_GETFD), FD_CLOEXEC);
        child = fork();
        if (child == 0) {
                char **names = NULL;
                const char *socket_path;

                if (relay_hand_over(&relay) < 0)
                        _exit(2);
                socket_path = getenv("NOTIFY_SOCKET");
                if (!socket_path || !streq(socket_path, relay.path) ||
                    fcntl(SD_LISTEN_FDS_START, F_GETFD) != 0 ||
                    sd_listen_fds_with_names(1, &names) != 2 || !streq(names[0], "gate") ||
                    !streq(names[1], "orphans"))
                        _exit(1);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        done();
}
END_TEST

START_TEST(test_private) {
        struct stat st;

        begin(false);
        ck_assert_int_eq(stat(relay.path, &st), 0);
        ck_assert(S_ISSOCK(st.st_mode));
        ck_assert_uint_eq(st.st_mode & 077, 0);
        done();
}
END_TEST

UNIT_MAIN("keeper", test_passed_on, test_meaning, test_left_out, test_refused,
          test_keeps_and_passes, test_bounded, test_strangers, test_barrier, test_never_blocks,
          test_new_manager, test_delivered, test_handed_over, test_private);
