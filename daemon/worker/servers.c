/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the birth of the process. Must not trust more of what it says than link.c has checked. */

#include "daemon/worker/servers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "daemon/child.h"
#include "daemon/clamd/link.h"
#include "daemon/clamd/pool.h"
#include "daemon/config.h"
#include "daemon/worker/sandbox.h"
#include "store/util.h"

#define READY_MSEC 60000 /* names are looked up before */
#define GRACE_MSEC 2000

static _Noreturn void pool_process(const struct clamd_pool_setup *setup, pid_t parent, int sock) {
        if (sandbox_child(parent) < 0 || dup2(sock, CHILD_FD) < 0 ||
            close_range(CHILD_FD + 1, ~0U, 0) < 0 || fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC) < 0)
                _exit(EXIT_FAILURE);
        (void)prctl(PR_SET_NAME, "storescan-clamd", 0, 0, 0);
        _exit(clamd_pool_run(setup, CHILD_FD));
}

static int wait_ready(struct servers *servers, struct link_ready *ret) {
        struct pollfd p = { .fd = servers->sock, .events = POLLIN };
        union link_message m = {};
        int fd = -EBADF, r;

        do
                r = poll(&p, 1, READY_MSEC);
        while (r < 0 && errno == EINTR);
        if (r <= 0)
                return r < 0 ? -errno : -ETIMEDOUT;
        r = link_receive(servers->sock, &m, &fd);
        close_fd(fd);
        if (r != LINK_READY)
                return r < 0 ? r : -ECONNRESET;
        *ret = m.ready;
        return 0;
}

/* Signatures without a version may be other ones at any time that the servers are asked anew. */
static int write_text(const struct link_ready *ready, struct servers *ret) {
        uint64_t once = 0;

        if (ready->database == 0 && getrandom(&once, sizeof(once), 0) != sizeof(once))
                return -EIO;
        (void)snprintf(ret->text, sizeof(ret->text), "clamd %s %u %016" PRIx64 "; fallback %d\n",
                       ready->engine[0] ? ready->engine : "none", ready->database, once,
                       ret->fallback);
        return 0;
}

static int fork_pool(const struct proto_load *load, struct servers *ret) {
        static struct clamd_address addresses[CLAMD_SERVERS_MAX];
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        struct clamd_pool_setup setup = { .addresses = addresses, .fallback = ret->fallback };
        pid_t parent = getpid(), pid;
        const char *bad;
        size_t n_bad;
        int pair[2], n;

        n = clamd_addresses_parse(load->clamd, addresses, &bad, &n_bad);
        if (n <= 0)
                return -EINVAL;
        setup.n = (size_t)n;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                pool_process(&setup, parent, theirs);
        ret->sock = TAKE_FD(ours);
        return 0;
}

int servers_start(const struct proto_load *load, struct servers *ret) {
        struct link_ready ready = {};
        int r;

        ret->fallback = load->fallback == FALLBACK_EMBEDDED;
        r = fork_pool(load, ret);
        if (r == 0)
                r = wait_ready(ret, &ready);
        if (r == 0)
                r = write_text(&ready, ret);
        if (r < 0) {
                proto_text(ret->problem, sizeof(ret->problem), error_text(-r));
                return r;
        }
        ret->usable = ready.servers;
        ret->database = ready.database;
        proto_text(ret->problem, sizeof(ret->problem), ready.problem);
        (void)snprintf(ret->engine, sizeof(ret->engine), PROTO_CLAMD "%s",
                       ready.engine[0] ? ready.engine : "of no server");
        return 0;
}

int servers_add(const struct servers *servers, uint32_t max_scan_msec) {
        const struct timeval patience = { .tv_sec = (max_scan_msec + GRACE_MSEC) / 1000 };
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        union link_message m;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        if (max_scan_msec > 0 &&
            setsockopt(theirs, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                return -errno;
        link_init(&m, LINK_ADD);
        r = link_send(servers->sock, &m, ours);
        return r < 0 ? r : TAKE_FD(theirs);
}

int servers_hear(const struct servers *servers, int control) {
        union proto_message message;
        union link_message m;
        int fd, r = link_receive(servers->sock, &m, &fd);

        close_fd(fd);
        if (r != LINK_NEWS)
                return r < 0 ? r : -ECONNRESET;
        proto_init(&message, PROTO_SERVERS);
        m.news.servers.header = message.header;
        message.servers = m.news.servers;
        r = proto_send(control, &message, NULL, 0);
        return r == -EAGAIN ? 0 : r;
}
