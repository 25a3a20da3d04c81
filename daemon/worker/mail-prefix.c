/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the text: a header of regular fields, which goes on with the content's own. */

#include "daemon/worker/mail-prefix.h"

#include <assert.h>

#define LINE  "X-Storescan: a mark that is looked for at some place of a file is not in here\r\n"
#define LINES LINE LINE LINE LINE LINE LINE LINE

const char mail_prefix[] = "Received: by storescan\r\n" LINES LINES LINES LINES;

static_assert(sizeof(mail_prefix) - 1 == MAIL_PREFIX_SIZE, "as engine.c makes room for");
