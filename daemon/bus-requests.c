/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What root may ask of storescand on the bus. Owns each request from its arrival to its reply: between
 * them the bus is asked who sent it. The bus's policy lets nobody but root through, but a policy file can
 * be missing, or be somebody else's.
 */

#include "daemon/bus-private.h"

struct request {
        struct bus *bus;
        sd_bus_message *message;
        bus_act_fn *act;
};

static struct request *request_free(struct request *request) {
        sd_bus_message_unref(request->message);
        free(request);
        return NULL;
}

static void destroy(void *userdata) {
        request_free(userdata);
}

static int on_sender(sd_bus_message *reply, void *userdata, sd_bus_error *unused) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        struct request *request = userdata;
        uint32_t uid;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_read(reply, "u", &uid) < 0 || uid != 0)
                r = sd_bus_error_set(&error, SD_BUS_ERROR_ACCESS_DENIED, "This is for root.");
        else
                r = request->act(request->bus, request->message, &error);
        if (r < 0)
                (void)sd_bus_reply_method_error(request->message, &error);
        else if (r == 0)
                (void)sd_bus_reply_method_return(request->message, "");
        return 0;
}

int bus_if_root(struct bus *bus, sd_bus_message *message, bus_act_fn *act) {
        struct request *request = calloc(1, sizeof(*request));
        const char *sender = sd_bus_message_get_sender(message);
        sd_bus_slot *slot;
        int r;

        if (!request)
                return -ENOMEM;
        *request =
                (struct request){ .bus = bus, .message = sd_bus_message_ref(message), .act = act };
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
