/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Attachments that a hub does not want in mail: patterns of names and types, and the first one of a
 * message that fits. Names come from the message's own parts, and from what libclamav finds in them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/proto.h"

struct attachments {
        char names[PROTO_PATTERNS_MAX], types[PROTO_PATTERNS_MAX]; /* "": none */
        bool found;
        bool by_type;
        char pattern[PROTO_PATTERNS_MAX];
        char name[PROTO_SIGNATURE_MAX]; /* printable ASCII */
};

struct attachments attachments_make(const char *names, const char *types);

/* Whether there is any pattern. */
bool attachments_wanted(const struct attachments *attachments);

/* Forgets what was found. */
void attachments_begin(struct attachments *attachments);

/* Each is kept if it is the first that fits. */
void attachments_name(struct attachments *attachments, const char *name, size_t size);
void attachments_type(struct attachments *attachments, const char *type);

/* All parts of a message, as their headers have it. 0 or -ENOMEM: they are not known. */
int attachments_mail(struct attachments *attachments, const void *data, size_t size);
