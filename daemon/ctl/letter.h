/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The mail that tells an owner which of his messages lost infected parts. Pure.
 */

#include <stddef.h>
#include <stdint.h>

#define LETTER_ITEMS_MAX 50 /* the rest is only counted */

struct letter_item {
        uint64_t time_usec;
        /* Hostile text, of any bytes; "": unknown. */
        const char *from, *subject, *signature, *id;
};

/* A whole message, its lines ending with "\n" (sendmail(1) takes those), to the local user name, of
 * n > 0 items. NULL on no memory. */
char *letter_write(const char *user, const char *host, const struct letter_item *items, size_t n,
                   size_t *ret_size);
