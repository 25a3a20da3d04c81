/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by bus.c (the connection), bus-objects.c and bus-stores.c (what is said on it), bus-changes.c (of what
 * changes are told) and bus-requests.c (who may ask). */

#include <sys/queue.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/bus.h"

struct bus_request;

struct bus {
        struct ring *ring;
        struct journal *journal;
        struct bus_calls calls;

        sd_event *event;
        sd_event_source *again; /* when to connect again */
        sd_bus *sd;             /* NULL: waits for that */
        struct ring_op poll_op;
        bool polling, freed, told_refused;
        LIST_HEAD(, bus_request) waiting; /* for what takes its time */
        bool unsent; /* the loop does not know yet that it is to wait for room */
        struct bus_told {
                struct bus_state state; /* but for the generation */
                struct generation generation;
        } told;
};

/* ---- bus.c ---- */

/* Does what is to be done, and arms what the loop waits for. */
void bus_dispatch(struct bus *bus);

/* ---- bus-requests.c ---- */

/* Does what root asked for; or sets the error. Negative errno after that; 1: it has replied by itself.
 * -EINPROGRESS: it takes its time; to be called again in a later turn of the loop. */
typedef int bus_act_fn(struct bus *bus, sd_bus_message *message, sd_bus_error *error);

/* Has it done, and replied to, once the bus has said that the sender is root. To be returned by a
 * method's handler. */
int bus_if_root(struct bus *bus, sd_bus_message *message, bus_act_fn *act);

/* Looks again at what takes its time. */
void bus_requests_run(struct bus *bus);

/* Gives up on all of it. */
void bus_requests_end(struct bus *bus);

/* ---- bus-explain.c ---- */

bus_act_fn bus_explain;

/* Name, path (any bytes), kind, format, on_infected, on_error, on_unscannable: "saysssss". */
int bus_append_store(sd_bus_message *reply, const struct config_store *store);

/* ---- bus-pending.c ---- */

bus_act_fn bus_list_pending;

/* ---- bus-scan.c ---- */

bus_act_fn bus_scan_begin, bus_scan_result;

/* ---- bus-objects.c ---- */

/* Puts the objects on the connection, before it is started. 0 or negative errno. */
int bus_add_objects(struct bus *bus);

/* ---- bus-stores.c ---- */

int bus_add_stores(struct bus *bus);

/* Tells of each store whose self-test has brought anything new. */
void bus_stores_changed(struct bus *bus);
