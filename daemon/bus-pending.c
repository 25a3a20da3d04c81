/* SPDX-License-Identifier: Apache-2.0 */

/* The method ListPending: who waits for an answer, oldest deadline first. Owns nothing. */

#include <limits.h>
#include <unistd.h>

#include "daemon/bus-private.h"
#include "daemon/clock.h"
#include "daemon/pending.h"

#define LISTED_MAX 1000U /* in a message: the gate has other things to do */

struct list {
        sd_bus_message *reply;
        uint64_t now;
        unsigned n;
        int error;
};

/* No look-up: the kernel writes the name of what is open. */
static ssize_t name_of(int fd, char ret[static PATH_MAX]) {
        char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        return MAX(readlink(link, ret, PATH_MAX), 0);
}

static bool append(void *userdata, const struct pending *p) {
        struct list *list = userdata;
        char path[PATH_MAX];
        int r;

        if (list->n >= LISTED_MAX)
                return false;
        list->n++;
        r = sd_bus_message_open_container(list->reply, 'r', "tusssay");
        if (r >= 0)
                r = sd_bus_message_append(
                        list->reply, "tusss",
                        list->now > p->arrived_usec ? list->now - p->arrived_usec : UINT64_C(0),
                        (uint32_t)p->pid, p->is_read ? "read" : "open", p->stage, p->store);
        if (r >= 0)
                r = sd_bus_message_append_array(list->reply, 'y', path,
                                                (size_t)name_of(p->fd, path));
        if (r >= 0)
                r = sd_bus_message_close_container(list->reply);
        list->error = r;
        return r >= 0;
}

int bus_list_pending(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct list list = { .now = now_usec() };
        struct bus_view view = {};
        int r = sd_bus_message_new_method_return(message, &reply);

        bus->calls.look(bus->calls.userdata, &view);
        if (r >= 0)
                r = sd_bus_message_append(reply, "u", view.waiting);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(tusssay)");
        if (r >= 0) {
                list.reply = reply;
                bus->calls.list_pending(bus->calls.userdata, append, &list);
                r = list.error;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(bus->sd, reply, NULL);
        return r < 0 ? sd_bus_error_set_errno(error, r) : 1;
}
