/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An open or access that waits for its answer, as admins are told of it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pending {
        int fd; /* of the event: its name can be asked for, nothing else */
        pid_t pid;
        bool is_read; /* of a file that is open already */
        uint64_t arrived_usec;
        const char
                *stage; /* "queue", "read", "scan", "replace", "stamp" or "retry": kept for good */
        const char *store;
};

/* Called for each, the one that is due first before the others; valid until it returns. False: no more. */
typedef bool pending_fn(void *userdata, const struct pending *pending);
