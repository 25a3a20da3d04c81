/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What root may ask of storescand on the bus. Owns each request from its arrival to its reply: between
 * them the bus is asked who sent it. The bus's policy lets nobody but root through, but a policy file can
 * be missing, or be somebody else's.
 */

#include "daemon/bus-private.h"
#include "daemon/clock.h"

#define PATIENCE_USEC (20 * USEC_PER_SEC) /* sd_bus_call(3) has 25 s */

struct bus_request {
        LIST_ENTRY(bus_request) link; /* while it waits */
        struct bus *bus;
        sd_bus_message *message;
        bus_act_fn *act;
        bool waits;
        uint64_t until_usec;
};

static struct bus_request *request_free(struct bus_request *request) {
        sd_bus_message_unref(request->message);
        free(request);
        return NULL;
}

static void destroy(void *userdata) {
        struct bus_request *request = userdata;

        if (!request->waits)
                request_free(request);
}

static void reply_to(struct bus_request *request, int r, const sd_bus_error *error) {
        if (r < 0)
                (void)sd_bus_reply_method_error(request->message, error);
        else if (r == 0)
                (void)sd_bus_reply_method_return(request->message, "");
}

static int on_sender(sd_bus_message *reply, void *userdata, sd_bus_error *unused) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        struct bus_request *request = userdata;
        uint32_t uid;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_read(reply, "u", &uid) < 0 || uid != 0)
                r = sd_bus_error_set(&error, SD_BUS_ERROR_ACCESS_DENIED, "This is for root.");
        else
                r = request->act(request->bus, request->message, &error);
        if (r == -EINPROGRESS) {
                request->waits = true;
                request->until_usec = now_usec() + PATIENCE_USEC;
                LIST_INSERT_HEAD(&request->bus->waiting, request, link);
        } else
                reply_to(request, r, &error);
        return 0;
}

void bus_requests_run(struct bus *bus) {
        struct bus_request *request, *next;

        for (request = LIST_FIRST(&bus->waiting); request; request = next) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r = request->act(bus, request->message, &error);

                next = LIST_NEXT(request, link);
                if (r == -EINPROGRESS) {
                        if (now_usec() < request->until_usec)
                                continue;
                        (void)sd_bus_error_set(&error, SD_BUS_ERROR_TIMEOUT,
                                               "It is under way, but takes its time; ask again.");
                }
                reply_to(request, r, &error);
                bus->unsent = true;
                LIST_REMOVE(request, link);
                request_free(request);
        }
}

void bus_requests_end(struct bus *bus) {
        struct bus_request *request;

        while ((request = LIST_FIRST(&bus->waiting))) {
                LIST_REMOVE(request, link);
                request_free(request);
        }
}

int bus_if_root(struct bus *bus, sd_bus_message *message, bus_act_fn *act) {
        struct bus_request *request = calloc(1, sizeof(*request));
        const char *sender = sd_bus_message_get_sender(message);
        sd_bus_slot *slot;
        int r;

        if (!request)
                return -ENOMEM;
        *request = (struct bus_request){ .bus = bus,
                                         .message = sd_bus_message_ref(message),
                                         .act = act };
        r = sd_bus_call_method_async(bus->sd, &slot, "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "GetConnectionUnixUser", on_sender, request, "s",
                                     sender ?: "");
        if (r < 0) {
                request_free(request);
                return r;
        }
        /* The request goes with the call: at its reply, or when the bus goes. */
        (void)sd_bus_slot_set_destroy_callback(slot, destroy);
        (void)sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
        return 1; /* replied to later */
}
