/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the pool of clamd servers says to the two that it works for, over SOCK_SEQPACKET socket pairs
 * that it was born with or was given:
 *
 *     loader ──ADD────▶ pool      with the pool's end of a new worker's socket
 *     loader ◀─READY─── pool      once: a server was proven, and with what the oldest of them scans;
 *                                 or none is there, and why
 *     loader ◀─NEWS──── pool      a server came or went; the oldest set is another; counters
 *     worker ──SCAN───▶ pool      with a memfd that nobody can write to any more; one at a time
 *     worker ◀─ANSWER── pool      before the time that SCAN gives is over
 *
 * A worker parses hostile mail: what it sends is looked at again.
 */

#include <stdint.h>

#include "daemon/clamd/answer.h"
#include "daemon/proto.h"

enum link_kind { LINK_ADD = 1, LINK_READY, LINK_NEWS, LINK_SCAN, LINK_ANSWER, _LINK_KIND_MAX };

struct link_add {
        struct proto_header header;
};

struct link_ready {
        struct proto_header header;
        uint32_t servers; /* that can be used */
        uint32_t database;
        char engine[CLAMD_ENGINE_MAX]; /* "": none is known */
        char problem[PROTO_TEXT_MAX];  /* without servers */
};

struct link_news {
        struct proto_header header;
        struct proto_servers servers; /* its header is not used */
};

struct link_scan {
        struct proto_header header;
        uint64_t id;
        uint64_t size; /* of the memfd; never 0 */
        uint32_t msec; /* until when there must be an answer; 0: whenever */
        uint32_t reserved;
};

enum link_answer {
        LINK_OK,
        LINK_FOUND,
        LINK_ERROR,     /* no server could scan it */
        LINK_TOO_LARGE, /* for the server that was asked */
        LINK_TIMEOUT,
        LINK_NONE, /* there is no server to ask */
        _LINK_ANSWER_MAX
};

struct link_answered {
        struct proto_header header;
        uint64_t id;
        uint8_t answer; /* enum link_answer */
        uint8_t reserved[7];
        char text[CLAMD_NAME_MAX]; /* FOUND: the name; else what is wrong. Printable ASCII */
};

union link_message {
        struct proto_header header;
        struct link_add add;
        struct link_ready ready;
        struct link_news news;
        struct link_scan scan;
        struct link_answered answered;
};

void link_init(union link_message *message, enum link_kind kind);

/* Never sleeps: -EAGAIN. 0 or negative errno. */
int link_send(int sock, const union link_message *message, int fd);

/* As proto_receive(), of one of these. *ret_fd: -EBADF without one. */
int link_receive(int sock, union link_message *ret, int *ret_fd);
