/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format = auto: a bounded look into a store, before it is guarded. Lists folders, so it must not
 * be called by the gate's thread once that answers events.
 */

#include <stddef.h>

#include "store/format.h"

/* One answer: a format, and the path that told, from the store's root on ("mail/a/storage/m.1"). */
struct detected {
        enum store_format format;
        char *by; /* owned by the caller */
};

/* Looks at the folders of root, folders of that name in except left out (other stores), without
 * opening a file, following a link or leaving the file system. What a store of any size costs is
 * bounded, so that a format may stay unseen. Returns 0 with ret[0]; -ENOTUNIQ: two formats, ret[0]
 * and ret[1]; -ENODATA: nothing was seen that tells; other errors: root itself can't be listed. */
int detect_format(const char *root, const char *const *except, size_t n_except,
                  struct detected ret[static 2]);
