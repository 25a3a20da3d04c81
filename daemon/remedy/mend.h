/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One replacement, from the gate's order to what becomes of it. */

#include "daemon/remedy-proto.h"

/* directory is the quarantine's; fd is the file's, planned_fd has the whole new item; both stay the
 * caller's. Fills in outcome, item and text of ret. Returns whether an entry in quarantine has to be
 * completed later: the new bytes stand in the store, or some of them. */
bool mend(const char *directory, const struct remedy_order *order, int fd, int planned_fd,
          struct remedy_done *ret);
