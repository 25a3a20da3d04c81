/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs "allow list", "allow add" and "allow remove". */

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/ctl/allow-file.h"
#include "daemon/ctl/allow.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"

int allow_open(const struct config *config, bool change, struct allow_file *ret) {
        unsigned line;
        int r = allow_file_open(config->cache_directory, change, ret, &line);

        if (r >= 0)
                return STATUS_OK;
        if (r == -EINVAL)
                return output_error(config->cache_directory,
                                    "line %u of " ALLOW_FILE_NAME
                                    " is wrong: mend it, or delete the "
                                    "line, since storescand does not read the file either",
                                    line);
        return output_error(config->cache_directory, ALLOW_FILE_NAME ": %s%s", error_text(-r),
                            r == -EACCES ? "; run it by sudo" : "");
}

int allow_save(const struct config *config, struct allow_file *file) {
        int r = allow_file_save(file);

        return r < 0 ? output_error(config->cache_directory,
                                    ALLOW_FILE_NAME ": %s; nothing was changed", error_text(-r))
                     : STATUS_OK;
}

static int read_digest(const char *text, uint8_t ret[static DIGEST_SIZE]) {
        return allowed_digest(text, ret) < 0
                       ? output_error(text, "not a digest of 64 hexadecimal digits, as "
                                            "'storescanctl quarantine show' names it")
                       : STATUS_OK;
}

int verb_allow_list(const struct ctl *ctl, char **args, int n) {
        struct allow_file opened = { .folder = -EBADF };
        _cleanup_(allow_file_closep) struct allow_file *file = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        int r = ctl_config(ctl, &config);

        if (r == STATUS_OK)
                r = allow_open(config, false, file);
        for (size_t i = 0; r == STATUS_OK && i < file->allowed.n; i++) {
                char line[ALLOWED_LINE_MAX + 1];
                size_t size = allowed_format(&file->allowed.entries[i], line);
                char *how = strchr(line, ' ');

                line[size - 1] = '\0';
                if (!ctl->json)
                        puts(line);
                else if (how) {
                        *how = '\0';
                        printf("{\"digest\":\"%s\",\"forever\":%s,\"generation\":", line,
                               file->allowed.entries[i].forever ? "true" : "false");
                        if (file->allowed.entries[i].forever)
                                printf("null}\n");
                        else
                                printf("\"%s\"}\n", how + 1);
                }
        }
        return r;
}

/* All or nothing: one mistake, and the list stays. */
static int change(const struct ctl *ctl, char **args, int n,
                  int (*one)(struct allowed *allowed, const char *text,
                             const uint8_t digest[static DIGEST_SIZE]),
                  const char *result) {
        struct allow_file opened = { .folder = -EBADF };
        _cleanup_(allow_file_closep) struct allow_file *file = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        int r = ctl_config(ctl, &config);

        if (r == STATUS_OK)
                r = allow_open(config, true, file);
        for (int i = 0; r == STATUS_OK && i < n; i++) {
                uint8_t digest[DIGEST_SIZE];

                r = read_digest(args[i], digest);
                if (r == STATUS_OK)
                        r = one(&file->allowed, args[i], digest);
        }
        if (r == STATUS_OK)
                r = allow_save(config, file);
        for (int i = 0; i < n; i++)
                (void)output_done_of(ctl->json, r, "digest", args[i], result);
        return r;
}

static int add(struct allowed *allowed, const char *text,
               const uint8_t digest[static DIGEST_SIZE]) {
        struct allowed_entry entry = { .forever = true };
        int r;

        memcpy(entry.digest, digest, DIGEST_SIZE);
        r = allowed_add(allowed, &entry);
        return r < 0 ? output_error(text, "%s",
                                    r == -E2BIG ? "the list is full; remove what is not needed"
                                                : error_text(-r))
                     : STATUS_OK;
}

static int take_out(struct allowed *allowed, const char *text,
                    const uint8_t digest[static DIGEST_SIZE]) {
        return allowed_remove(allowed, digest)
                       ? STATUS_OK
                       : output_error(text, "not in the list; see 'storescanctl allow list'");
}

int verb_allow_add(const struct ctl *ctl, char **args, int n) {
        return change(ctl, args, n, add, "allowed");
}

int verb_allow_remove(const struct ctl *ctl, char **args, int n) {
        return change(ctl, args, n, take_out, "removed");
}
