/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the running storescand says of a file that nobody opens. */

#include <systemd/sd-bus.h>

#include "daemon/ctl/ask.h"
#include "daemon/ctl/subject.h"

/* Words that are documented in storescanctl(1). */
struct explained {
        char tier[32], answer[16], generation[16];
        int hot, scanning;
        struct ask_store store; /* name "": none */
};

/* Returns a STATUS_*, ERROR after telling why. */
int explain_ask(sd_bus *bus, const struct subject *subject, struct explained *ret);

/* What decides, in words. */
const char *explain_tier_text(const char *tier);

/* Of a path of which nothing can be said; in JSON on standard output as well. Returns STATUS_ERROR. */
struct ctl;
int explain_error(const struct ctl *ctl, const char *path, const char *text);

/* The text for what subject_open() returned. */
const char *explain_open_text(int error);
