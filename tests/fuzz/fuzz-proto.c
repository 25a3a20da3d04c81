/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a message: no crash, and what is accepted keeps every promise of proto.h, before and
 * after a trip through a socket. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/config.h"
#include "daemon/proto.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *field, size_t size) {
        char copy[PROTO_TEXT_MAX];

        FUZZ_ASSERT(size <= sizeof(copy));
        FUZZ_ASSERT(memchr(field, '\0', size));
        proto_text(copy, size, field);
        FUZZ_ASSERT(memcmp(copy, field, size) == 0);
}

static void check_promises(const union proto_message *m, int kind) {
        switch (kind) {
        case PROTO_LOAD:
                FUZZ_ASSERT(m->load.database[0] == '/' && m->load.tmpdir[0] == '/');
                FUZZ_ASSERT(memchr(m->load.database, '\0', sizeof(m->load.database)));
                FUZZ_ASSERT(memchr(m->load.tmpdir, '\0', sizeof(m->load.tmpdir)));
                FUZZ_ASSERT(m->load.limits < _CONTENT_RULE_MAX && m->load.limits != CONTENT_IGNORE);
                FUZZ_ASSERT(m->load.encrypted < _CONTENT_RULE_MAX);
                FUZZ_ASSERT(m->load.broken < _CONTENT_RULE_MAX);
                break;
        case PROTO_LOADED:
                FUZZ_ASSERT(m->loaded.signatures > 0);
                check_text(m->loaded.engine, sizeof(m->loaded.engine));
                break;
        case PROTO_REFUSED: check_text(m->refused.text, sizeof(m->refused.text)); break;
        case PROTO_JOB:
                FUZZ_ASSERT(m->job.has_fd || m->job.size <= PROTO_BAY_SIZE);
                FUZZ_ASSERT(m->job.bay < PROTO_BAYS);
                break;
        case PROTO_RESULT:
                check_text(m->result.signature, sizeof(m->result.signature));
                FUZZ_ASSERT(m->result.known ||
                            verdict_reason_fits(m->result.verdict, m->result.reason));
                FUZZ_ASSERT(!m->result.known || m->result.verdict == VERDICT_UNKNOWN);
                FUZZ_ASSERT(m->result.verdict != VERDICT_INFECTED ||
                            m->result.signature[0] != '\0');
                break;
        default: FUZZ_ASSERT(kind == PROTO_SPAWN || kind == PROTO_HELLO);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static union proto_message message, received;
        int kind, fds[2] = { -EBADF, -EBADF }, pair[2];

        memset(&message, 0, sizeof(message));
        memcpy(&message, data, MIN(size, sizeof(message)));
        kind = proto_check(&message, size);
        FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
        if (kind < 0) {
                FUZZ_ASSERT(kind == -EBADMSG);
                /* Nor is it received. An empty message is the end of the talk. */
                if (size > 0 && size <= 65536) {
                        FUZZ_ASSERT(send(pair[0], data, size, 0) == (ssize_t)size);
                        FUZZ_ASSERT(proto_receive(pair[1], &received, fds) == -EBADMSG);
                }
        } else {
                FUZZ_ASSERT(kind > 0 && kind < _PROTO_KIND_MAX && kind == message.header.kind);
                FUZZ_ASSERT(proto_size((enum proto_kind)kind) == size);
                check_promises(&message, kind);
                FUZZ_ASSERT(proto_send(pair[0], &message, -EBADF, -EBADF) == 0);
                FUZZ_ASSERT(proto_receive(pair[1], &received, fds) == kind);
                FUZZ_ASSERT(memcmp(&received, &message, size) == 0);
        }
        FUZZ_ASSERT(fds[0] == -EBADF && fds[1] == -EBADF);
        close_fd(pair[0]);
        close_fd(pair[1]);
        return 0;
}
