/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a clamd server has to prove itself on, as memfds that cannot be changed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe {
        int fd;
        uint64_t size;
};

struct probes {
        struct probe canary; /* the test virus in a zip in a mail in a mail: to be FOUND */
        struct probe twin;   /* the same with something harmless: OK */
        struct probe
                limits; /* a zip in a zip in a zip ...: a limit is exceeded, which is to be told */
};

/* 0 or negative errno. */
int probes_make(struct probes *ret);

/* A memfd of these bytes that nobody can change; or negative errno. */
int probes_seal(const void *prefix, size_t prefix_size, const void *data, size_t size);

/* Whether fd is such a memfd, of this size. */
bool probes_is_sealed(int fd, uint64_t size);
