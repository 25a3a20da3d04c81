/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One message judged by a pool of one worker, with the engine, the sandbox and the configuration that
 * storescand uses. For programs that judge a message and end.
 */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/proto.h"

struct once {
        enum verdict verdict;
        enum reason reason;
        char signature[PROTO_SIGNATURE_MAX];
        struct generation generation;
        uint32_t database_version;
        bool has_digest;
        uint8_t digest[DIGEST_SIZE];
        bool stamped; /* the stamp is at the file, and was believable to the end of its window */
};

struct once_request {
        const struct config *config;
        int fd;
        uint64_t size;
        enum job_form form;
        const struct config_store *store; /* not NULL: fd, which has a read lease since before the
                                           * size was asked for, gets a stamp */
};

/* Judges the content of a file. 0: *ret says what was found, UNKNOWN too; negative errno: no
 * engine, which was told in errors. */
int once_judge(const struct once_request *request, FILE *errors, struct once *ret);
