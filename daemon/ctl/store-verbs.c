/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "store detach" and "store attach": asked of the running storescand, which answers when it is done. */

#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"

int verb_store_detach(const struct ctl *ctl, char **args, int n) {
        return ctl_bus_call_each(ctl, args, n, ctl_bus_call_store, "Detach", "detached");
}

int verb_store_attach(const struct ctl *ctl, char **args, int n) {
        return ctl_bus_call_each(ctl, args, n, ctl_bus_call_store, "Attach", "attached");
}
