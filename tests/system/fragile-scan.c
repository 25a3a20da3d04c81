/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Part of fragile-worker, which is storescan-worker with an engine that has faults: content with
 * "FRAGILE: crash" in it makes it crash, "FRAGILE: hang" hang, and other words try what escapes.c has.
 * (A symbol of the program comes before that of a library.)
 */

#include <clamav.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/system/escapes.h"

typedef cl_error_t scan_fn(cl_fmap_t *map, const char *filename, const char **name,
                           unsigned long *scanned, const struct cl_engine *engine,
                           struct cl_scan_options *options, void *context);
typedef cl_fmap_t *open_memory_fn(const void *start, size_t size);

static const void *content;
static size_t content_size;

static bool has(const char *text) {
        return content && memmem(content, content_size, text, strlen(text));
}

static void try_escapes(void) {
        static const char mark[] = "FRAGILE: ";
        const char *at = content ? memmem(content, content_size, mark, strlen(mark)) : NULL;

        if (at) {
                at += strlen(mark);
                escapes_try(at, content_size - (size_t)(at - (const char *)content));
        }
}

cl_fmap_t *cl_fmap_open_memory(const void *start, size_t size) {
        open_memory_fn *real = (open_memory_fn *)dlsym(RTLD_NEXT, "cl_fmap_open_memory");

        content = start;
        content_size = size;
        return real(start, size);
}

cl_error_t cl_scanmap_callback(cl_fmap_t *map, const char *filename, const char **name,
                               unsigned long *scanned, const struct cl_engine *engine,
                               struct cl_scan_options *options, void *context) {
        scan_fn *real = (scan_fn *)dlsym(RTLD_NEXT, "cl_scanmap_callback");

        if (has("FRAGILE: crash"))
                abort();
        while (has("FRAGILE: hang"))
                usleep(100000);
        try_escapes();
        content = NULL;
        return real(map, filename, name, scanned, engine, options, context);
}
