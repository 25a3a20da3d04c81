/* SPDX-License-Identifier: Apache-2.0 */

/* Checking of messages between gate and remedy: what fails is never looked into any further. */

#include "daemon/remedy-proto.h"

#include <assert.h>
#include <sys/socket.h>

#include "store/format.h"
#include "store/util.h"

static const struct {
        size_t size;
        unsigned n_fds; /* exactly */
} kinds[_REMEDY_KIND_MAX] = {
        [REMEDY_SETTINGS] = { sizeof(struct remedy_settings), 0 },
        [REMEDY_NOTE] = { sizeof(struct remedy_note), 0 },
        [REMEDY_WAITING] = { sizeof(struct remedy_waiting), 0 },
        [REMEDY_READY] = { sizeof(struct remedy_ready), 0 },
        [REMEDY_JOB] = { sizeof(struct remedy_order), REMEDY_FDS },
        [REMEDY_DONE] = { sizeof(struct remedy_done), 0 },
};

static_assert(sizeof(union remedy_message) <= UINT16_MAX, "sizes fit the header");
static_assert((int)REMEDY_FDS <= (int)PROTO_FDS_MAX, "what is received has room");

static const char *const outcomes[] = {
        [REMEDY_REPLACED] = "replaced", [REMEDY_BUSY] = "busy",
        [REMEDY_CHANGED] = "changed",   [REMEDY_REFUSED] = "refused",
        [REMEDY_FAILED] = "failed",     [REMEDY_NOT_QUARANTINED] = "not-quarantined",
};

const char *remedy_outcome_name(enum remedy_outcome outcome) {
        return (unsigned)outcome < ELEMENTSOF(outcomes) ? outcomes[outcome] : "invalid";
}

size_t remedy_size(enum remedy_kind kind) {
        return (unsigned)kind < _REMEDY_KIND_MAX ? kinds[kind].size : 0;
}

void remedy_init(union remedy_message *message, enum remedy_kind kind) {
        proto_begin(message, REMEDY_MAGIC, kind, kinds[kind].size);
}

/* Any bytes, but terminated, with nothing behind the end. */
static bool path_ok(const char path[static PATH_MAX], bool may_miss) {
        size_t n = strnlen(path, PATH_MAX);

        return n < PATH_MAX && (n == 0 ? may_miss : path[0] == '/') &&
               is_zero(path + n, PATH_MAX - n);
}

static bool range_ok(uint64_t offset, uint64_t size) {
        return size > 0 && offset <= (uint64_t)INT64_MAX && size <= (uint64_t)INT64_MAX - offset;
}

static bool id_ok(const char id[static QUARANTINE_ID_SIZE], bool may_miss) {
        if (is_zero(id, QUARANTINE_ID_SIZE))
                return may_miss;
        return memchr(id, '\0', QUARANTINE_ID_SIZE) && quarantine_id_valid(id);
}

static bool note_ok(const struct remedy_note *m) {
        return m->completed <= 1 && is_zero(m->reserved, sizeof(m->reserved)) &&
               id_ok(m->id, false) && proto_text_ok(m->store, sizeof(m->store)) &&
               proto_text_ok(m->signature, sizeof(m->signature)) &&
               proto_text_ok(m->text, sizeof(m->text)) && m->completed == (m->text[0] == '\0') &&
               range_ok(m->offset, m->size) && path_ok(m->path, true);
}

static bool job_ok(const struct remedy_order *m) {
        return range_ok(m->offset, m->size) && m->size <= REMEDY_ITEM_MAX &&
               m->pid <= (uint32_t)INT32_MAX && m->format < _STORE_FORMAT_MAX && m->opaque <= 1 &&
               m->has_content <= 1 && m->reserved == 0 &&
               (m->has_content || is_zero(m->content, sizeof(m->content))) &&
               proto_text_ok(m->store, sizeof(m->store)) &&
               proto_text_ok(m->signature, sizeof(m->signature)) && proto_context_ok(&m->context) &&
               path_ok(m->path, true);
}

static bool ready_ok(const struct remedy_ready *m) {
        return m->looked <= 1 && is_zero(m->reserved, sizeof(m->reserved));
}

static bool done_ok(const struct remedy_done *m) {
        return m->outcome < _REMEDY_OUTCOME_MAX && m->half <= 1 &&
               (!m->half || m->outcome == REMEDY_FAILED) &&
               is_zero(m->reserved, sizeof(m->reserved)) &&
               id_ok(m->item, m->outcome != REMEDY_REPLACED) &&
               proto_text_ok(m->text, sizeof(m->text)) &&
               (m->outcome == REMEDY_REPLACED) == (m->text[0] == '\0');
}

int remedy_check(const union remedy_message *message, size_t size) {
        const struct proto_header *h = &message->header;
        bool ok;

        if (size < sizeof(*h) || h->magic != REMEDY_MAGIC || h->size != size || h->kind == 0 ||
            h->kind >= _REMEDY_KIND_MAX || kinds[h->kind].size != size)
                return -EBADMSG;
        switch ((enum remedy_kind)h->kind) {
        case REMEDY_SETTINGS: ok = path_ok(message->settings.directory, false); break;
        case REMEDY_NOTE: ok = note_ok(&message->note); break;
        case REMEDY_WAITING: ok = range_ok(message->waiting.offset, message->waiting.size); break;
        case REMEDY_READY: ok = ready_ok(&message->ready); break;
        case REMEDY_JOB: ok = job_ok(&message->job); break;
        case REMEDY_DONE: ok = done_ok(&message->done); break;
        case _REMEDY_KIND_MAX:
        default: ok = false;
        }
        return ok ? h->kind : -EBADMSG;
}

int remedy_send(int sock, const union remedy_message *message, const int *fds, size_t n,
                bool patient) {
        return proto_send_bytes(sock, message, message->header.size, fds, n,
                                patient ? 0 : MSG_DONTWAIT);
}

static int check_received(const void *message, size_t size, size_t n_fds) {
        int kind = remedy_check(message, size);

        return kind > 0 && n_fds != kinds[kind].n_fds ? -EBADMSG : kind;
}

int remedy_receive(int sock, union remedy_message *ret, int ret_fds[static REMEDY_FDS]) {
        int fds[PROTO_FDS_MAX], kind;

        kind = proto_receive_checked(sock, ret, sizeof(*ret), check_received, fds);
        if (kind > 0)
                memcpy(ret_fds, fds, REMEDY_FDS * sizeof(int));
        return kind;
}
