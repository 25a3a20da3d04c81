/* SPDX-License-Identifier: Apache-2.0 */

/* What is said of each store on the bus. Owns nothing, as bus-objects.c does not. */

#include "daemon/bus-private.h"

static struct bus_view look(const struct bus *bus) {
        struct bus_view view = {};

        bus->calls.look(bus->calls.userdata, &view);
        return view;
}

static int find_store(sd_bus *sd, const char *path, const char *interface, void *userdata,
                      void **ret_found, sd_bus_error *error) {
        const struct config *config = look(userdata).config;
        _cleanup_free_ char *name = NULL;
        int r = sd_bus_path_decode(path, BUS_STORES, &name);

        if (r <= 0)
                return r;
        for (size_t i = 0; i < config->n_stores; i++)
                if (streq(config->stores[i].name, name)) {
                        *ret_found = &config->stores[i];
                        return 1;
                }
        return 0;
}

static int list_stores(sd_bus *sd, const char *prefix, void *userdata, char ***ret_nodes,
                       sd_bus_error *error) {
        const struct config *config = look(userdata).config;
        char **nodes = calloc(config->n_stores + 1, sizeof(*nodes));
        int r = nodes ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < config->n_stores; i++)
                r = sd_bus_path_encode(BUS_STORES, config->stores[i].name, &nodes[i]);
        if (r < 0) {
                for (size_t i = 0; nodes && nodes[i]; i++)
                        free(nodes[i]);
                free(nodes);
                return r;
        }
        *ret_nodes = nodes;
        return 1;
}

static int get_kind(sd_bus *sd, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct config_store *store = userdata;

        return sd_bus_message_append(reply, "s", store_kind_name(store->kind));
}

static int get_format(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct config_store *store = userdata;

        return sd_bus_message_append(reply, "s", store_format_name(store->format));
}

/* "yes", "no", or "unknown". */
static int get_hooked(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus_view view = look(sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd)));
        const struct config_store *store = userdata;
        enum hook hook = HOOK_UNKNOWN;

        for (size_t i = 0; i < view.n_hooks; i++)
                if (streq(view.hooks[i].store, store->name))
                        hook = view.hooks[i].hook;
        return sd_bus_message_append(reply, "s", hook_name(hook));
}

/* Of its folder: "guarded", "missing", "unmounted", "failed", or "unknown". */
static int get_state(sd_bus *sd, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus_view view = look(sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd)));
        const struct config_store *store = userdata;

        return sd_bus_message_append(
                reply, "s", store_state_name(store_states_state(view.states, store->name)));
}

static int get_detached(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus_view view = look(sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd)));
        const struct config_store *store = userdata;

        return sd_bus_message_append(reply, "b",
                                     store_states_is_detached(view.states, store->name));
}

/* ---- Detaching ---- */

/* The store that a message was sent to; NULL: it has gone since. */
static const struct config_store *addressee(struct bus *bus, sd_bus_message *message) {
        void *found = NULL;

        return find_store(bus->sd, sd_bus_message_get_path(message), NULL, bus, &found, NULL) > 0
                       ? found
                       : NULL;
}

static int detach_error(int r, const struct config_store *store, sd_bus_error *error) {
        switch (r) {
        case -EINPROGRESS: return r;
        case -ENOENT:
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                         "Store '%s' is attached, but not there: %s is no folder.",
                                         store->name, store->path);
        case -ENODEV:
                return sd_bus_error_setf(
                        error, SD_BUS_ERROR_FAILED,
                        "Store '%s' is attached, but its file system is not mounted on %s.",
                        store->name, store->path);
        case -EIO:
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                         "Store '%s' is attached, but could not be marked; see "
                                         "'journalctl -u storescand STORESCAN_EVENT=mark-failed'.",
                                         store->name);
        case -ECANCELED:
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                         "storescand is starting or ending; try again later.");
        default: return sd_bus_error_set_errno(error, r);
        }
}

static int detach(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        const struct config_store *store = addressee(bus, message);
        int r;

        if (!store)
                return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "No such store.");
        r = bus->calls.detach(bus->calls.userdata, store);
        return r < 0 ? detach_error(r, store, error) : 0;
}

static int attach(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        const struct config_store *store = addressee(bus, message);
        int r;

        if (!store)
                return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "No such store.");
        r = bus->calls.attach(bus->calls.userdata, store);
        return r < 0 ? detach_error(r, store, error) : 0;
}

static struct bus *bus_of(sd_bus_message *message) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(message)));
}

static int on_detach(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(bus_of(message), message, detach);
}

static int on_attach(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bus_if_root(bus_of(message), message, attach);
}

static const sd_bus_vtable store_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", NULL, offsetof(struct config_store, name), 0),
        SD_BUS_PROPERTY("Path", "s", NULL, offsetof(struct config_store, path), 0),
        SD_BUS_PROPERTY("Kind", "s", get_kind, 0, 0),
        SD_BUS_PROPERTY("Format", "s", get_format, 0, 0),
        SD_BUS_PROPERTY("Hooked", "s", get_hooked, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("State", "s", get_state, 0, 0),
        SD_BUS_PROPERTY("Detached", "b", get_detached, 0, 0),
        SD_BUS_METHOD("Detach", "", "", on_detach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Attach", "", "", on_attach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

void bus_stores_changed(struct bus *bus) {
        struct bus_view view = look(bus);

        for (size_t i = 0; i < view.n_hooks; i++) {
                _cleanup_free_ char *path = NULL;

                if (view.hooks[i].news &&
                    sd_bus_path_encode(BUS_STORES, view.hooks[i].store, &path) >= 0)
                        (void)sd_bus_emit_properties_changed(bus->sd, path, BUS_STORE_INTERFACE,
                                                             "Hooked", NULL);
        }
}

int bus_add_stores(struct bus *bus) {
        int r = sd_bus_add_fallback_vtable(bus->sd, NULL, BUS_STORES, BUS_STORE_INTERFACE,
                                           store_vtable, find_store, bus);

        return r < 0 ? r : sd_bus_add_node_enumerator(bus->sd, NULL, BUS_STORES, list_stores, bus);
}
