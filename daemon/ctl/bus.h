/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The running storescand, as verbs ask it: over the system bus (daemon/bus.h). May wait for its answers. */

#include <systemd/sd-bus.h>

struct ctl;

/* Connects. What went wrong is told on standard error. Returns a STATUS_*. */
int ctl_bus_open(sd_bus **ret);

/* Tells on standard error why a call failed, and what to do. Returns STATUS_ERROR. */
int ctl_bus_error(int error, const sd_bus_error *e);

/* A property of storescand, entered: ready to be read. Returns a STATUS_*. */
int ctl_bus_get(sd_bus *bus, const char *property, const char *type, sd_bus_message **ret);

/* Calls a method of storescand without an answer to read. Returns a STATUS_*. */
int ctl_bus_call(const char *method, const char *types, ...);

/* Likewise, of a store. */
int ctl_bus_call_store(const char *store, const char *method);

/* Has call called with each store and method, and says the result of those that succeeded. Returns the worst
 * status. */
int ctl_bus_call_each(const struct ctl *ctl, char **stores, int n,
                      int (*call)(const char *store, const char *method), const char *method,
                      const char *result);
