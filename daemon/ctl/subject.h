/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A file that a stamp verb looks at: found once by an O_PATH descriptor, so that what is said of
 * it is said of one file, whoever renames meanwhile.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include "store/digest.h"
#include "store/stamp.h"

struct subject {
        const char *path; /* the caller's */
        int fd;           /* O_PATH */
        struct stat st;

        char text[STAMP_SIZE_MAX + 1]; /* the attribute, not terminated */
        size_t text_size;
        int text_error; /* -ENODATA: no stamp; -ERANGE: longer than any stamp; 0: there is a text */
        int parse_error; /* of stamp_parse(); 0: stamp is valid */
        struct stamp stamp;

        bool has_digest; /* subject_digest() succeeded */
        uint8_t digest[DIGEST_SIZE];
};

/* 0 when this process may see trusted.* attributes. -EPERM: no CAP_SYS_ADMIN, or not that of the
 * initial user namespace; the kernel would then hide every stamp, as if there were none. */
int subject_may_see_stamps(void);

/* Finds the regular file path and reads its attribute. Any missing or malformed stamp is in the
 * result, not an error. -EISDIR, -EMEDIUMTYPE (neither file nor folder) or negative errno. */
int subject_open(const char *path, struct subject *ret);
void subject_close(struct subject *subject);

/* Reads the content into subject->digest. -EPERM: storescand denied the open. */
int subject_digest(struct subject *subject);

/* Removes the attribute. -ENODATA: there was none. */
int subject_clear(const struct subject *subject);
