/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the configuration that runs to one that was read and found good, without an event that is judged
 * by neither. Gate thread only; the disk was looked at before.
 *
 * Every part of the gate thread looks into the one object live, whose content is exchanged; stores of a
 * former content live on while somebody holds them (config_store_hold()).
 */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/gate.h"
#include "daemon/hot.h"
#include "daemon/journal.h"
#include "daemon/many.h"
#include "daemon/marker.h"
#include "daemon/pool.h"

struct reconfigure;

struct reconfigure_parts {
        struct config *live;
        struct config *loaded; /* live's content; taken, if reconfigure_new() succeeds */
        struct pool *pool;
        struct gate *gate;
        struct hot *hot;
        struct many *many;
        struct marker *marker;
        struct journal *journal;
        /* It is through, with or without success. engine: [scanner] needs another engine. */
        void (*done)(void *userdata, bool engine);
        void *userdata;
};

int reconfigure_new(const struct reconfigure_parts *parts, struct reconfigure **ret);
struct reconfigure *reconfigure_free(struct reconfigure *reconfigure);

/* Goes over to config, which is taken. While another one is being gone over to, the latest waits. */
void reconfigure_take(struct reconfigure *reconfigure, struct config *config);

/* For the marker's answers. */
void reconfigure_changed(struct reconfigure *reconfigure, int error, const char *text);
void reconfigure_let_go(struct reconfigure *reconfigure);

/* Whether the last one that was gone over to could not be put in force. */
bool reconfigure_refused(const struct reconfigure *reconfigure);

/* Goes on with what had to wait, frees what is not needed any more. Called once a loop. */
void reconfigure_run(struct reconfigure *reconfigure);
