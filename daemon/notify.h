/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The service manager's notifications (sd_notify(3)) without its one flaw for us: sd_notify() sleeps
 * when the manager does not read, and the manager may be waiting for an open of ours.
 */

#include <stdbool.h>
#include <stdint.h>

struct notify {
        int sock;               /* -EBADF when nobody asked to be notified */
        uint64_t watchdog_usec; /* 0: no watchdog wanted */
};

/* Reads $NOTIFY_SOCKET and $WATCHDOG_USEC. Never fails: without a manager nothing is sent. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* Sends assignments like "READY=1\nSTATUS=..."; false if it could not be sent now. */
bool notify_send(const struct notify *notify, const char *state);
