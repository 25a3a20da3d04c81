/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "store detach" and "store attach": asked of the running storescand, which answers when it is done. */

#include <stdio.h>

#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

static int call_each(const struct ctl *ctl, char **stores, int n, const char *method,
                     const char *result) {
        int worst = STATUS_OK;

        for (int i = 0; i < n; i++) {
                int r = ctl_bus_call_store(stores[i], method);

                r = output_done_of(ctl->json, r, "store", stores[i], result);
                worst = MAX(worst, r);
        }
        return worst;
}

int verb_store_detach(const struct ctl *ctl, char **args, int n) {
        return call_each(ctl, args, n, "Detach", "detached");
}

int verb_store_attach(const struct ctl *ctl, char **args, int n) {
        return call_each(ctl, args, n, "Attach", "attached");
}
