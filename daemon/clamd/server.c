/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the connection. Whatever is odd ends it, with a reason: a reply that clamd does not give, one
 * that nobody asked for, silence. It is tried again after a while that grows. Must not know whose scans
 * they are.
 */

#include "daemon/clamd/server.h"

#include <endian.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/un.h>

#include "store/util.h"

#define CONNECT_USEC  (3 * USEC_PER_SEC)
#define PROVE_USEC    (15 * USEC_PER_SEC)
#define VERSION_USEC  (1 * USEC_PER_SEC)  /* between questions whether it is there */
#define SLOW_USEC     (2 * USEC_PER_SEC)  /* without an answer to one */
#define DEAD_USEC     (10 * USEC_PER_SEC) /* likewise */
#define CANARY_USEC   (5 * USEC_PER_SEC)
#define SCAN_USEC     (150 * USEC_PER_SEC) /* clamd's own limit is 120 s */
#define BACKOFF_USEC  (USEC_PER_SEC / 2)
#define BACKOFF_STEPS 6
#define GOOD_USEC     (30 * USEC_PER_SEC) /* up for so long: what was before is forgotten */

static const char limits_prefix[] = "Heuristics.Limits.Exceeded";

/* ---- Its end ---- */

static void free_command(struct command *c) {
        if (c->purpose == ASK_SCAN)
                close_fd(c->fd);
        *c = (struct command){ .fd = -EBADF };
}

/* Answers to scans will not come. */
static void drop_commands(struct server *s) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++) {
                void *job = s->commands[i].job;

                free_command(&s->commands[i]);
                if (job)
                        s->owner->answered(s->owner->userdata, s, job, NULL);
        }
        s->scans = 0;
}

static void hang_up(struct server *s, enum server_state state, uint64_t due) {
        s->fd = close_fd(s->fd);
        s->state = state;
        s->due_usec = due;
        drop_commands(s);
}

_printf_(3, 4) static void fail(struct server *s, uint64_t now, const char *format, ...) {
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

/* ---- Asking ---- */

static struct command *put_command(struct server *s, enum command_purpose purpose, int fd,
                                   uint64_t size) {
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

static struct command *find_command(struct server *s, uint32_t id) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                if (s->commands[i].purpose != ASK_NOTHING && s->commands[i].id == id)
                        return &s->commands[i];
        return NULL;
}

static const struct command *find_purpose(const struct server *s, enum command_purpose purpose) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                if (s->commands[i].purpose == purpose)
                        return &s->commands[i];
        return NULL;
}

static void ask_probe(struct server *s, enum command_purpose purpose, const struct probe *probe) {
        (void)put_command(s, purpose, probe->fd, probe->size);
}

/* The pieces that a command is sent in: its words, then its content, then the end of that. */
enum { STAGE_WORDS, STAGE_CONTENT, STAGE_END, _STAGE_MAX };

static size_t words_of(const struct server *s, const struct command *c, char ret[static 32]) {
        const char *words = !c                          ? "zIDSESSION"
                            : c->purpose == ASK_VERSION ? "zVERSION"
                            : s->stream                 ? "zINSTREAM"
                                                        : "zFILDES";
        size_t n = strlen(words) + 1;
        uint32_t size;

        memcpy(ret, words, n);
        if (c && c->purpose != ASK_VERSION && s->stream) {
                size = htobe32((uint32_t)c->size);
                memcpy(ret + n, &size, sizeof(size));
                n += sizeof(size);
        }
        return n;
}

static ssize_t send_fd(int sock, int fd) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (char[]){ 0 }, .iov_len = 1 };
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
        bool more = c && c->purpose != ASK_VERSION;
        off_t at = (off_t)s->stage_done;

        *size = 0;
        if (s->stage == STAGE_WORDS)
                *size = words_of(s, c, words);
        else if (more)
                *size = s->stage == STAGE_CONTENT ? (s->stream ? c->size : 1) : s->stream ? 4 : 0;
        if (s->stage_done == *size)
                return 0;
        if (s->stage != STAGE_CONTENT || !c)
                return send(s->fd, words + s->stage_done, (size_t)(*size - s->stage_done),
                            MSG_NOSIGNAL | (s->stage == STAGE_WORDS && more ? MSG_MORE : 0));
        return s->stream ? sendfile(s->fd, c->fd, &at, (size_t)(*size - s->stage_done))
                         : send_fd(s->fd, c->fd);
}

static bool has_to_send(const struct server *s) {
        return s->fd >= 0 && s->state != SERVER_CONNECTING && !s->deaf && s->sending <= s->last_id;
}

static void send_commands(struct server *s, uint64_t now) {
        while (has_to_send(s)) {
                struct command *c = s->sending > 0 ? find_command(s, s->sending) : NULL;
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

static void begin(struct server *s, uint64_t now) {
        int r;

        if (s->n_places == 0) {
                fail(s, now, "its name is not known; correct it, or write an address");
                return;
        }
        hang_up(s, SERVER_CONNECTING, 0);
        s->since_usec = s->moved_usec = now;
        s->last_id = s->sending = s->stage = 0;
        s->stage_done = s->n_received = 0;
        s->deaf = false;
        r = connect_to(s);
        if (r < 0)
                fail(s, now, "%s",
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
                begin(s, now);
                return;
        }
        if (error) {
                fail(s, now, "%s", error_text(error));
                return;
        }
        s->state = SERVER_PROVING;
        (void)put_command(s, ASK_VERSION, -EBADF, 0);
        ask_probe(s, ASK_CANARY, &probes->canary);
        ask_probe(s, ASK_TWIN, &probes->twin);
        ask_probe(s, ASK_LIMITS, &probes->limits);
        send_commands(s, now);
}

static void proven(struct server *s, uint64_t now) {
        for (size_t i = 0; i < SERVER_COMMANDS_MAX; i++)
                if (s->commands[i].purpose != ASK_NOTHING)
                        return;
        s->state = SERVER_UP;
        s->tried = true;
        s->scanned = false;
        s->since_usec = s->version_usec = s->canary_usec = now;
        if (s->used)
                return;
        s->used = true;
        s->owner->changed(s->owner->userdata, s);
        s->was_up = true;
}

/* ---- What it answers ---- */

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
        default: return NULL;
        }
}

static void take_probe(struct server *s, const struct command *c, const struct clamd_reply *reply,
                       uint64_t now) {
        const char *why = wrong(c->purpose, reply);

        if (!why) {
                if (c->purpose == ASK_CANARY)
                        s->canary_usec = now;
                return;
        }
        /* What listens on a socket here may be a tunnel, which passes no fds. */
        if (c->purpose == ASK_CANARY && reply->answer == CLAMD_ERROR && !s->stream &&
            s->state == SERVER_PROVING) {
                s->stream = true;
                begin(s, now);
                return;
        }
        fail(s, now, "%s", why);
}

/* A reply to a command that was sent. */
static void take_reply(struct server *s, struct command *c, const struct clamd_reply *reply,
                       uint64_t now) {
        struct command command = *c;

        if ((reply->answer == CLAMD_VERSION) != (command.purpose == ASK_VERSION) ||
            /* Only what is too large is known for that before its end. */
            (command.sent_usec == 0 && reply->answer != CLAMD_TOO_LARGE)) {
                fail(s, now, "it answered what it was not asked");
                return;
        }
        free_command(c);
        switch (command.purpose) {
        case ASK_VERSION:
                s->version = reply->version;
                s->version_usec = now;
                break;
        case ASK_SCAN:
                s->scans--;
                s->scanned = true;
                if (command.job)
                        s->owner->answered(s->owner->userdata, s, command.job, reply);
                break;
        case ASK_CANARY:
        case ASK_TWIN:
        case ASK_LIMITS:
        case ASK_NOTHING:
        default: take_probe(s, &command, reply, now);
        }
        /* No fault of the server, but it hangs up. */
        if (s->fd >= 0 && reply->answer == CLAMD_TOO_LARGE)
                begin(s, now);
        else if (s->state == SERVER_PROVING)
                proven(s, now);
}

static void take_text(struct server *s, const char *text, size_t n, uint64_t now) {
        struct clamd_reply reply;
        struct command *c = NULL;

        if (clamd_reply_parse(text, n, &reply) == 0)
                c = find_command(s, reply.id);
        if (c && c->id <= s->sending && s->sending > 0)
                take_reply(s, c, &reply, now);
        else
                fail(s, now, "it does not speak clamd's protocol");
}

static void receive(struct server *s, uint64_t now) {
        ssize_t n =
                recv(s->fd, s->received + s->n_received, sizeof(s->received) - s->n_received, 0);
        const char *end;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                fail(s, now, "it closed the connection%s%s", n < 0 ? ": " : "",
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
                fail(s, now, "it does not speak clamd's protocol");
}

/* ---- For the owner ---- */

static void look_up(struct server *s) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
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
        return s->state == SERVER_UP && s->scans < SERVER_SCANS_MAX;
}

bool server_is_slow(const struct server *s, uint64_t now) {
        return find_purpose(s, ASK_VERSION) && now - s->version_usec > VERSION_USEC + SLOW_USEC;
}

int server_scan(struct server *s, void *job, int fd, uint64_t size, uint64_t now) {
        int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        struct command *c;

        if (own < 0)
                return -errno;
        c = put_command(s, ASK_SCAN, own, size);
        c->job = job;
        s->scans++;
        send_commands(s, now);
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
        return (short)(POLLIN | (has_to_send(s) ? POLLOUT : 0));
}

void server_ready(struct server *s, short events, uint64_t now) {
        if (s->fd < 0 || !events)
                return;
        if (s->state == SERVER_CONNECTING) {
                connected(s, now);
                return;
        }
        if (events & (POLLIN | POLLHUP | POLLERR))
                receive(s, now);
        if (s->fd >= 0 && events & POLLOUT)
                send_commands(s, now);
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
                begin(s, now);
        }
        if (s->fd < 0)
                return s->due_usec;
        fault = find_fault(s, now);
        if (fault) {
                fail(s, now, "%s", fault);
                return s->due_usec;
        }
        if (s->state == SERVER_UP) {
                if (!find_purpose(s, ASK_VERSION) && now - s->version_usec >= VERSION_USEC)
                        (void)put_command(s, ASK_VERSION, -EBADF, 0);
                if (!find_purpose(s, ASK_CANARY) && s->scanned &&
                    now - s->canary_usec >= CANARY_USEC) {
                        ask_probe(s, ASK_CANARY, &s->owner->probes->canary);
                        ask_probe(s, ASK_TWIN, &s->owner->probes->twin);
                        s->scanned = false;
                }
                send_commands(s, now);
        }
        return now + VERSION_USEC / 2;
}
