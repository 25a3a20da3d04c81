/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Completing what a crash interrupted: an item that is noted as being replaced, where each byte in the
 * store is the old one or the new one.
 */

#include <sys/types.h>

#include "store/quarantine.h"

/* q's state is what has become of it: REPLACED, or LEFT with a text that says why. */
typedef void (*recover_note_fn)(void *userdata, const char *id, const struct quarantine *q,
                                const char *text);

/* One that has to wait; dev and ino are those of its file. */
typedef void (*recover_waiting_fn)(void *userdata, dev_t dev, ino_t ino,
                                   const struct quarantine *q);

/* Looks at everything that is noted in the quarantine. Returns how many have to wait (their file is
 * locked, or its store not mounted), or negative errno; -ENOENT: nothing was ever quarantined; -EAGAIN: another process is writing there, and all
 * that is noted was told of as waiting. */
int recover_all(const char *directory, recover_note_fn note, recover_waiting_fn waiting,
                void *userdata);
