/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the connection. Whatever is odd ends it, with a reason: a reply that clamd does not give, one
 * that nobody asked for, silence. It is tried again after a while that grows. Must not know whose scans
 * they are.
 */

#include "daemon/clamd/server-private.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "store/util.h"

#define CONNECT_USEC  (3 * USEC_PER_SEC)
#define PROVE_USEC    (15 * USEC_PER_SEC)
#define VERSION_USEC  (1 * USEC_PER_SEC) /* between questions whether it is there */
#define SLOW_USEC     (2 * USEC_PER_SEC) /* without an answer to one */
#define DEAD_USEC     (5 * USEC_PER_SEC) /* likewise */
#define TWIN_USEC     (5 * USEC_PER_SEC)
#define SCAN_USEC     (150 * USEC_PER_SEC) /* clamd's own limit is 120 s */
#define BACKOFF_USEC  (USEC_PER_SEC / 2)
#define BACKOFF_STEPS 6
#define GOOD_USEC     (30 * USEC_PER_SEC) /* up for so long: what was before is forgotten */

static void hang_up(struct server *s, enum server_state state, uint64_t due) {
        s->fd = close_fd(s->fd);
        s->state = state;
        s->due_usec = due;
        server_drop_all(s);
}

void server_fail(struct server *s, uint64_t now, const char *format, ...) {
        bool was_used = s->used, first = !s->tried;
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(s->problem, sizeof(s->problem), format, ap);
        va_end(ap);
        if (s->state == SERVER_UP && now - s->since_usec >= GOOD_USEC)
                s->failures = 0;
        s->tried = true;
        s->used = false;
        hang_up(s, SERVER_DOWN, now + (BACKOFF_USEC << MIN(s->failures, (unsigned)BACKOFF_STEPS)));
        s->failures++;
        s->place = 0;
        if (was_used || first)
                s->owner->changed(s->owner->userdata, s);
}

/* ---- Its beginning ---- */

static int connect_to(struct server *s) {
        const struct sockaddr *place = (const struct sockaddr *)(const void *)&s->places[s->place];
        const int on = 1;

        s->fd = socket(place->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->fd < 0)
                return -errno;
        if (place->sa_family != AF_UNIX)
                (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(s->fd, place, s->place_sizes[s->place]) < 0 && errno != EINPROGRESS)
                return -errno;
        return 0;
}

void server_begin(struct server *s, uint64_t now) {
        int r;

        if (s->n_places == 0) {
                server_fail(s, now, "its name is not known; correct it, or write an address");
                return;
        }
        hang_up(s, SERVER_CONNECTING, 0);
        s->since_usec = s->moved_usec = now;
        s->last_id = s->sending = s->stage = 0;
        s->stage_done = s->n_received = 0;
        s->deaf = false;
        s->returning = 0;
        r = connect_to(s);
        if (r < 0)
                server_fail(s, now, "%s",
                            r == -EAGAIN ? "its queue of connections is full" : error_text(-r));
}

static void connected(struct server *s, uint64_t now) {
        const struct probes *probes = s->owner->probes;
        socklen_t size = sizeof(int);
        int error = 0;

        if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                error = errno;
        if (error && s->place + 1 < s->n_places) {
                s->place++;
                server_begin(s, now);
                return;
        }
        if (error) {
                server_fail(s, now, "%s", error_text(error));
                return;
        }
        s->state = SERVER_PROVING;
        (void)server_ask(s, ASK_VERSION, -EBADF, 0);
        server_ask_probe(s, ASK_CANARY, &probes->canary);
        server_ask_probe(s, ASK_TWIN, &probes->twin);
        server_ask_probe(s, ASK_LIMITS, &probes->limits);
        server_send(s, now);
}

/* ---- For the owner ---- */

static void look_up(struct server *s) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;

        if (getaddrinfo(s->address.host, s->address.port, &hints, &found) != 0)
                return;
        for (const struct addrinfo *a = found; a && s->n_places < SERVER_PLACES_MAX;
             a = a->ai_next) {
                memcpy(&s->places[s->n_places], a->ai_addr, a->ai_addrlen);
                s->place_sizes[s->n_places++] = a->ai_addrlen;
        }
        freeaddrinfo(found);
}

void server_init(struct server *s, const struct server_owner *owner,
                 const struct clamd_address *address) {
        struct sockaddr_un local = { .sun_family = AF_UNIX };

        *s = (struct server){
                .owner = owner, .address = *address, .fd = -EBADF, .stream = !address->local
        };
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                s->commands[i].fd = -EBADF;
        if (!address->local) {
                look_up(s);
                return;
        }
        memccpy(local.sun_path, address->host, '\0', sizeof(local.sun_path));
        memcpy(&s->places[0], &local, sizeof(local));
        s->place_sizes[0] = sizeof(local);
        s->n_places = 1;
}

bool server_has_room(const struct server *s) {
        return s->state == SERVER_UP && s->scans - s->held < SERVER_SCANS_MAX &&
               s->held < SERVER_HELD_MAX;
}

bool server_is_slow(const struct server *s, uint64_t now) {
        return server_asked(s, ASK_VERSION) && now - s->version_usec > VERSION_USEC + SLOW_USEC;
}

int server_scan(struct server *s, void *job, int fd, uint64_t size, uint64_t now) {
        int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        struct command *c;

        if (own < 0)
                return -errno;
        c = server_ask(s, ASK_SCAN, own, size);
        c->job = job;
        s->scans++;
        if (s->returning > 0)
                s->returning--;
        server_send(s, now);
        return 0;
}

void server_forget(struct server *s, const void *job) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                if (s->commands[i].job == job)
                        s->commands[i].job = NULL;
}

short server_events(const struct server *s) {
        if (s->state == SERVER_CONNECTING)
                return POLLOUT;
        return (short)(POLLIN | (server_has_to_send(s) ? POLLOUT : 0));
}

void server_ready(struct server *s, short events, uint64_t now) {
        if (s->fd < 0 || !events)
                return;
        if (s->state == SERVER_CONNECTING) {
                connected(s, now);
                return;
        }
        if (events & (POLLIN | POLLHUP | POLLERR))
                server_receive(s, now);
        if (s->fd >= 0 && events & POLLOUT)
                server_send(s, now);
}

/* Why the session has to end now; NULL: it goes on. */
static const char *find_fault(const struct server *s, uint64_t now) {
        if (s->state == SERVER_CONNECTING)
                return now - s->since_usec >= CONNECT_USEC ? "it does not take connections" : NULL;
        if (s->sending <= s->last_id && now - s->moved_usec >= DEAD_USEC)
                return "it takes no more data";
        if (s->state == SERVER_PROVING)
                return now - s->since_usec >= PROVE_USEC ? "it does not answer" : NULL;
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++) {
                const struct command *c = &s->commands[i];
                uint64_t limit = c->purpose == ASK_SCAN ? SCAN_USEC : DEAD_USEC;

                if (c->purpose != ASK_NOTHING && c->sent_usec > 0 && now - c->sent_usec >= limit)
                        return c->purpose == ASK_SCAN ? "it never answered a scan"
                                                      : "it does not answer";
        }
        return NULL;
}

uint64_t server_run(struct server *s, uint64_t now) {
        const char *fault;

        if (s->state == SERVER_DOWN) {
                if (now < s->due_usec)
                        return s->due_usec;
                server_begin(s, now);
        }
        if (s->fd < 0)
                return s->due_usec;
        fault = find_fault(s, now);
        if (fault) {
                server_fail(s, now, "%s", fault);
                return s->due_usec;
        }
        if (s->state == SERVER_UP) {
                if (!server_asked(s, ASK_VERSION) && now - s->version_usec >= VERSION_USEC)
                        (void)server_ask(s, ASK_VERSION, -EBADF, 0);
                if (!server_asked(s, ASK_TWIN) && s->scanned && now - s->twin_usec >= TWIN_USEC) {
                        server_ask_probe(s, ASK_TWIN, &s->owner->probes->twin);
                        s->twin_usec = now;
                        s->scanned = false;
                }
                server_send(s, now);
        }
        return MIN(now + VERSION_USEC / 2, server_prove_held(s, now));
}
