/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the commands that a server was sent or is to be sent, and the way of each: its words, then its
 * content, then the end of that. Must not know what answers mean.
 */

#include "daemon/clamd/server-private.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>

#include "store/util.h"

void server_take_out(struct command *c) {
        if (c->purpose == ASK_SCAN)
                close_fd(c->fd);
        *c = (struct command){ .fd = -EBADF };
}

/* Answers to scans will not come. */
void server_drop_all(struct server *s) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++) {
                void *job = s->commands[i].job;

                server_take_out(&s->commands[i]);
                if (job)
                        s->owner->answered(s->owner->userdata, s, job, NULL);
        }
        s->scans = s->held = 0;
        s->prove_usec = 0;
}

struct command *server_ask(struct server *s, enum command_purpose purpose, int fd, uint64_t size) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++) {
                struct command *c = &s->commands[i];

                if (c->purpose != ASK_NOTHING)
                        continue;
                *c = (struct command){
                        .purpose = purpose, .id = ++s->last_id, .fd = fd, .size = size
                };
                return c;
        }
        return NULL; /* never: there is room for all scans, and one of the others each */
}

struct command *server_find(struct server *s, uint32_t id) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                if (s->commands[i].purpose != ASK_NOTHING && s->commands[i].id == id)
                        return &s->commands[i];
        return NULL;
}

const struct command *server_asked(const struct server *s, enum command_purpose purpose) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                if (s->commands[i].purpose == purpose)
                        return &s->commands[i];
        return NULL;
}

void server_ask_probe(struct server *s, enum command_purpose purpose, const struct probe *probe) {
        (void)server_ask(s, purpose, probe->fd, probe->size);
}

/* The pieces that a command is sent in: its words, then its content, then the end of that. An fd goes with the
 * words: sent by itself it would cost clamd another wake-up. */
enum { STAGE_WORDS, STAGE_CONTENT, STAGE_END, _STAGE_MAX };

/* Else the session's beginning, or VERSION. */
static bool has_content(const struct command *c) {
        return c && c->purpose != ASK_VERSION;
}

static size_t words_of(const struct server *s, const struct command *c, char ret[static 32]) {
        const char *words = !c                          ? "zIDSESSION"
                            : c->purpose == ASK_VERSION ? "zVERSION"
                            : s->stream                 ? "zINSTREAM"
                                                        : "zFILDES";
        size_t n = strlen(words) + 1;
        uint32_t size;

        memcpy(ret, words, n);
        if (!has_content(c))
                return n;
        if (!s->stream) {
                ret[n] = '\0'; /* clamd waits for a byte that belongs to the fd */
                return n + 1;
        }
        size = htobe32((uint32_t)c->size);
        memcpy(ret + n, &size, sizeof(size));
        return n + sizeof(size);
}

static ssize_t send_fd(int sock, const void *words, size_t size, int fd) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (void *)(uintptr_t)words, .iov_len = size };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.buf,
                             .msg_controllen = sizeof(control.buf) };
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
        return sendmsg(sock, &mh, MSG_NOSIGNAL);
}

/* Sends some of this stage, which has *size bytes; what of it was sent. */
static ssize_t send_stage(struct server *s, const struct command *c, uint64_t *size) {
        char words[32] = {};
        bool more = has_content(c);
        off_t at = (off_t)s->stage_done;

        *size = 0;
        if (s->stage == STAGE_WORDS)
                *size = words_of(s, c, words);
        else if (more && s->stream)
                *size = s->stage == STAGE_CONTENT ? c->size : 4;
        if (s->stage_done == *size)
                return 0;
        if (s->stage == STAGE_CONTENT && c)
                return sendfile(s->fd, c->fd, &at, (size_t)(*size - s->stage_done));
        if (s->stage == STAGE_WORDS && c && more && !s->stream && s->stage_done == 0)
                return send_fd(s->fd, words, (size_t)*size, c->fd);
        return send(s->fd, words + s->stage_done, (size_t)(*size - s->stage_done),
                    MSG_NOSIGNAL | (s->stage == STAGE_WORDS && more && s->stream ? MSG_MORE : 0));
}

bool server_has_to_send(const struct server *s) {
        return s->fd >= 0 && s->state != SERVER_CONNECTING && !s->deaf && s->sending <= s->last_id;
}

void server_send(struct server *s, uint64_t now) {
        while (server_has_to_send(s)) {
                struct command *c = s->sending > 0 ? server_find(s, s->sending) : NULL;
                uint64_t size;
                ssize_t n = send_stage(s, c, &size);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                /* Why it hung up may be there to be read. */
                if (n < 0) {
                        s->deaf = true;
                        return;
                }
                s->moved_usec = n > 0 ? now : s->moved_usec;
                s->stage_done += (uint64_t)n;
                if (s->stage_done < size)
                        continue;
                s->stage_done = 0;
                if (++s->stage < _STAGE_MAX)
                        continue;
                s->stage = STAGE_WORDS;
                s->sending++;
                if (c)
                        c->sent_usec = now;
        }
}
