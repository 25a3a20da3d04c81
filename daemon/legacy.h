/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a process leaves to the next one beside marks and openers (keep.h, orphans.h): by which signatures it
 * judged and by which configuration, which stores root has detached, and where accesses are told. So the
 * next one answers stamped mail before it has an engine, goes on by the configuration that ran if the one
 * on disk has mistakes, and keeps off what it is to keep off.
 *
 * Each value is whole at every moment: a process is killed between any two stores. What is read is
 * material, not truth: whoever reads it checks it as he would a file. All of it takes NULL for a legacy:
 * nothing is noted, nothing is known.
 */

#include <stdatomic.h>

#include "daemon/gate.h"
#include "store/stamp.h"

struct legacy;

/* One with nothing in it; *ret_fd is to be kept (the caller's). 0 or negative errno. */
int legacy_new(struct legacy **ret, int *ret_fd);

/* That of the process before; fd stays the caller's. -EBADMSG: of another version, or none. */
int legacy_take(int fd, struct legacy **ret);

struct legacy *legacy_free(struct legacy *legacy);
DEFINE_CLEANUP(struct legacy *, legacy_free);

/* The engine by which mail is judged. */
struct legacy_engine {
        struct generation generation;
        uint32_t database_version;
        uint64_t database_usec;
};
void legacy_note_engine(struct legacy *legacy, const struct legacy_engine *engine);
bool legacy_engine(const struct legacy *legacy, struct legacy_engine *ret);

/* The text of the configuration that is in force, as config_text() writes it. One that is too long is
 * none. legacy_config() gives a copy, -ENOENT: there is none. */
void legacy_note_config(struct legacy *legacy, const char *text, size_t size);
int legacy_config(const struct legacy *legacy, char **ret, size_t *ret_size);

/* That storescand could not start by the configuration on disk: not to be tried again at once. */
void legacy_note_failed(struct legacy *legacy, bool failed);
bool legacy_has_failed(const struct legacy *legacy);

/* Stores that root has detached, by name. */
void legacy_note_detached(struct legacy *legacy, const char *store, bool detached);
bool legacy_is_detached(const struct legacy *legacy, const char *store);

/* The gate's notes of where accesses are told (gate.h). NULL for NULL. */
_Atomic uint64_t *legacy_devices(struct legacy *legacy);
