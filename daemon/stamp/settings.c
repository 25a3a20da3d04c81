/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration as one run needs it. Root's workers are of the configured user; anybody else's
 * are of the own one, as storescan-hub's are. The folder that workers unpack in may be that of a
 * storescand or storescan-hub that runs: its workers' names there have their pids.
 */

#include <stdio.h>

#include "daemon/stamp/stamp.h"

int settings_load(const struct tool *tool, bool stores, struct config **ret) {
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        if (stores)
                r = config_load(tool->config, stderr, &config);
        else if (geteuid() == 0)
                r = config_load_without_stores(tool->config, stderr, &config);
        else
                r = config_load_hub(tool->config, stderr, &config);
        if (r < 0)
                return r;
        /* One message needs one worker. */
        config->workers = 1;
        *ret = TAKE_PTR(config);
        return 0;
}
