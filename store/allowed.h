/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The list of contents that the admin allows though the engine says that they are infected: released
 * from quarantine, or named by their digest. Text, one entry a line, in ascending order, each digest
 * once:
 *
 *     <64 hexadecimal digits> <generation, 8 characters, or "forever">
 *
 * An entry of a generation holds as long as this very signature set runs. Pure: no file is opened.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/digest.h"
#include "store/stamp.h"

#define ALLOWED_MAX      65536 /* entries */
#define ALLOWED_LINE_MAX (2 * DIGEST_SIZE + 1 + GENERATION_LENGTH + 1)

struct allowed_entry {
        uint8_t digest[DIGEST_SIZE];
        bool forever;
        struct generation generation; /* unless forever */
};

struct allowed {
        struct allowed_entry *entries; /* ascending */
        size_t n;
};

/* Reads a text into ret, which allowed_done() empties. -EINVAL with the line that is wrong; -E2BIG: more
 * than ALLOWED_MAX; -ENOMEM. */
int allowed_parse(const char *text, size_t size, struct allowed *ret, unsigned *ret_line);
void allowed_done(struct allowed *allowed);

/* Puts an entry in its place, or instead of that of the same digest. 0, -E2BIG or -ENOMEM. */
int allowed_add(struct allowed *allowed, const struct allowed_entry *entry);
/* Whether there was one. */
bool allowed_remove(struct allowed *allowed, const uint8_t digest[static DIGEST_SIZE]);

/* Writes entry i as a line with its end and a NUL; returns its length. */
size_t allowed_format(const struct allowed_entry *entry,
                      char ret_line[static ALLOWED_LINE_MAX + 1]);

/* The entry of a digest, or NULL. */
const struct allowed_entry *allowed_find(const struct allowed *allowed,
                                         const uint8_t digest[static DIGEST_SIZE]);

/* Whether an entry whose digest begins with these bytes lets content through under the running
 * generation. Stamps hold no more than the first size bytes. */
bool allowed_holds(const struct allowed *allowed, const uint8_t *digest, size_t size,
                   const struct generation *running);

/* Reads exactly 64 hexadecimal digits. 0 or -EINVAL. */
int allowed_digest(const char *text, uint8_t ret_digest[static DIGEST_SIZE]);
