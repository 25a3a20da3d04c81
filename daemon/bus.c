/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the connection and its event loop, whose fd the gate's ring polls. Must not own what is said
 * on it (bus-objects.c), and must never call what waits for a reply: no sd_bus_call(), no
 * sd_bus_flush(), and no method without SD_BUS_VTABLE_UNPRIVILEGED, since for those sd-bus asks the
 * bus who the caller is, and waits.
 */

#include "daemon/bus-private.h"

#include <poll.h>
#include <systemd/sd-event.h>

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
#define AGAIN_USEC (10 * USEC_PER_SEC) /* after a bus that was there refused us, or went */
/* Clients of the bus can keep it busy; events of files have their turn in between. */
#define STEPS_MAX 16

/* ---- The connection ---- */

static void disconnect(struct bus *bus) {
        if (!bus->sd)
                return;
        bus_requests_end(bus);
        (void)sd_bus_detach_event(bus->sd);
        sd_bus_close(bus->sd);
        bus->sd = sd_bus_unref(bus->sd);
}

static int connect_again(struct bus *bus);

static int on_again(sd_event_source *source, uint64_t usec, void *userdata) {
        struct bus *bus = userdata;

        disconnect(bus);
        (void)connect_again(bus);
        return 0;
}

static void try_later(struct bus *bus) {
        (void)sd_event_source_set_time_relative(bus->again, AGAIN_USEC);
        (void)sd_event_source_set_enabled(bus->again, SD_EVENT_ONESHOT);
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        try_later(userdata);
        return 0;
}

static int on_name(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct bus *bus = userdata;
        const sd_bus_error *refused = sd_bus_message_get_error(message);

        if (refused && !bus->told_refused)
                journal_say(bus->journal, EVENT_BUS_REFUSED, NULL,
                            "The system bus does not give the name " BUS_NAME
                            ": %s; storescanctl status can't be answered. Install "
                            "dbus-1/system.d/org.storescan.conf and reload the bus.",
                            refused->message ?: refused->name);
        bus->told_refused = refused;
        if (refused)
                try_later(bus);
        return 0;
}

static int connect_now(struct bus *bus) {
        const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r;

        r = sd_bus_new(&bus->sd);
        if (r >= 0)
                r = sd_bus_set_address(bus->sd, address ?: SYSTEM_BUS);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus->sd, true);
        /* At boot we are there before it. */
        if (r >= 0)
                r = sd_bus_set_watch_bind(bus->sd, true);
        if (r >= 0)
                r = bus_add_objects(bus);
        if (r >= 0)
                r = sd_bus_start(bus->sd);
        if (r >= 0)
                r = sd_bus_attach_event(bus->sd, bus->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal(bus->sd, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected",
                                        on_disconnected, bus);
        if (r >= 0)
                r = sd_bus_request_name_async(bus->sd, NULL, BUS_NAME, 0, on_name, bus);
        return r;
}

static int connect_again(struct bus *bus) {
        int r = connect_now(bus);

        if (r < 0) {
                disconnect(bus);
                try_later(bus);
        }
        return r;
}

/* ---- The loop ---- */

/* The last step arms what the loop waits for. */
void bus_dispatch(struct bus *bus) {
        for (unsigned i = 0; i < STEPS_MAX && sd_event_run(bus->event, 0) > 0; i++)
                ;
}

static void wait_for_events(struct bus *bus);

static void on_events(struct ring_op *op, int res) {
        struct bus *bus = container_of(op, struct bus, poll_op);

        bus->polling = false;
        if (bus->freed) {
                free(bus);
                return;
        }
        if (res < 0)
                return; /* no memory, or we are told to end: no bus any more, but all else */
        bus_dispatch(bus);
        wait_for_events(bus);
}

static void wait_for_events(struct bus *bus) {
        struct io_uring_sqe *sqe = ring_entry(bus->ring);

        io_uring_prep_poll_add(sqe, sd_event_get_fd(bus->event), POLLIN);
        bus->poll_op.done = on_events;
        ring_bind(sqe, &bus->poll_op);
        bus->polling = true;
}

int bus_new(struct ring *ring, struct journal *journal, const struct bus_calls *calls,
            struct bus **ret) {
        struct bus *bus = calloc(1, sizeof(*bus));
        int r;

        if (!bus)
                return -ENOMEM;
        bus->ring = ring;
        bus->journal = journal;
        bus->calls = *calls;
        r = sd_event_new(&bus->event);
        if (r >= 0)
                r = sd_event_add_time_relative(bus->event, &bus->again, CLOCK_MONOTONIC, 0, 0,
                                               on_again, bus);
        if (r < 0) {
                bus_free(bus);
                return r;
        }
        bus_dispatch(bus);
        wait_for_events(bus);
        *ret = bus;
        return 0;
}

struct bus *bus_free(struct bus *bus) {
        if (!bus)
                return NULL;
        disconnect(bus);
        bus->again = sd_event_source_unref(bus->again);
        bus->freed = true;
        if (bus->polling) {
                struct io_uring_sqe *sqe = ring_entry(bus->ring);

                io_uring_prep_cancel(sqe, &bus->poll_op, 0);
                ring_bind(sqe, NULL);
                bus->event = sd_event_unref(bus->event);
                (void)ring_wait(bus->ring, USEC_PER_SEC / 10, 2);
                return NULL;
        }
        bus->event = sd_event_unref(bus->event);
        free(bus);
        return NULL;
}
