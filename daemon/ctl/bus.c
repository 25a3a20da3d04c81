/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing but the words for what goes wrong on the bus. */

#include "daemon/ctl/bus.h"

#include <stdarg.h>
#include <stdio.h>

#include "daemon/bus-names.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

int ctl_bus_open(sd_bus **ret) {
        int r = sd_bus_open_system(ret);

        if (r >= 0)
                return STATUS_OK;
        fprintf(stderr,
                "storescanctl: the system bus can't be reached: %s; start it (systemctl start "
                "dbus), "
                "or ask the journal (journalctl -u storescand).\n",
                error_text(-r));
        return STATUS_ERROR;
}

int ctl_bus_error(int error, const sd_bus_error *e) {
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                fputs("storescanctl: storescand does not run, or is not on the bus: nothing guards "
                      "the stores in the former case; see 'systemctl status storescand'.\n",
                      stderr);
        else if (sd_bus_error_has_name(e, SD_BUS_ERROR_ACCESS_DENIED))
                fputs("storescanctl: this is for root; run it by sudo.\n", stderr);
        else
                fprintf(stderr, "storescanctl: %s\n",
                        e && e->message ? e->message : error_text(-error));
        return STATUS_ERROR;
}

int ctl_bus_get(sd_bus *bus, const char *property, const char *type, sd_bus_message **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_get_property(bus, BUS_NAME, BUS_PATH, BUS_MANAGER_INTERFACE, property,
                                    &error, ret, type);

        return r < 0 ? ctl_bus_error(r, &error) : STATUS_OK;
}

int ctl_bus_call(const char *method, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        va_list ap;
        int r = ctl_bus_open(&bus);

        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_new_method_call(bus, &message, BUS_NAME, BUS_PATH, BUS_MANAGER_INTERFACE,
                                           method);
        if (r >= 0 && types[0]) {
                va_start(ap, types);
                r = sd_bus_message_appendv(message, types, ap);
                va_end(ap);
        }
        if (r >= 0)
                r = sd_bus_call(bus, message, 0, &error, NULL);
        return r < 0 ? ctl_bus_error(r, &error) : STATUS_OK;
}

int ctl_bus_call_store(const char *store, const char *method) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *path = NULL;
        int r = ctl_bus_open(&bus);

        if (r != STATUS_OK)
                return r;
        r = sd_bus_path_encode(BUS_STORES, store, &path);
        if (r >= 0)
                r = sd_bus_call_method(bus, BUS_NAME, path, BUS_STORE_INTERFACE, method, &error,
                                       NULL, "");
        if (r >= 0)
                return STATUS_OK;
        if (!sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT) &&
            !sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD))
                return ctl_bus_error(r, &error);
        return output_error(store, "there is no such store in the configuration");
}

int ctl_bus_call_each(const struct ctl *ctl, char **stores, int n,
                      int (*call)(const char *store, const char *method), const char *method,
                      const char *result) {
        int worst = STATUS_OK;

        for (int i = 0; i < n; i++) {
                int r = call(stores[i], method);

                r = output_done_of(ctl->json, r, "store", stores[i], result);
                worst = MAX(worst, r);
        }
        return worst;
}
