/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns what a server has to answer, and what becomes of it when it answers something else. What it sends
 * is hostile until answer.c has read it.
 */

#include "daemon/clamd/server-private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "store/util.h"

static_assert(SERVER_SCANS_MAX + SERVER_HELD_MAX + 4 <= SERVER_COMMANDS_MAX,
              "one of each probe beside, and of VERSION");

/* How long what is held may wait for more, so that one canary does for all of it; and no longer than twice what its
 * scan took. */
#define HOLD_USEC (20 * USEC_PER_MSEC)
/* How long those who were answered together may take to ask again. */
#define RETURN_USEC (1 * USEC_PER_MSEC)
/* So many wait for no more: of each of them the canary costs little. */
#define BATCH 16

static const char limits_prefix[] = "Heuristics.Limits.Exceeded";

static void proven(struct server *s, uint64_t now) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                if (s->commands[i].purpose != ASK_NOTHING)
                        return;
        s->state = SERVER_UP;
        s->tried = true;
        s->scanned = false;
        s->since_usec = s->version_usec = s->twin_usec = now;
        if (s->used)
                return;
        s->used = true;
        s->owner->changed(s->owner->userdata, s);
        s->was_up = true;
}

/* Whether a probe's answer is as it must be; else why not. */
static const char *wrong(enum command_purpose purpose, const struct clamd_reply *reply) {
        bool limits = reply->answer == CLAMD_FOUND && startswith(reply->name, limits_prefix);

        if (reply->answer == CLAMD_ERROR || reply->answer == CLAMD_TOO_LARGE)
                return reply->name;
        switch (purpose) {
        case ASK_CANARY:
                return limits ? "its limits do not let it look into a zip in a nested message"
                       : reply->answer != CLAMD_FOUND
                               ? "it does not find the test virus in an attachment"
                               : NULL;
        case ASK_TWIN:
                return reply->answer != CLAMD_OK ? "it finds something in a harmless mail" : NULL;
        case ASK_LIMITS:
                return limits ? NULL
                              : "it calls clean what exceeds its limits: set AlertExceedsMax yes "
                                "in its clamd.conf";
        case ASK_VERSION:
        case ASK_SCAN:
        case ASK_NOTHING:
        case HOLD_OK:
        default: return NULL;
        }
}

/* What is called clean is so only where a canary, asked for behind that, is found. */
static void hold(struct server *s, struct command *c, uint64_t now) {
        uint64_t due = now + MIN(2 * (now - c->sent_usec), HOLD_USEC);

        close_fd(c->fd);
        s->held++;
        s->prove_usec = s->prove_usec == 0 ? due : MIN(s->prove_usec, due);
        *c = (struct command){
                .purpose = HOLD_OK, .behind = s->last_id, .fd = -EBADF, .job = c->job
        };
}

/* The canary was found. */
static void release(struct server *s, uint32_t canary, uint64_t now) {
        const struct clamd_reply ok = { .answer = CLAMD_OK };

        s->returning = 0;
        s->return_usec = now + RETURN_USEC;
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++) {
                struct command *c = &s->commands[i];
                void *job = c->job;

                if (c->purpose != HOLD_OK || c->behind >= canary)
                        continue;
                server_take_out(c);
                s->scans--;
                s->held--;
                s->returning++;
                if (job)
                        s->owner->answered(s->owner->userdata, s, job, &ok);
        }
}

/* Now, where that is enough, or twice as much as is still being scanned. What was answered meanwhile waits for those
 * who ask again: it would be most of what is there, until they do. */
uint64_t server_prove_held(struct server *s, uint64_t now) {
        bool alone = s->returning > 0 && now < s->return_usec;

        if (s->state != SERVER_UP || s->prove_usec == 0 || server_asked(s, ASK_CANARY))
                return UINT64_MAX;
        if (now < s->prove_usec && s->held < BATCH && (alone || s->held * 3 < s->scans * 2))
                return alone ? MIN(s->return_usec, s->prove_usec) : s->prove_usec;
        server_ask_probe(s, ASK_CANARY, &s->owner->probes->canary);
        s->prove_usec = 0;
        server_send(s, now);
        return UINT64_MAX;
}

static void take_probe(struct server *s, const struct command *c, const struct clamd_reply *reply,
                       uint64_t now) {
        const char *why = wrong(c->purpose, reply);

        if (!why) {
                if (c->purpose == ASK_CANARY)
                        release(s, c->id, now);
                return;
        }
        /* What listens on a socket here may be a tunnel, which passes no fds. */
        if (c->purpose == ASK_CANARY && reply->answer == CLAMD_ERROR && !s->stream &&
            s->state == SERVER_PROVING) {
                s->stream = true;
                server_begin(s, now);
                return;
        }
        server_fail(s, now, "%s", why);
}

/* A reply to a command that was sent. */
static void take_reply(struct server *s, struct command *c, const struct clamd_reply *reply,
                       uint64_t now) {
        struct command command = *c;

        if ((reply->answer == CLAMD_VERSION) != (command.purpose == ASK_VERSION) ||
            /* Only what is too large is known for that before its end. */
            (command.sent_usec == 0 && reply->answer != CLAMD_TOO_LARGE)) {
                server_fail(s, now, "it answered what it was not asked");
                return;
        }
        s->scanned = s->scanned || command.purpose == ASK_SCAN;
        if (command.purpose == ASK_SCAN && command.job && reply->answer == CLAMD_OK) {
                hold(s, c, now);
                return;
        }
        server_take_out(c);
        switch (command.purpose) {
        case ASK_VERSION:
                s->version = reply->version;
                s->version_usec = now;
                break;
        case ASK_SCAN:
                s->scans--;
                if (command.job)
                        s->owner->answered(s->owner->userdata, s, command.job, reply);
                break;
        case ASK_CANARY:
        case ASK_TWIN:
        case ASK_LIMITS:
        case ASK_NOTHING:
        case HOLD_OK:
        default: take_probe(s, &command, reply, now);
        }
        /* No fault of the server, but it hangs up. */
        if (s->fd >= 0 && reply->answer == CLAMD_TOO_LARGE)
                server_begin(s, now);
        else if (s->state == SERVER_PROVING)
                proven(s, now);
}

static void take_text(struct server *s, const char *text, size_t n, uint64_t now) {
        struct clamd_reply reply;
        struct command *c = NULL;

        if (clamd_reply_parse(text, n, &reply) == 0)
                c = server_find(s, reply.id);
        if (c && c->id <= s->sending && s->sending > 0)
                take_reply(s, c, &reply, now);
        else
                server_fail(s, now, "it does not speak clamd's protocol");
}

void server_receive(struct server *s, uint64_t now) {
        ssize_t n =
                recv(s->fd, s->received + s->n_received, sizeof(s->received) - s->n_received, 0);
        const char *end;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                server_fail(s, now, "it closed the connection%s%s", n < 0 ? ": " : "",
                            n < 0 ? error_text(errno) : "");
                return;
        }
        s->moved_usec = now;
        s->n_received += (size_t)n;
        while (s->fd >= 0 && s->state != SERVER_CONNECTING &&
               (end = memchr(s->received, '\0', s->n_received))) {
                size_t length = (size_t)(end - s->received);
                char text[sizeof(s->received)];

                memcpy(text, s->received, length);
                s->n_received -= length + 1;
                memmove(s->received, end + 1, s->n_received);
                take_text(s, text, length, now);
        }
        if (s->fd >= 0 && s->n_received == sizeof(s->received))
                server_fail(s, now, "it does not speak clamd's protocol");
        (void)server_prove_held(s, now);
}
