/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a message: no crash, and what is accepted keeps every promise of proto.h, before and
 * after a trip through a socket. */

#include <errno.h>
#include <stdio.h>
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

/* What context_read() makes of a text that it may make: the same. */
__attribute__((nonnull)) static void check_unicode(const char *field, size_t size) {
        char header[CONTEXT_SUBJECT_SIZE + 16];
        struct context context;
        int n;

        FUZZ_ASSERT(memchr(field, '\0', size));
        for (const char *p = field; *p; p++)
                FUZZ_ASSERT((uint8_t)*p >= ' ' && *p != 0x7f);
        if (strstr(field, "=?")) /* encoded words may become longer */
                return;
        n = snprintf(header, sizeof(header), "Subject: %s\n\n", field);
        context_read(header, (size_t)n, &context);
        /* What it leaves out of valid characters is some that can't be seen. */
        FUZZ_ASSERT(strlen(context.subject) <= strlen(field));
}

static void check_context(const struct context *context) {
        check_unicode(context->message_id, sizeof(context->message_id));
        check_unicode(context->from, sizeof(context->from));
        check_unicode(context->subject, sizeof(context->subject));
}

static void check_span(const struct proto_span *span) {
        FUZZ_ASSERT(span->size > 0 && span->offset <= UINT64_MAX - span->size);
        FUZZ_ASSERT(span->how < _ITEM_HOW_MAX && span->has_digest <= 1 && span->last <= 1);
        FUZZ_ASSERT(span->how == ITEM_SCANNED
                            ? verdict_reason_fits(span->verdict, span->reason)
                            : span->verdict == VERDICT_UNKNOWN && span->reason == REASON_NONE);
        FUZZ_ASSERT(span->has_digest == (span->how == ITEM_CACHED || span->how == ITEM_HUB) ||
                    span->how == ITEM_SCANNED);
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
                FUZZ_ASSERT(m->load.only_compare <= m->load.has_running);
                break;
        case PROTO_LOADED:
                FUZZ_ASSERT(m->loaded.signatures > 0 || startswith(m->loaded.engine, PROTO_CLAMD));
                check_text(m->loaded.engine, sizeof(m->loaded.engine));
                break;
        case PROTO_SERVERS:
                FUZZ_ASSERT(m->servers.usable <= m->servers.servers);
                FUZZ_ASSERT(m->servers.change < _SERVERS_CHANGE_MAX);
                check_text(m->servers.text, sizeof(m->servers.text));
                break;
        case PROTO_COMPARED: FUZZ_ASSERT(m->compared.same <= 1); break;
        case PROTO_REFUSED: check_text(m->refused.text, sizeof(m->refused.text)); break;
        case PROTO_JOB:
                FUZZ_ASSERT(m->job.has_fd || m->job.size <= PROTO_BAY_SIZE);
                FUZZ_ASSERT(m->job.bay < PROTO_BAYS && m->job.form < _JOB_FORM_MAX);
                FUZZ_ASSERT(m->job.many ? m->job.has_fd && m->job.from <= m->job.wanted &&
                                                  m->job.wanted < m->job.to
                                        : (m->job.from | m->job.wanted | m->job.to) == 0);
                FUZZ_ASSERT(m->job.n_distrusted <= PROTO_REFUSED_MAX);
                FUZZ_ASSERT(m->job.n_distrusted == 0 || (m->job.many && m->job.use_hub));
                FUZZ_ASSERT(m->job.plan <= 1 && m->job.detached <= m->job.plan);
                FUZZ_ASSERT(!m->job.plan || (m->job.has_fd && m->job.from == m->job.wanted &&
                                             !m->job.use_cache && !m->job.use_hub));
                break;
        case PROTO_ITEMS:
                FUZZ_ASSERT(m->items.n > 0 && m->items.n <= PROTO_SPANS_MAX);
                for (size_t i = 0; i < m->items.n; i++) {
                        check_span(&m->items.spans[i]);
                        FUZZ_ASSERT(m->items.spans[i].how != ITEM_HUB);
                        FUZZ_ASSERT(m->items.spans[i].verdict <= VERDICT_CLEAN);
                        FUZZ_ASSERT(i == 0 ||
                                    m->items.spans[i].offset == m->items.spans[i - 1].offset +
                                                                        m->items.spans[i - 1].size);
                }
                break;
        case PROTO_ITEM:
                check_span(&m->item.span);
                FUZZ_ASSERT(m->item.span.how == ITEM_SCANNED || m->item.span.how == ITEM_HUB);
                FUZZ_ASSERT((m->item.span.how == ITEM_HUB) == (m->item.hub.n_found > 0));
                FUZZ_ASSERT(m->item.hub.n_found <= HUB_STAMPS_MAX);
                FUZZ_ASSERT(m->item.span.verdict != VERDICT_CLEAN);
                check_text(m->item.signature, sizeof(m->item.signature));
                check_context(&m->item.context);
                break;
        case PROTO_RESULT:
                check_text(m->result.signature, sizeof(m->result.signature));
                check_context(&m->result.context);
                FUZZ_ASSERT(m->result.known ||
                            verdict_reason_fits(m->result.verdict, m->result.reason));
                FUZZ_ASSERT(!m->result.known ||
                            (m->result.verdict == VERDICT_UNKNOWN && m->result.has_digest));
                FUZZ_ASSERT(m->result.verdict != VERDICT_INFECTED ||
                            m->result.signature[0] != '\0');
                break;
        case PROTO_COVER:
                FUZZ_ASSERT(m->cover.check == HUB_GOOD || m->cover.check == HUB_IRREGULAR);
                break;
        case PROTO_PLAN:
                FUZZ_ASSERT(m->plan.outcome < _PLAN_OUTCOME_MAX);
                FUZZ_ASSERT(m->plan.offset <= UINT64_MAX - m->plan.size);
                FUZZ_ASSERT(m->plan.outcome != PLAN_MADE ||
                            (m->plan.signature[0] != '\0' &&
                             memcmp(m->plan.planned, m->plan.original, DIGEST_SIZE) != 0));
                FUZZ_ASSERT(m->plan.outcome == PLAN_MADE ||
                            (m->plan.opaque | m->plan.whole | m->plan.noticed) == 0);
                check_text(m->plan.signature, sizeof(m->plan.signature));
                check_context(&m->plan.context);
                break;
        case PROTO_CONTENT:
                FUZZ_ASSERT(m->content.size > 0 &&
                            m->content.offset <= UINT64_MAX - m->content.size);
                break;
        case PROTO_ENDED: FUZZ_ASSERT(m->ended.killed <= 1); break;
        case PROTO_ATTACHMENT:
                FUZZ_ASSERT(m->attachment.by_type <= 1 && m->attachment.pattern[0] != '\0');
                check_text(m->attachment.pattern, sizeof(m->attachment.pattern));
                check_text(m->attachment.name, sizeof(m->attachment.name));
                break;
        default: FUZZ_ASSERT(kind == PROTO_SPAWN || kind == PROTO_HELLO);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static union proto_message message, received;
        int kind, fds[PROTO_FDS_MAX] = { -EBADF, -EBADF, -EBADF }, pair[2];

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
                FUZZ_ASSERT(proto_send(pair[0], &message, NULL, 0) == 0);
                FUZZ_ASSERT(proto_receive(pair[1], &received, fds) == kind);
                FUZZ_ASSERT(memcmp(&received, &message, size) == 0);
        }
        for (size_t i = 0; i < PROTO_FDS_MAX; i++)
                FUZZ_ASSERT(fds[i] == -EBADF);
        close_fd(pair[0]);
        close_fd(pair[1]);
        return 0;
}
