/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the socket, and when interrupted replacements are looked at again. Must not write to anything: what
 * it is told to is mend.c's.
 */

#include "daemon/remedy/serve.h"

#include <poll.h>
#include <stdio.h>

#include "daemon/remedy-proto.h"
#include "daemon/remedy/mend.h"
#include "daemon/remedy/recover.h"
#include "store/util.h"

/* Nothing tells when a lock is free, or a store mounted. Each look is at the whole quarantine. */
#define AGAIN_MSEC     500
#define AGAIN_MAX_MSEC 30000

struct server {
        int sock;
        char directory[PATH_MAX];
        int again_msec; /* when something is to be completed; -1: nothing is */
        int error;      /* the gate is gone */
};

static void send_note(void *userdata, const char *id, const struct quarantine *q,
                      const char *text) {
        struct server *s = userdata;
        union remedy_message m;

        remedy_init(&m, REMEDY_NOTE);
        m.note.completed = q->state == QUARANTINE_REPLACED;
        m.note.offset = q->offset;
        m.note.size = q->size;
        memcpy(m.note.id, id, QUARANTINE_ID_SIZE);
        proto_text(m.note.store, sizeof(m.note.store), q->store);
        proto_text(m.note.signature, sizeof(m.note.signature), q->signature);
        proto_text(m.note.text, sizeof(m.note.text), text);
        if (q->path[0] == '/')
                memccpy(m.note.path, q->path, '\0', sizeof(m.note.path) - 1);
        if (remedy_check(&m, sizeof(m.note)) > 0)
                s->error = MIN(s->error, remedy_send(s->sock, &m, NULL, 0, true));
}

static void send_waiting(void *userdata, dev_t dev, ino_t ino, const struct quarantine *q) {
        struct server *s = userdata;
        union remedy_message m;

        remedy_init(&m, REMEDY_WAITING);
        m.waiting.dev = dev;
        m.waiting.ino = ino;
        m.waiting.offset = q->offset;
        m.waiting.size = q->size;
        if (remedy_check(&m, sizeof(m.waiting)) > 0)
                s->error = MIN(s->error, remedy_send(s->sock, &m, NULL, 0, true));
}

static int look_again(struct server *s) {
        int r = recover_all(s->directory, send_note, send_waiting, s);
        union remedy_message m;

        if (r <= 0 && r != -EAGAIN)
                s->again_msec = -1;
        else
                s->again_msec =
                        s->again_msec < 0 ? AGAIN_MSEC : MIN(s->again_msec * 2, AGAIN_MAX_MSEC);
        if (r < 0 && r != -ENOENT && r != -EAGAIN)
                fprintf(stderr, "storescan-remedy: %s can't be looked at: %s.\n", s->directory,
                        error_text(-r));
        remedy_init(&m, REMEDY_READY);
        m.ready.waiting = r > 0 ? (unsigned)r : r == -EAGAIN;
        m.ready.looked = r >= 0 || r == -ENOENT;
        return remedy_send(s->sock, &m, NULL, 0, true);
}

static int settle(struct server *s, const struct remedy_settings *settings) {
        memcpy(s->directory, settings->directory, sizeof(s->directory));
        return look_again(s);
}

static int do_job(struct server *s, const struct remedy_order *order, const int fds[REMEDY_FDS]) {
        union remedy_message m;

        remedy_init(&m, REMEDY_DONE);
        m.done.id = order->id;
        if (mend(s->directory, order, fds[0], fds[1], &m.done)) {
                s->again_msec = AGAIN_MSEC;
                m.done.half = m.done.outcome == REMEDY_FAILED;
        }
        return remedy_send(s->sock, &m, NULL, 0, true);
}

/* 1: go on; 0: the gate has closed the socket; or negative errno. */
static int take_message(struct server *s) {
        int fds[REMEDY_FDS] = { -EBADF, -EBADF }, kind, r;
        union remedy_message m;

        kind = remedy_receive(s->sock, &m, fds);
        if (kind == REMEDY_SETTINGS && s->directory[0] == '\0')
                r = settle(s, &m.settings);
        else if (kind == REMEDY_JOB && s->directory[0] != '\0')
                r = do_job(s, &m.job, fds);
        else
                r = kind > 0 ? -EBADMSG : kind;
        for (size_t i = 0; i < REMEDY_FDS; i++)
                close_fd(fds[i]);
        return r < 0 || kind == 0 ? r : 1;
}

int serve(int sock) {
        struct server s = { .sock = sock, .again_msec = -1 };
        int r = 1;

        while (r > 0 && s.error >= 0) {
                struct pollfd p = { .fd = sock, .events = POLLIN };
                int n = poll(&p, 1, s.again_msec);

                if (n < 0 && errno != EINTR)
                        r = -errno;
                else if (n > 0)
                        r = take_message(&s);
                else if (n == 0)
                        s.error = MIN(s.error, look_again(&s));
        }
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                fprintf(stderr, "storescan-remedy: the talk with storescand ended: %s.\n",
                        error_text(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
