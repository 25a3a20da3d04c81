/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One clamd server: a session with it, what it was asked and has not answered yet, whether it is to be
 * believed. It is used once it has found the test virus in an attachment of a nested message, called the
 * same message without it clean, and told of a limit that was exceeded; and while it answers. What it calls
 * clean is so once it has found the test virus again behind that: a server whose temporary files find no
 * room calls attachments clean that it never saw.
 */

#include <sys/socket.h>

#include "daemon/clamd/address.h"
#include "daemon/clamd/answer.h"
#include "daemon/clamd/probes.h"

#define SERVER_PROBLEM_MAX  160
#define SERVER_COMMANDS_MAX 48
#define SERVER_SCANS_MAX    12 /* at once: clamd has 10 threads unless it is told otherwise */
#define SERVER_HELD_MAX     32
#define SERVER_PLACES_MAX   4

enum server_state {
        SERVER_DOWN, /* left alone until due_usec */
        SERVER_CONNECTING,
        SERVER_PROVING,
        SERVER_UP,
};

enum command_purpose {
        ASK_NOTHING,
        ASK_VERSION,
        ASK_CANARY,
        ASK_TWIN,
        ASK_LIMITS,
        ASK_SCAN,
        HOLD_OK, /* of a scan, until the canary was found behind it; nothing is asked any more */
};

struct command {
        enum command_purpose purpose; /* NOTHING: a free place */
        uint32_t id;                  /* HOLD_OK: 0 */
        uint32_t behind; /* HOLD_OK: a canary with a greater id was asked for behind the answer */
        int fd;          /* of what is scanned; SCAN: our own */
        uint64_t size;
        void *job;          /* SCAN, HOLD_OK: whose it is; NULL: nobody's any more */
        uint64_t sent_usec; /* 0: not all of it is sent */
};

struct server;

/* What the owner is told. In these a server must not be asked anything. */
struct server_owner {
        /* A scan was answered by OK, FOUND, ERROR or TOO_LARGE; or (NULL) there will be no answer. */
        void (*answered)(void *userdata, struct server *server, void *job,
                         const struct clamd_reply *reply);
        /* It can be used now; or no longer, or could not be (problem). */
        void (*changed)(void *userdata, struct server *server);
        void *userdata;
        const struct probes *probes;
};

struct server {
        const struct server_owner *owner;
        struct clamd_address address;
        struct sockaddr_storage places[SERVER_PLACES_MAX];
        socklen_t place_sizes[SERVER_PLACES_MAX];
        size_t n_places, place;

        enum server_state state;
        int fd;
        bool stream; /* content is sent; else the fd is passed */
        uint64_t due_usec, since_usec, moved_usec, version_usec, twin_usec;
        unsigned failures; /* in a row */
        bool tried;        /* it was up, or failed, once */
        bool used;         /* it was up since, but perhaps for a new session */
        bool was_up;       /* and so it was told before */
        char problem[SERVER_PROBLEM_MAX];
        struct clamd_version version;
        bool scanned; /* something, since the twin */

        struct command commands[SERVER_COMMANDS_MAX];
        unsigned scans;       /* of them, held ones too */
        unsigned held;        /* HOLD_OK */
        uint64_t prove_usec;  /* when a canary is due behind those without one; 0: there are none */
        unsigned returning;   /* of those answered last, who have not asked again */
        uint64_t return_usec; /* until when that is waited for */
        uint64_t turn;        /* the owner's: when it is to be asked next */
        uint32_t last_id;     /* of the command that was put in last */
        uint32_t sending;     /* the id of the one that is being sent; 0: the session is begun */
        unsigned stage;       /* of it */
        uint64_t stage_done;  /* bytes */
        bool deaf;            /* it takes no more */
        char received[2048];
        size_t n_received;
};

/* Looks up names, which takes as long as it takes. What can't be found is told when it is tried. */
void server_init(struct server *server, const struct server_owner *owner,
                 const struct clamd_address *address);

/* Whether a scan can be given to it; whether it has not answered for a while, so that another one is
 * to be preferred. */
bool server_has_room(const struct server *server);
bool server_is_slow(const struct server *server, uint64_t now);

/* Asks for a scan. fd stays the caller's. 0 or negative errno; the answer may come before this returns. */
int server_scan(struct server *server, void *job, int fd, uint64_t size, uint64_t now);

/* Nobody wants the answer of this job any more. */
void server_forget(struct server *server, const void *job);

/* What to poll its fd for (fd < 0: nothing), and what came of it. */
short server_events(const struct server *server);
void server_ready(struct server *server, short events, uint64_t now);

/* Does what the time has come for; returns when it wants to be called next. */
uint64_t server_run(struct server *server, uint64_t now);
