/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The contents that the admin allows though the engine says that they are infected, as storescand
 * knows them: a thread reads the list whenever it was replaced, and hands it to the gate thread. A
 * list with a mistake leaves the one before in force; what can't be read at start is an empty one.
 *
 * It decides answers only. Stamps go on saying "infected", so that what is taken off the list is
 * blocked at its next access.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/journal.h"
#include "store/stamp.h"

struct allow_list;

/* Watches folder, made if it is missing, and reads the list there. 0 or negative errno. */
int allow_list_new(const char *folder, struct journal *journal, struct allow_list **ret);

/* Ends the thread, within a limited time. NULL; or the list, when the thread hangs in a file system: the
 * process must then leave by _exit(2). */
struct allow_list *allow_list_free(struct allow_list *list);

/* ---- For the gate thread ---- */

/* Whether the content with this digest, as stamps have it, is let through under this generation. list
 * may be NULL. */
bool allow_list_holds(struct allow_list *list, const uint8_t digest[static STAMP_DIGEST_SIZE],
                      const struct generation *running);

/* Another number after each change. */
uint64_t allow_list_version(struct allow_list *list);
