/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the first attachment of a message that is not wanted. Must not judge what it is. */

#include "daemon/worker/attachments.h"

#include <string.h>

#include "store/filenames.h"
#include "store/mime.h"
#include "store/pattern.h"
#include "store/util.h"

DEFINE_CLEANUP(struct mime *, mime_free);

struct attachments attachments_make(const char *names, const char *types) {
        struct attachments a = {};

        memccpy(a.names, names, '\0', sizeof(a.names) - 1);
        memccpy(a.types, types, '\0', sizeof(a.types) - 1);
        return a;
}

bool attachments_wanted(const struct attachments *a) {
        return a->names[0] || a->types[0];
}

void attachments_begin(struct attachments *a) {
        a->found = false;
}

static void keep(struct attachments *a, bool by_type, const char *pattern, size_t pattern_size,
                 const char *name, size_t size) {
        char text[PROTO_SIGNATURE_MAX] = {};

        a->found = true;
        a->by_type = by_type;
        memset(a->pattern, 0, sizeof(a->pattern));
        memcpy(a->pattern, pattern, MIN(pattern_size, sizeof(a->pattern) - 1));
        memcpy(text, name, MIN(strnlen(name, size), sizeof(text) - 1));
        proto_text(a->name, sizeof(a->name), text);
}

void attachments_name(struct attachments *a, const char *name, size_t size) {
        const char *pattern;
        size_t n;

        if (a->found)
                return;
        pattern = patterns_find_name(a->names, name, size, &n);
        if (pattern)
                keep(a, false, pattern, n, name, size);
}

void attachments_type(struct attachments *a, const char *type) {
        const char *pattern;
        size_t n;

        if (a->found)
                return;
        pattern = patterns_find(a->types, type, strlen(type), &n);
        if (pattern)
                keep(a, true, pattern, n, type, strlen(type));
}

static void take_name(void *userdata, const char *name, size_t size) {
        attachments_name(userdata, name, size);
}

int attachments_mail(struct attachments *a, const void *data, size_t size) {
        _cleanup_(mime_freep) struct mime *mime = NULL;
        int r = mime_new(data, size, &mime);

        if (r < 0)
                return r;
        for (size_t i = 0; i < mime->n && !a->found; i++) {
                const struct mime_part *part = &mime->parts[i];

                if (part->type[0])
                        attachments_type(a, part->type);
                if (part->filename[0])
                        attachments_name(a, part->filename, strlen(part->filename));
                /* The header as others may read it. */
                if (part->kind != MIME_OUTSIDE && part->kind != MIME_UU)
                        filenames_read((const uint8_t *)data + part->start,
                                       part->body - part->start, take_name, a);
        }
        return 0;
}
