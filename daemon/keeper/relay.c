/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the socket that storescand talks to, what is kept, what waits for the manager. Must not own:
 * processes; when to start one.
 *
 * Kept fds have numbers that no storescand will want them to have, so that handing them over overwrites none.
 */

#include "daemon/keeper/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "daemon/clock.h"
#include "store/util.h"

#define DELIVER_USEC (5 * USEC_PER_SEC)
#define FDS_FROM     64 /* above SD_LISTEN_FDS_START + RELAY_KEPT_MAX */

/* A message on its way to the manager. */
struct relay_queued {
        struct relay_queued *next;
        int fds[MESSAGE_FDS_MAX]; /* ours, until it is sent */
        size_t n_fds, size;
        char text[];
};

static void close_fds(int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                fds[i] = close_fd(fds[i]);
}

/* ---- What is kept ---- */

/* Takes fd. */
static void keep(struct relay *relay, const char *name, int fd) {
        int high = fcntl(fd, F_DUPFD_CLOEXEC, FDS_FROM);
        struct relay_kept *kept;

        close_fd(fd);
        if (high < 0 || relay->n_kept == RELAY_KEPT_MAX) {
                close_fd(high);
                relay->refused++;
                return;
        }
        kept = &relay->kept[relay->n_kept++];
        kept->fd = high;
        memccpy(kept->name, name, '\0', sizeof(kept->name));
}

static void drop(struct relay *relay, const char *name) {
        size_t left = 0;

        for (size_t i = 0; i < relay->n_kept; i++)
                if (!name || streq(relay->kept[i].name, name))
                        close_fd(relay->kept[i].fd);
                else
                        relay->kept[left++] = relay->kept[i];
        relay->n_kept = left;
}

bool relay_keeps(const struct relay *relay, const char *name) {
        for (size_t i = 0; i < relay->n_kept; i++)
                if (streq(relay->kept[i].name, name))
                        return true;
        return false;
}

static void take_kept(struct relay *relay) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(1, &names);

        for (int i = 0; i < n; i++) {
                if (message_name_is_valid(names[i]))
                        keep(relay, names[i], SD_LISTEN_FDS_START + i);
                else
                        close_fd(SD_LISTEN_FDS_START + i);
                free(names[i]);
        }
        free(names);
}

int relay_hand_over(const struct relay *relay) {
        char names[RELAY_KEPT_MAX * MESSAGE_NAME_MAX] = "", count[16], pid[16];
        size_t used = 0;

        if (setenv("NOTIFY_SOCKET", relay->path, 1) < 0)
                return -errno;
        if (relay->n_kept == 0)
                return 0;
        for (size_t i = 0; i < relay->n_kept; i++) {
                if (dup2(relay->kept[i].fd, SD_LISTEN_FDS_START + (int)i) < 0)
                        return -errno;
                used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                         i > 0 ? ":" : "", relay->kept[i].name);
        }
        (void)snprintf(count, sizeof(count), "%zu", relay->n_kept);
        (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
        return setenv("LISTEN_FDS", count, 1) < 0 || setenv("LISTEN_PID", pid, 1) < 0 ||
                               setenv("LISTEN_FDNAMES", names, 1) < 0
                       ? -errno
                       : 0;
}

/* ---- To the manager ---- */

/* Takes the fds. */
static void put(struct relay *relay, const char *text, size_t size, int *fds, size_t n_fds) {
        struct relay_queued *q = NULL;

        if (relay->manager.sock >= 0)
                q = malloc(sizeof(*q) + size);
        if (!q) {
                relay->not_passed += relay->manager.sock >= 0;
                relay->lost = relay->lost || (n_fds > 0 && relay->manager.sock >= 0);
                close_fds(fds, n_fds);
                return;
        }
        *q = (struct relay_queued){ .n_fds = n_fds, .size = size };
        memcpy(q->text, text, size);
        for (size_t i = 0; i < n_fds; i++)
                q->fds[i] = TAKE_FD(fds[i]);
        *relay->last = q;
        relay->last = &q->next;
        relay->n_queued++;
}

static int send_to_manager(const struct relay *relay, struct relay_queued *q) {
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(q->fds))];
        } control = {};
        struct iovec iov = { q->text, q->size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (q->n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(q->n_fds * sizeof(int));
                control.head.cmsg_level = SOL_SOCKET;
                control.head.cmsg_type = SCM_RIGHTS;
                control.head.cmsg_len = CMSG_LEN(q->n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.head), q->fds, q->n_fds * sizeof(int));
        }
        return sendmsg(relay->manager.sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* A manager that was started anew has another socket of the same name. */
static bool find_again(struct relay *relay) {
        struct notify manager;

        notify_open(&manager);
        if (manager.sock < 0)
                return false;
        notify_close(&relay->manager);
        relay->manager.sock = manager.sock;
        return true;
}

void relay_pass(struct relay *relay) {
        struct relay_queued *q;

        while ((q = relay->first)) {
                int r = send_to_manager(relay, q);

                if (r == -ECONNREFUSED && find_again(relay))
                        r = send_to_manager(relay, q);
                if (r == -EAGAIN || r == -EINTR)
                        return;
                if (r < 0) {
                        relay->not_passed++;
                        relay->lost = relay->lost || q->n_fds > 0;
                }
                relay->first = q->next;
                if (!relay->first)
                        relay->last = &relay->first;
                relay->n_queued--;
                close_fds(q->fds, q->n_fds);
                free(q);
        }
}

void relay_tell(struct relay *relay, const char *text) {
        put(relay, text, strlen(text), NULL, 0);
        relay_pass(relay);
}

/* ---- From storescand ---- */

static void take(struct relay *relay, const struct message *m, int *fds, size_t n_fds) {
        relay->ready = relay->ready || m->ready;
        if (m->remove)
                drop(relay, m->name);
        for (size_t i = 0; m->store && i < n_fds; i++) {
                int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

                if (copy >= 0)
                        keep(relay, m->name, copy);
                else
                        relay->refused++;
        }
        /* What is of no use to the manager keeps nothing open. */
        if (m->size == 0 || (!m->store && !m->barrier)) {
                close_fds(fds, n_fds);
                n_fds = 0;
        }
        if (m->size > 0)
                put(relay, m->text, m->size, fds, n_fds);
}

/* One message: 1; 0: there is none. */
static int receive_one(struct relay *relay, pid_t pid, bool ended) {
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(struct ucred)) +
                           CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
        } control;
        char data[MESSAGE_MAX + 1];
        struct iovec iov = { data, sizeof(data) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int fds[MESSAGE_FDS_MAX];
        struct message m;
        size_t n_fds = 0;
        pid_t sender = 0;
        ssize_t n;

        do
                n = recvmsg(relay->sock, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_RIGHTS) {
                        n_fds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), ELEMENTSOF(fds));
                        memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
                } else if (c->cmsg_type == SCM_CREDENTIALS &&
                           c->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
                        struct ucred who;

                        memcpy(&who, CMSG_DATA(c), sizeof(who));
                        sender = who.pid;
                }
        }
        if (pid <= 0 || sender != pid || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
            message_parse(data, (size_t)n, relay->ends, &m) < 0) {
                relay->refused++;
                close_fds(fds, n_fds);
                return 1;
        }
        /* How a process that is no more fares is of no interest. */
        if (ended && !m.store && !m.remove && !m.barrier)
                m.size = 0;
        take(relay, &m, fds, n_fds);
        return 1;
}

void relay_receive(struct relay *relay, pid_t pid, bool ended) {
        while ((ended || relay_listens(relay)) && receive_one(relay, pid, ended) > 0)
                ;
}

/* ---- Beginning and end ---- */

/* Where nobody else may send to: one who could would keep storescand from being heard. */
static int choose_folder(struct relay *relay) {
        const char *runtime = getenv("RUNTIME_DIRECTORY"); /* of the unit; systemd.exec(5) */
        size_t n = runtime ? strcspn(runtime, ":") : 0;    /* the first of them */

        if (n > 0 && runtime[0] == '/' && n < sizeof(relay->folder)) {
                (void)snprintf(relay->path, sizeof(relay->path), "%.*s/keeper", (int)n, runtime);
                return 0;
        }
        (void)snprintf(relay->folder, sizeof(relay->folder), "/run/storescan-keeper.XXXXXX");
        if (!mkdtemp(relay->folder)) {
                relay->folder[0] = '\0';
                return -errno;
        }
        (void)snprintf(relay->path, sizeof(relay->path), "%s/notify", relay->folder);
        return 0;
}

static int listen_at_path(struct relay *relay) {
        struct sockaddr_un sun = { .sun_family = AF_UNIX };
        size_t n = strlen(relay->path);
        const int on = 1;
        mode_t mask;
        int r;

        if (n >= sizeof(sun.sun_path))
                return -ENAMETOOLONG;
        memcpy(sun.sun_path, relay->path, n + 1);
        relay->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (relay->sock < 0 ||
            setsockopt(relay->sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
                return -errno;
        (void)unlink(relay->path);
        mask = umask(0177);
        r = bind(relay->sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
        (void)umask(mask);
        return r;
}

int relay_open(struct relay *relay) {
        int r;

        *relay = (struct relay){ .sock = -EBADF };
        relay->last = &relay->first;
        notify_open(&relay->manager);
        take_kept(relay);
        /* It is about us; without it the watchdog is whoever's that reads $WATCHDOG_USEC. */
        (void)unsetenv("WATCHDOG_PID");
        r = choose_folder(relay);
        if (r >= 0)
                r = listen_at_path(relay);
        if (r < 0)
                relay_close(relay);
        return r;
}

static bool has_fds(const struct relay *relay) {
        for (const struct relay_queued *q = relay->first; q; q = q->next)
                if (q->n_fds > 0)
                        return true;
        return false;
}

/* What the manager is to keep goes with us otherwise. It may wait for an open itself, which our end would let
 * through: so not for ever. */
bool relay_deliver(struct relay *relay) {
        uint64_t now = now_usec(), until = now + DELIVER_USEC;

        relay_pass(relay);
        while (has_fds(relay) && now < until) {
                struct pollfd fd = { .fd = relay->manager.sock, .events = POLLOUT };

                (void)poll(&fd, 1, (int)((until - now) / USEC_PER_MSEC) + 1);
                relay_pass(relay);
                now = now_usec();
        }
        return !relay->lost && !has_fds(relay);
}

void relay_close(struct relay *relay) {
        struct relay_queued *q;

        (void)relay_deliver(relay);
        while ((q = relay->first)) {
                relay->first = q->next;
                close_fds(q->fds, q->n_fds);
                free(q);
        }
        relay->last = &relay->first;
        relay->n_queued = 0;
        if (relay->sock >= 0)
                (void)unlink(relay->path);
        relay->sock = close_fd(relay->sock);
        if (relay->folder[0] != '\0')
                (void)rmdir(relay->folder);
        notify_close(&relay->manager);
        drop(relay, NULL);
}
