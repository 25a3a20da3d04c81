/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sending, receiving and above all checking of messages. A message that fails proto_check() is
 * never looked into any further.
 */

#include "daemon/proto.h"

#include <assert.h>
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
        [PROTO_SPAWN] = { sizeof(struct proto_spawn), PROTO_FDS_MAX },
        [PROTO_HELLO] = { sizeof(struct proto_hello), 0 },
        [PROTO_JOB] = { sizeof(struct proto_job), 2 },
        [PROTO_ITEMS] = { sizeof(struct proto_items), 0 },
        [PROTO_ITEM] = { sizeof(struct proto_item), 0 },
        [PROTO_RESULT] = { sizeof(struct proto_result), 0 },
        [PROTO_ATTACHMENT] = { sizeof(struct proto_attachment), 0 },
        [PROTO_COVER] = { sizeof(struct proto_cover), 0 },
        [PROTO_PLAN] = { sizeof(struct proto_plan), 0 },
        [PROTO_COMPARED] = { sizeof(struct proto_compared), 0 },
        [PROTO_ENDED] = { sizeof(struct proto_ended), 0 },
        [PROTO_CONTENT] = { sizeof(struct proto_content), 0 },
        [PROTO_SERVERS] = { sizeof(struct proto_servers), 0 },
};

static_assert(sizeof(union proto_message) <= UINT16_MAX, "sizes fit the header");
static_assert(PROTO_POISON_AT + sizeof(struct poison_view) <= PROTO_SLOT_SIZE, "the list fits");

size_t proto_size(enum proto_kind kind) {
        return (unsigned)kind < _PROTO_KIND_MAX ? kinds[kind].size : 0;
}

void proto_begin(void *message, uint32_t magic, unsigned kind, size_t size) {
        const struct proto_header header = {
                .magic = magic,
                .kind = (uint16_t)kind,
                .size = (uint16_t)size,
        };

        memset(message, 0, size);
        memcpy(message, &header, sizeof(header));
}

void proto_init(union proto_message *message, enum proto_kind kind) {
        proto_begin(message, PROTO_MAGIC, kind, kinds[kind].size);
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
bool proto_text_ok(const char *field, size_t size) {
        size_t n = strnlen(field, size);

        if (n == size)
                return false;
        for (size_t i = 0; i < n; i++)
                if (field[i] != printable(field[i]))
                        return false;
        return is_zero(field + n, size - n);
}

/* Length of the character of UTF-8 that text begins with, one that can be seen; 0: none such. */
static size_t visible_character(const uint8_t *text, size_t size) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t n = text[0] < 0x80    ? 1
                   : text[0] < 0xc0  ? 0
                   : text[0] < 0xe0  ? 2
                   : text[0] < 0xf0  ? 3
                   : text[0] <= 0xf4 ? 4
                                     : 0;
        uint32_t c;

        if (n <= 1)
                return n == 1 && printable((char)text[0]) == (char)text[0];
        if (n > size)
                return 0;
        c = text[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (text[i] & 0x3fU);
        }
        /* Too long for what it is; half of a pair; control characters of the second kind. */
        if (c < smallest[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff || c < 0xa0)
                return 0;
        return n;
}

/* The same as proto_text_ok(), of UTF-8. */
static bool unicode_ok(const char *field, size_t size) {
        const uint8_t *bytes = (const uint8_t *)field;
        size_t n = strnlen(field, size);

        if (n == size)
                return false;
        for (size_t i = 0, k; i < n; i += k) {
                k = visible_character(bytes + i, n - i);
                if (k == 0)
                        return false;
        }
        return is_zero(bytes + n, size - n);
}

bool proto_context_ok(const struct context *c) {
        return unicode_ok(c->message_id, sizeof(c->message_id)) &&
               unicode_ok(c->from, sizeof(c->from)) && unicode_ok(c->subject, sizeof(c->subject));
}

static bool path_ok(const char *field) {
        return field[0] == '/' && strnlen(field, PATH_MAX) < PATH_MAX;
}

static bool notice_ok(const char field[static PROTO_NOTICE_MAX]) {
        size_t n = strnlen(field, PROTO_NOTICE_MAX);
        struct notice_error error;

        return n < PROTO_NOTICE_MAX && notice_check(field, n, &error) == 0;
}

static bool load_ok(const struct proto_load *m) {
        return path_ok(m->database) && path_ok(m->tmpdir) && m->limits < _CONTENT_RULE_MAX &&
               m->limits != CONTENT_IGNORE && m->encrypted < _CONTENT_RULE_MAX &&
               m->broken < _CONTENT_RULE_MAX && m->pua <= 1 && m->phishing <= 1 &&
               m->has_running <= 1 && m->only_compare <= m->has_running && m->background <= 1 &&
               (m->has_running || is_zero(m->running.id, sizeof(m->running.id))) &&
               strnlen(m->attachment_names, PROTO_PATTERNS_MAX) < PROTO_PATTERNS_MAX &&
               strnlen(m->attachment_types, PROTO_PATTERNS_MAX) < PROTO_PATTERNS_MAX &&
               notice_ok(m->notice) && proto_text_ok(m->host, sizeof(m->host)) &&
               proto_text_ok(m->allowed, sizeof(m->allowed)) &&
               proto_text_ok(m->clamd, sizeof(m->clamd)) && m->engine < _ENGINE_KIND_MAX &&
               m->fallback < _CLAMD_FALLBACK_MAX;
}

static bool loaded_ok(const struct proto_loaded *m) {
        return proto_text_ok(m->engine, sizeof(m->engine)) &&
               (m->signatures > 0 || startswith(m->engine, PROTO_CLAMD)) &&
               is_zero(m->reserved, sizeof(m->reserved));
}

bool proto_servers_ok(const struct proto_servers *m) {
        return m->usable <= m->servers && m->servers <= CLAMD_SERVERS_MAX &&
               m->change < _SERVERS_CHANGE_MAX && m->stale <= 1 &&
               is_zero(m->reserved, sizeof(m->reserved)) && proto_text_ok(m->text, sizeof(m->text));
}

static bool range_ok(const struct proto_job *m) {
        if (!m->many)
                return m->from == 0 && m->wanted == 0 && m->to == 0;
        return !m->has_known && m->from <= m->wanted && m->wanted < m->to;
}

static bool distrusted_ok(const struct proto_job *m) {
        return m->n_distrusted <= (m->many && m->use_hub ? PROTO_REFUSED_MAX : 0) &&
               is_zero(&m->distrusted[m->n_distrusted],
                       (PROTO_REFUSED_MAX - m->n_distrusted) * sizeof(m->distrusted[0]));
}

bool proto_is_distrusted(const struct proto_job *job, uint64_t offset) {
        for (size_t i = 0; i < job->n_distrusted; i++)
                if (job->distrusted[i] == offset)
                        return true;
        return false;
}

uint64_t proto_bay_at(enum job_form form, uint64_t from) {
        return form == JOB_MBOX ? from : 0;
}

/* A job for a plan asks for nothing else. */
static bool plan_job_ok(const struct proto_job *m) {
        if (!m->plan)
                return m->detached == 0;
        return m->plan == 1 && m->has_fd && !m->has_known && !m->use_cache && !m->use_hub &&
               !m->attachments && !m->cover && !m->spare && m->from == m->wanted &&
               m->detached <= (m->form == JOB_RAW);
}

static bool job_ok(const struct proto_job *m) {
        bool of_items = m->form == JOB_DBOX || m->form == JOB_MBOX;

        return m->has_fd <= 1 && m->has_known <= 1 && m->bay < PROTO_BAYS &&
               m->form < _JOB_FORM_MAX && m->many <= of_items &&
               /* The items of an mbox are never known by the whole file. */
               m->many >= (m->form == JOB_MBOX) && m->use_cache <= 1 &&
               m->use_hub <= (m->form != JOB_RAW) && m->attachments <= (m->form == JOB_MESSAGE) &&
               m->cover <= (m->form == JOB_MESSAGE) && range_ok(m) && distrusted_ok(m) &&
               plan_job_ok(m) && m->spare <= 1 && m->announce <= m->spare &&
               (m->has_fd || m->size <= PROTO_BAY_SIZE) &&
               is_zero(m->reserved, sizeof(m->reserved));
}

/* Of its own, without regard to whether the log has anything to say of it. */
static bool span_ok(const struct proto_span *s) {
        if (s->size == 0 || s->offset + s->size < s->offset || s->has_digest > 1 || s->last > 1 ||
            !is_zero(s->reserved, sizeof(s->reserved)) ||
            (!s->has_digest && !is_zero(s->digest, sizeof(s->digest))))
                return false;
        switch ((enum item_how)s->how) {
        case ITEM_SCANNED: return verdict_reason_fits(s->verdict, s->reason);
        case ITEM_CACHED:
        case ITEM_HUB:
                return s->has_digest && s->verdict == VERDICT_UNKNOWN && s->reason == REASON_NONE;
        case ITEM_PASSED:
                return !s->has_digest && s->verdict == VERDICT_UNKNOWN && s->reason == REASON_NONE;
        case _ITEM_HOW_MAX:
        default: return false;
        }
}

static bool items_ok(const struct proto_items *m) {
        if (m->n == 0 || m->n > PROTO_SPANS_MAX || m->through > 1 ||
            !is_zero(m->reserved, sizeof(m->reserved)))
                return false;
        for (size_t i = 0; i < m->n; i++) {
                const struct proto_span *s = &m->spans[i];

                if (!span_ok(s) || s->how == ITEM_HUB ||
                    (s->how == ITEM_SCANNED && s->verdict != VERDICT_CLEAN))
                        return false;
                /* They tile the file, and behind its end there is nothing. */
                if (i > 0 && (s->offset != s[-1].offset + s[-1].size || s[-1].last))
                        return false;
        }
        return is_zero(&m->spans[m->n], (PROTO_SPANS_MAX - m->n) * sizeof(m->spans[0]));
}

/* What comes with a verdict for the log. */
static bool words_ok(uint8_t verdict, const char signature[static PROTO_SIGNATURE_MAX],
                     const struct context *context) {
        if (!proto_text_ok(signature, PROTO_SIGNATURE_MAX) || !proto_context_ok(context))
                return false;
        return verdict != VERDICT_INFECTED || signature[0] != '\0';
}

static bool claim_ok(const struct hub_content *hub) {
        return hub_content_ok(hub) && hub->n_found > 0;
}

static bool item_ok(const struct proto_item *m) {
        if (!span_ok(&m->span))
                return false;
        if (m->span.how == ITEM_HUB)
                return claim_ok(&m->hub) && is_zero(m->signature, sizeof(m->signature)) &&
                       is_zero(&m->context, sizeof(m->context));
        return m->span.how == ITEM_SCANNED && m->span.verdict != VERDICT_CLEAN &&
               words_ok(m->span.verdict, m->signature, &m->context) &&
               is_zero(&m->hub, sizeof(m->hub));
}

static bool result_ok(const struct proto_result *m) {
        if (m->known >= _RESULT_KNOWN_MAX || m->has_digest > 1 || m->reserved != 0 ||
            !words_ok(m->verdict, m->signature, &m->context))
                return false;
        if (m->known == KNOWN_HUB ? !claim_ok(&m->hub) : !is_zero(&m->hub, sizeof(m->hub)))
                return false;
        if ((m->known || m->verdict == VERDICT_CLEAN) && !is_zero(&m->context, sizeof(m->context)))
                return false;
        if (m->known)
                return m->has_digest && m->verdict == VERDICT_UNKNOWN && m->reason == REASON_NONE;
        return verdict_reason_fits(m->verdict, m->reason);
}

static bool attachment_ok(const struct proto_attachment *m) {
        return m->by_type <= 1 && is_zero(m->reserved, sizeof(m->reserved)) &&
               m->pattern[0] != '\0' && proto_text_ok(m->pattern, sizeof(m->pattern)) &&
               proto_text_ok(m->name, sizeof(m->name));
}

static bool cover_ok(const struct proto_cover *m) {
        return is_zero(m->reserved, sizeof(m->reserved)) &&
               (m->check == HUB_GOOD ||
                (m->check == HUB_IRREGULAR && is_zero(m->body, sizeof(m->body)) &&
                 is_zero(m->header_digest, sizeof(m->header_digest))));
}

static bool plan_ok(const struct proto_plan *m) {
        bool made = m->outcome == PLAN_MADE;
        bool infected = m->signature[0] != '\0';

        if (m->outcome >= _PLAN_OUTCOME_MAX || m->has_digest > 1 ||
            m->offset > UINT64_MAX - m->size || !is_zero(m->reserved, sizeof(m->reserved)) ||
            (!m->has_digest && !is_zero(m->digest, sizeof(m->digest))) ||
            !words_ok(made ? VERDICT_INFECTED : VERDICT_UNKNOWN, m->signature, &m->context))
                return false;
        if (!made && ((m->opaque | m->whole | m->noticed) != 0 || m->part != 0 ||
                      !is_zero(m->planned, sizeof(m->planned))))
                return false;
        if (!infected && !is_zero(&m->context, sizeof(m->context)))
                return false;
        switch ((enum plan_outcome)m->outcome) {
        case PLAN_MADE:
                return m->size > 0 && m->opaque <= 1 && m->whole <= 1 && m->noticed <= 1 &&
                       memcmp(m->planned, m->original, sizeof(m->planned)) != 0;
        case PLAN_NONE: return true;
        case PLAN_NOT_INFECTED: return !infected;
        case PLAN_CHANGED:
                return !infected && !m->has_digest && is_zero(m->original, sizeof(m->original));
        case _PLAN_OUTCOME_MAX:
        default: return false;
        }
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
                ok = proto_text_ok(message->refused.text, sizeof(message->refused.text));
                break;
        case PROTO_COMPARED:
                ok = message->compared.same <= 1 &&
                     is_zero(message->compared.reserved, sizeof(message->compared.reserved));
                break;
        case PROTO_SPAWN: ok = true; break;
        case PROTO_ENDED:
                ok = message->ended.killed <= 1 &&
                     is_zero(message->ended.reserved, sizeof(message->ended.reserved));
                break;
        case PROTO_HELLO: ok = true; break;
        case PROTO_JOB: ok = job_ok(&message->job); break;
        case PROTO_ITEMS: ok = items_ok(&message->items); break;
        case PROTO_ITEM: ok = item_ok(&message->item); break;
        case PROTO_RESULT: ok = result_ok(&message->result); break;
        case PROTO_COVER: ok = cover_ok(&message->cover); break;
        case PROTO_PLAN: ok = plan_ok(&message->plan); break;
        case PROTO_CONTENT:
                ok = message->content.size > 0 &&
                     message->content.offset <= UINT64_MAX - message->content.size;
                break;
        case PROTO_SERVERS: ok = proto_servers_ok(&message->servers); break;
        case PROTO_ATTACHMENT: ok = attachment_ok(&message->attachment); break;
        case _PROTO_KIND_MAX:
        default: ok = false;
        }
        return ok ? h->kind : -EBADMSG;
}

int proto_send_bytes(int sock, const void *data, size_t size, const int *fds, size_t n, int flags) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(PROTO_FDS_MAX * sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t sent;

        if (n > PROTO_FDS_MAX)
                return -EINVAL;
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
        do
                sent = sendmsg(sock, &mh, MSG_NOSIGNAL | flags);
        while (sent < 0 && errno == EINTR);
        return sent < 0 ? -errno : 0;
}

int proto_send(int sock, const union proto_message *message, const int *fds, size_t n) {
        return proto_send_bytes(sock, message, message->header.size, fds, n, MSG_DONTWAIT);
}

int proto_send_patiently(int sock, const union proto_message *message) {
        return proto_send_bytes(sock, message, message->header.size, NULL, 0, 0);
}

/* Takes the fds out of a received message; those for which there is no room are closed and
 * counted. */
static size_t take_fds(struct msghdr *mh, int fds[static PROTO_FDS_MAX]) {
        size_t n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
                size_t k;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < k; i++, n++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (n < PROTO_FDS_MAX)
                                fds[n] = fd;
                        else
                                close_fd(fd);
                }
        }
        return n;
}

static void close_fds(int fds[static PROTO_FDS_MAX]) {
        for (size_t i = 0; i < PROTO_FDS_MAX; i++)
                fds[i] = close_fd(fds[i]);
}

int proto_receive_checked(int sock, void *message, size_t size, proto_check_fn check,
                          int ret_fds[static PROTO_FDS_MAX]) {
        union {
                struct cmsghdr align;
                /* One more than there may be, so that it is seen. */
                char buf[CMSG_SPACE((PROTO_FDS_MAX + 1) * sizeof(int))];
        } control;
        struct iovec iov = { .iov_base = message, .iov_len = size };
        struct msghdr mh = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.buf,
                .msg_controllen = sizeof(control.buf),
        };
        int fds[PROTO_FDS_MAX], kind;
        size_t n_fds;
        ssize_t n;

        for (size_t i = 0; i < PROTO_FDS_MAX; i++)
                fds[i] = -EBADF;
        do
                n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        n_fds = take_fds(&mh, fds);
        if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                kind = -EBADMSG;
        else if (n == 0 && n_fds == 0)
                return 0;
        else
                kind = check(message, (size_t)n, n_fds);
        if (kind < 0) {
                close_fds(fds);
                return kind;
        }
        memcpy(ret_fds, fds, sizeof(fds));
        return kind;
}

static int check_received(const void *message, size_t size, size_t n_fds) {
        int kind = proto_check(message, size);

        return kind > 0 && n_fds > kinds[kind].n_fds ? -EBADMSG : kind;
}

int proto_receive(int sock, union proto_message *ret, int ret_fds[static PROTO_FDS_MAX]) {
        return proto_receive_checked(sock, ret, sizeof(*ret), check_received, ret_fds);
}
