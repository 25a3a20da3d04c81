/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The loader's side of the pool of clamd servers: its process, and what it says.
 */

#include <stdint.h>

#include "daemon/proto.h"

#define SERVERS_TEXT_MAX 128

struct servers {
        int sock; /* -EBADF: there is no pool */
        bool fallback;
        uint32_t usable, database;
        char problem[PROTO_TEXT_MAX]; /* of those that can't be used */
        char engine[32];              /* "clamd 1.4.6" */
        char text[SERVERS_TEXT_MAX];  /* what of them is part of the generation */
};

/* Forks the process, before the loader has an engine or a sandbox, and waits until the servers are
 * proven, or some seconds are over. 0; or negative errno and why in ret->problem. */
int servers_start(const struct proto_load *load, struct servers *ret);

/* A socket for a new worker, that waits no longer than max_scan_msec and a bit for an answer. */
int servers_add(const struct servers *servers, uint32_t max_scan_msec);

/* Hands on what is new to the gate. 0 or negative errno: there is no pool any more. */
int servers_hear(const struct servers *servers, int control);
