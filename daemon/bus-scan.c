/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The methods ScanBegin and ScanResult: a process announces that it opens a file to have it scanned, opens
 * it, and asks what was found. Who waits for a scan waits in its open, not for the bus. Owns nothing.
 */

#include "daemon/bus-private.h"

static int read_file(sd_bus_message *message, struct bus_scan *ret) {
        uint64_t dev, ino;
        uint32_t pid;
        int r = sd_bus_message_read(message, "utt", &pid, &dev, &ino);

        if (r < 0)
                return r;
        if (pid == 0 || pid > INT32_MAX)
                return -EINVAL;
        *ret = (struct bus_scan){ .pid = (pid_t)pid, .dev = dev, .ino = ino };
        return 0;
}

int bus_scan_begin(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        struct bus_scan scan;
        int r = read_file(message, &scan);

        if (r >= 0)
                r = bus->calls.scan_begin(bus->calls.userdata, &scan);
        if (r == -ECANCELED)
                return sd_bus_error_set(error, BUS_ERROR_NOT_READY,
                                        "storescand is starting or ending; try again later.");
        return r < 0 ? sd_bus_error_set_errno(error, r) : 0;
}

int bus_scan_result(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        struct sweep_told told = {};
        struct bus_scan scan;
        bool known;
        int r = read_file(message, &scan);

        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        known = bus->calls.scan_result(bus->calls.userdata, &scan, &told);
        r = sd_bus_reply_method_return(message, "sb", known ? verdict_name(told.verdict) : "none",
                                       (int)told.known);
        return r < 0 ? sd_bus_error_set_errno(error, r) : 1;
}
