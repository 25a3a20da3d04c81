/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Making the engine that the gate asks for.
 */

#include "daemon/proto.h"
#include "daemon/worker/canary.h"
#include "daemon/worker/engine.h"
#include "daemon/worker/servers.h"

struct loaded {
        struct engine *engine;
        struct canary *canary; /* NULL: the engine has no signatures */
        struct servers servers;
        struct engine_options options;
        struct attachments attachments;                      /* as yet, nothing was found */
        char notice[PROTO_NOTICE_MAX], host[PROTO_HOST_MAX]; /* as in LOAD */
};

/* Loads what database (an O_PATH fd) is, proves it, and confines the process on the way. reply's
 * fields are filled in, but for load_usec. 1: it was only compared, and *ret_same says with which
 * result. Negative errno: refusal says why and names the fix. */
int load_engine(const struct proto_load *load, int database, struct loaded *ret,
                struct proto_loaded *reply, bool *ret_same, char refusal[static PROTO_TEXT_MAX]);
