/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Events of groups that report by handle, as read(2) puts them into a buffer: with their records they are
 * no multiple of 8 bytes long, so that all but the first may lie where their numbers must not be read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/fanotify.h>

/* With a handle of MAX_HANDLE_SZ and a name an event takes less than half of it. */
union fan_event {
        struct fanotify_event_metadata metadata;
        char bytes[1024];
};

/* Copies the next of the *left bytes at *at, and steps over it. False: there is none. */
static inline bool fan_event_next(const char **at, size_t *left, union fan_event *ret) {
        size_t n;

        if (*left < sizeof(ret->metadata))
                return false;
        memcpy(&ret->metadata, *at, sizeof(ret->metadata));
        n = ret->metadata.event_len;
        if (n < sizeof(ret->metadata) || n > *left || n > sizeof(*ret))
                return false;
        memcpy(ret->bytes, *at, n);
        *at += n;
        *left -= n;
        return true;
}
