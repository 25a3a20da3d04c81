/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which errors of a start are there the next time, too. A start that took over marks is given up, which opens the
 * stores, for no other: what is short may be there again, and a disk may answer.
 */

#include <errno.h>
#include <stdbool.h>

/* error: a negative errno. */
static inline bool is_lasting(int error) {
        switch (-error) {
        case EACCES:
        case EINVAL:
        case EISDIR:
        case ELOOP:
        case ENAMETOOLONG:
        case ENODEV:
        case ENOENT:
        case ENOEXEC:
        case ENOSYS:
        case ENOTDIR:
        case EOPNOTSUPP:
        case EPERM:
        case EROFS:
        case EXDEV: return true;
        default: return false;
        }
}
