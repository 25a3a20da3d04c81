/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sending, receiving and above all checking of messages. A message that fails proto_check() is
 * never looked into any further.
 */

#include "daemon/proto.h"

#include <sys/socket.h>

#include "daemon/config.h"
#include "store/util.h"

static const struct {
        size_t size;
        unsigned n_fds; /* at most */
} kinds[_PROTO_KIND_MAX] = {
        [PROTO_LOAD] = { sizeof(struct proto_load), 1 },
        [PROTO_LOADED] = { sizeof(struct proto_loaded), 0 },
        [PROTO_REFUSED] = { sizeof(struct proto_refused), 0 },
        [PROTO_SPAWN] = { sizeof(struct proto_spawn), 2 },
        [PROTO_HELLO] = { sizeof(struct proto_hello), 0 },
        [PROTO_JOB] = { sizeof(struct proto_job), 1 },
        [PROTO_RESULT] = { sizeof(struct proto_result), 0 },
};

size_t proto_size(enum proto_kind kind) {
        return (unsigned)kind < _PROTO_KIND_MAX ? kinds[kind].size : 0;
}

void proto_init(union proto_message *message, enum proto_kind kind) {
        memset(message, 0, kinds[kind].size);
        message->header = (struct proto_header){
                .magic = PROTO_MAGIC,
                .kind = (uint16_t)kind,
                .size = (uint16_t)kinds[kind].size,
        };
}

static char printable(char c) {
        return c >= ' ' && c <= '~' ? c : '?';
}

void proto_text(char *field, size_t size, const char *text) {
        size_t n = 0;

        for (; n + 1 < size && text[n]; n++)
                field[n] = printable(text[n]);
        memset(field + n, 0, size - n);
}

/* A terminated, printable text, with nothing behind its end. */
static bool text_ok(const char *field, size_t size) {
        size_t n = strnlen(field, size);

        if (n == size)
                return false;
        for (size_t i = 0; i < n; i++)
                if (field[i] != printable(field[i]))
                        return false;
        for (size_t i = n; i < size; i++)
                if (field[i] != '\0')
                        return false;
        return true;
}

static bool path_ok(const char *field) {
        return field[0] == '/' && strnlen(field, PATH_MAX) < PATH_MAX;
}

static bool zero(const uint8_t *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (bytes[i])
                        return false;
        return true;
}

static bool load_ok(const struct proto_load *m) {
        return path_ok(m->database) && path_ok(m->tmpdir) && m->limits < _CONTENT_RULE_MAX &&
               m->limits != CONTENT_IGNORE && m->encrypted < _CONTENT_RULE_MAX &&
               m->broken < _CONTENT_RULE_MAX && m->pua <= 1 && m->phishing <= 1 &&
               zero(m->reserved, sizeof(m->reserved));
}

static bool loaded_ok(const struct proto_loaded *m) {
        return text_ok(m->engine, sizeof(m->engine)) && m->signatures > 0 &&
               zero(m->reserved, sizeof(m->reserved));
}

static bool job_ok(const struct proto_job *m) {
        return m->has_fd <= 1 && m->has_known <= 1 && m->bay < PROTO_BAYS &&
               (m->has_fd || m->size <= PROTO_BAY_SIZE) && zero(m->reserved, sizeof(m->reserved));
}

static bool result_ok(const struct proto_result *m) {
        if (m->known > 1 || m->has_digest > 1 || m->reserved != 0)
                return false;
        if (!text_ok(m->signature, sizeof(m->signature)))
                return false;
        if (m->known)
                return m->verdict == VERDICT_UNKNOWN && m->reason == REASON_NONE;
        if (m->verdict == VERDICT_INFECTED && m->signature[0] == '\0')
                return false;
        return verdict_reason_fits(m->verdict, m->reason);
}

int proto_check(const union proto_message *message, size_t size) {
        const struct proto_header *h = &message->header;
        bool ok;

        if (size < sizeof(*h) || h->magic != PROTO_MAGIC || h->size != size || h->kind == 0 ||
            h->kind >= _PROTO_KIND_MAX || kinds[h->kind].size != size)
                return -EBADMSG;

        switch ((enum proto_kind)h->kind) {
        case PROTO_LOAD: ok = load_ok(&message->load); break;
        case PROTO_LOADED: ok = loaded_ok(&message->loaded); break;
        case PROTO_REFUSED:
                ok = text_ok(message->refused.text, sizeof(message->refused.text));
                break;
        case PROTO_SPAWN: ok = message->spawn.reserved == 0; break;
        case PROTO_HELLO: ok = true; break;
        case PROTO_JOB: ok = job_ok(&message->job); break;
        case PROTO_RESULT: ok = result_ok(&message->result); break;
        case _PROTO_KIND_MAX:
        default: ok = false;
        }
        return ok ? h->kind : -EBADMSG;
}

int proto_send(int sock, const union proto_message *message, int fd0, int fd1) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(2 * sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (void *)(uintptr_t)message,
                             .iov_len = message->header.size };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
        int fds[2] = { fd0, fd1 };
        size_t n = fd0 < 0 ? 0 : fd1 < 0 ? 1 : 2;

        if (n > 0) {
                struct cmsghdr *c;

                mh.msg_control = control.buf;
                mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
                c = CMSG_FIRSTHDR(&mh);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n * sizeof(int));
                memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        }
        return sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Takes the fds out of a received message; the ones beyond the second are closed and counted. */
static size_t take_fds(struct msghdr *mh, int fds[static 2]) {
        size_t n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
                size_t k;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < k; i++, n++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (n < 2)
                                fds[n] = fd;
                        else
                                close_fd(fd);
                }
        }
        return n;
}

int proto_receive(int sock, union proto_message *ret, int ret_fds[static 2]) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(4 * sizeof(int))];
        } control;
        struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct msghdr mh = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.buf,
                .msg_controllen = sizeof(control.buf),
        };
        int fds[2] = { -EBADF, -EBADF }, kind;
        size_t n_fds;
        ssize_t n;

        do
                n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        n_fds = take_fds(&mh, fds);
        if (n == 0 && n_fds == 0)
                return 0;

        kind = mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EBADMSG : proto_check(ret, (size_t)n);
        if (kind > 0 && n_fds > kinds[kind].n_fds)
                kind = -EBADMSG;
        if (kind < 0) {
                close_fd(fds[0]);
                close_fd(fds[1]);
                return kind;
        }
        ret_fds[0] = fds[0];
        ret_fds[1] = fds[1];
        return kind;
}
