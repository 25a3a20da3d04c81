/* SPDX-License-Identifier: Apache-2.0 */

/* Sending, receiving and checking of what is said between pool, loader and workers. */

#include "daemon/clamd/link.h"

#include <sys/socket.h>

#include "store/util.h"

#define LINK_MAGIC UINT32_C(0x53734c31) /* "SsL1" */

static const struct {
        size_t size;
        size_t n_fds;
} kinds[_LINK_KIND_MAX] = {
        [LINK_ADD] = { sizeof(struct link_add), 1 },
        [LINK_READY] = { sizeof(struct link_ready), 0 },
        [LINK_NEWS] = { sizeof(struct link_news), 0 },
        [LINK_SCAN] = { sizeof(struct link_scan), 1 },
        [LINK_ANSWER] = { sizeof(struct link_answered), 0 },
};

void link_init(union link_message *message, enum link_kind kind) {
        proto_begin(message, LINK_MAGIC, kind, kinds[kind].size);
}

int link_send(int sock, const union link_message *message, int fd) {
        return proto_send_bytes(sock, message, message->header.size, &fd, fd >= 0, MSG_DONTWAIT);
}

static bool kind_ok(const union link_message *m) {
        switch ((enum link_kind)m->header.kind) {
        case LINK_READY:
                return proto_text_ok(m->ready.engine, sizeof(m->ready.engine)) &&
                       proto_text_ok(m->ready.problem, sizeof(m->ready.problem));
        case LINK_NEWS: return proto_servers_ok(&m->news.servers);
        case LINK_SCAN: return m->scan.size > 0 && m->scan.reserved == 0;
        case LINK_ANSWER:
                return m->answered.answer < _LINK_ANSWER_MAX &&
                       is_zero(m->answered.reserved, sizeof(m->answered.reserved)) &&
                       proto_text_ok(m->answered.text, sizeof(m->answered.text));
        case LINK_ADD: return true;
        case _LINK_KIND_MAX:
        default: return false;
        }
}

static int check(const void *message, size_t size, size_t n_fds) {
        const union link_message *m = message;
        const struct proto_header *h = &m->header;

        if (size < sizeof(*h) || h->magic != LINK_MAGIC || h->size != size || h->kind == 0 ||
            h->kind >= _LINK_KIND_MAX || kinds[h->kind].size != size ||
            n_fds != kinds[h->kind].n_fds || !kind_ok(m))
                return -EBADMSG;
        return h->kind;
}

int link_receive(int sock, union link_message *ret, int *ret_fd) {
        int fds[PROTO_FDS_MAX], r;

        r = proto_receive_checked(sock, ret, sizeof(*ret), check, fds);
        *ret_fd = r > 0 ? fds[0] : -EBADF;
        return r;
}
