/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What format = auto stands for: asks detect.c for each such store, and says what came of it. Must
 * not run with config_load(), which a running storescand calls, too, to check a changed file.
 */

#include "daemon/config-private.h"
#include "daemon/detect.h"

/* "maildir, sdbox, ..." */
static const char *known_formats(char buffer[static 128]) {
        size_t n = 0;

        for (unsigned f = 0; f < _STORE_FORMAT_MAX; f++)
                n += (size_t)snprintf(buffer + n, 128 - n, "%s%s",
                                      f == 0                        ? ""
                                      : f == _STORE_FORMAT_MAX - 1U ? " or "
                                                                    : ", ",
                                      store_format_name(f));
        return buffer;
}

/* The path of what told, from the name of the store's root on, as one that can be looked up. */
static char *full_path(const struct config_store *store, const char *by) {
        const char *name = strrchr(store->path, '/') + 1;
        char *path;

        return asprintf(&path, "%.*s%s", (int)(name - store->path), store->path, by) < 0 ? NULL
                                                                                         : path;
}

char *config_format_found(const struct config_store *store) {
        char *text;

        if (!store->format_by || asprintf(&text, ": found %s, by '%s'",
                                          store_format_name(store->format), store->format_by) < 0)
                return NULL;
        return text;
}

static void format_error(struct config_builder *b, size_t store, const char *text) {
        const struct config_key *key = config_key_find(SECTION_STORE, "format");
        const struct config_origin *origin = config_origin_of(b->config, key, store);
        char label[CONFIG_LABEL_MAX];

        config_error(b, origin->file, origin->line,
                     config_label(b->config, SECTION_STORE, store, label), key->name, "%s", text);
}

static void nothing_found(struct config_builder *b, size_t store, int error) {
        const char *path = b->config->stores[store].path;
        char formats[128], *text;
        int n;

        if (error == -ENODATA)
                n = asprintf(&text,
                             "auto finds nothing in '%s' that tells the format; write which it is: "
                             "%s",
                             path, known_formats(formats));
        else
                n = asprintf(&text, "auto can't look into '%s': %s; write which format it is: %s",
                             path, error_text(-error), known_formats(formats));
        if (n < 0) {
                b->no_memory = true;
                return;
        }
        format_error(b, store, text);
        free(text);
}

static int find_format(struct config_builder *b, size_t i, const char *const *paths, FILE *notes) {
        struct config_store *store = &b->config->stores[i];
        _cleanup_free_ char *first = NULL, *second = NULL, *text = NULL;
        struct detected found[2] = {};
        int r = detect_format(store->path, paths, b->config->n_stores, found);

        if (r != 0 && r != -ENOTUNIQ) {
                nothing_found(b, i, r);
                return r == -ENOMEM ? r : 0;
        }
        first = full_path(store, found[0].by);
        if (found[1].by)
                second = full_path(store, found[1].by);
        free(found[0].by);
        free(found[1].by);
        if (!first || (r < 0 && !second))
                return -ENOMEM;
        if (r < 0) {
                if (asprintf(&text,
                             "auto finds %s ('%s') and %s ('%s'); write which it is, and make what "
                             "is of the other a store of its own",
                             store_format_name(found[0].format), first,
                             store_format_name(found[1].format), second) < 0) {
                        text = NULL;
                        return -ENOMEM;
                }
                format_error(b, i, text);
                return 0;
        }
        store->format = found[0].format;
        store->format_by = TAKE_PTR(first);
        text = config_format_found(store);
        if (!text)
                return -ENOMEM;
        (void)fprintf(notes, "[store %s] format = auto", store->name);
        (void)config_put_escaped(text, notes);
        (void)fputs(".\n", notes);
        return 0;
}

int config_find_formats(struct config *config, FILE *errors, FILE *notes) {
        struct config_builder b = { .config = config, .errors = errors };
        _cleanup_free_ const char **others = calloc(config->n_stores + 1, sizeof(*others));

        if (!others)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_stores; i++) {
                int r;

                if (config->stores[i].format_choice != FORMAT_AUTO)
                        continue;
                for (size_t k = 0; k < config->n_stores; k++)
                        others[k] = k == i ? "" : config->stores[k].path;
                r = find_format(&b, i, others, notes);
                if (r < 0)
                        return r;
        }
        return b.no_memory ? -ENOMEM : b.n_errors > 0 ? -EINVAL : 0;
}
