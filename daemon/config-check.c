/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What can only be judged once all files are read: folders, what lies within what, keys that
 * depend on each other. Looks at folders, and replaces the path of a store by the resolved one;
 * must not create or open anything.
 */

#include "daemon/config-private.h"

#include <limits.h>
#include <sys/stat.h>

#define PLACE_MAX (PATH_MAX + 64)

/* A key with a mistake: where to report it. */
struct subject {
        const struct config_key *key;
        size_t store;
};

static const struct config_key *global_key(enum config_section section, const char *name) {
        return config_key_find(section, name);
}

static struct subject store_path(size_t store) {
        return (struct subject){ config_key_find(SECTION_STORE, "path"), store };
}

static const struct config_origin *origin_of(const struct config_builder *b, struct subject s) {
        return config_origin_of(b->config, s.key, s.store);
}

_printf_(3, 4) static void subject_error(struct config_builder *b, struct subject s,
                                         const char *format, ...) {
        const struct config_origin *origin = origin_of(b, s);
        char label[CONFIG_LABEL_MAX], *text = NULL;
        va_list ap;
        int n;

        if (!origin->file && b->incomplete)
                return;
        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                b->no_memory = true;
                return;
        }
        config_error(b, origin->file ? origin->file : b->main_file, origin->line,
                     config_label(b->config, s.key->section, s.store, label), s.key->name, "%s%s",
                     text, origin->text ? config_hash_hint(origin->text) : "");
        free(text);
}

/* Whether the key has the value that was meant for it. */
static bool is_set_right(const struct config_builder *b, struct subject s) {
        return !origin_of(b, s)->refused;
}

/* "FILE:LINE" of a key, or "default". */
static const char *place(const struct config_builder *b, struct subject s,
                         char buffer[static PLACE_MAX]) {
        const struct config_origin *origin = origin_of(b, s);

        if (!origin->file)
                return "default";
        (void)snprintf(buffer, PLACE_MAX, "%s:%u", origin->file, origin->line);
        return buffer;
}

/* ---- Folders ---- */

/* Whether child is parent or lies in it; both resolved. */
static bool lies_in(const char *child, const char *parent) {
        const char *rest = startswith(child, parent);

        return rest && (*rest == '\0' || *rest == '/' || streq(parent, "/"));
}

/* The path with the links resolved of those leading parts that exist. NULL: no memory. */
static char *resolve_leading(const char *path) {
        _cleanup_free_ char *head = strdup(path);
        size_t n = strlen(path);

        while (head && n > 0) {
                _cleanup_free_ char *real = realpath(head, NULL);
                char *joined;

                if (real) {
                        const char *rest = path + n + strspn(path + n, "/");
                        const char *slash = *rest && !streq(real, "/") ? "/" : "";

                        return asprintf(&joined, "%s%s%s", real, slash, rest) < 0 ? NULL : joined;
                }
                if (errno == ENOMEM)
                        return NULL;
                while (n > 1 && head[n - 1] != '/')
                        n--;
                while (n > 1 && head[n - 1] == '/')
                        n--;
                head[n] = '\0';
        }
        return NULL; /* only without memory: "/" exists */
}

static void check_database(struct config_builder *b) {
        struct subject s = { global_key(SECTION_SCANNER, "database") };
        const char *path = b->config->database;
        struct stat st;

        if (!is_set_right(b, s) || !config_loads_signatures(b->config))
                return;
        if (stat(path, &st) < 0) {
                /* Whether it can be read is for the loader to say, in its own user's name. */
                if (!b->former && (errno == ENOENT || errno == ENOTDIR))
                        subject_error(b, s,
                                      "'%s'%s does not exist; install signatures there (freshclam "
                                      "fetches them) or correct the path",
                                      path, origin_of(b, s)->file ? "" : " (default)");
        } else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                subject_error(b, s, "'%s' is neither a folder nor a file; correct the path", path);
}

/* A folder that is made at start if need be. */
static void check_folder(struct config_builder *b, enum config_section section,
                         const char *key_name, const char *path) {
        struct subject s = { global_key(section, key_name) };
        struct stat st;

        if (is_set_right(b, s) && stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
                subject_error(b, s, "'%s' is not a folder; remove it or correct the path", path);
}

/* Resolves the path of a store. False: there was something to complain about. */
static bool check_store(struct config_builder *b, size_t i) {
        struct config_store *store = &b->config->stores[i];
        const struct config_origin *section = config_origin_of_store(b->config, i);
        _cleanup_free_ char *real = NULL;
        char label[CONFIG_LABEL_MAX];
        struct stat st;

        if (!is_set_right(b, store_path(i)))
                return false;
        if (!store->path) {
                config_error(b, section->file, section->line,
                             config_label(b->config, SECTION_STORE, i, label), "path",
                             "is missing; write path = /FOLDER below this line");
                return false;
        }

        real = realpath(store->path, NULL);
        if (!real && errno == ENOMEM) {
                b->no_memory = true;
                return false;
        }
        /* It was resolved before, and a store that is away must not keep the others from being guarded; what
         * a link there leads to now is not what ran. But for one that could not be written resolved. */
        if (b->former) {
                if (real && !config_can_be_written(store_path(i).key, real)) {
                        free(store->path);
                        store->path = TAKE_PTR(real);
                }
                return true;
        }
        if (!real && errno == ENOENT) {
                subject_error(b, store_path(i),
                              "'%s' does not exist; mount or create it, or correct the path",
                              store->path);
                return false;
        }
        if (!real || stat(real, &st) < 0) {
                subject_error(b, store_path(i), "'%s' can't be looked at: %s; correct it",
                              store->path, strerror(errno));
                return false;
        }
        if (!S_ISDIR(st.st_mode)) {
                subject_error(b, store_path(i), "'%s' is not a folder; correct the path",
                              store->path);
                return false;
        }
        free(store->path);
        store->path = TAKE_PTR(real);
        return true;
}

/* ---- What lies within what ---- */

/* A store may lie in another: attachments have a format, public folders a policy of their own. */
static void check_store_pair(struct config_builder *b, size_t earlier, size_t later) {
        const struct config_store *a = &b->config->stores[earlier], *c = &b->config->stores[later];
        char buffer[PLACE_MAX];

        if (streq(a->path, c->path))
                subject_error(b, store_path(later),
                              "'%s' is the same folder as [store %s] (%s); remove one of the two",
                              c->path, a->name, place(b, store_path(earlier), buffer));
}

/* storescand's own files in a store: each open of them would wait for storescand. */
static void check_store_against(struct config_builder *b, size_t i, enum config_section section,
                                const char *key_name, const char *own) {
        struct subject s = { global_key(section, key_name) };
        const char *what = section == SECTION_CACHE        ? "cache directory"
                           : section == SECTION_QUARANTINE ? "quarantine"
                                                           : key_name;
        const struct config_store *store = &b->config->stores[i];
        char buffer[PLACE_MAX];

        if (!is_set_right(b, s))
                return;
        if (lies_in(own, store->path)) {
                const char *why = "storescand would wait for itself: move it out";

                /* A default is nobody's mistake: the line to change is the store's. */
                if (origin_of(b, s)->file)
                        subject_error(b, s, "'%s' lies in [store %s] ('%s', %s); %s", own,
                                      store->name, store->path, place(b, store_path(i), buffer),
                                      why);
                else
                        subject_error(b, store_path(i), "'%s' contains the %s ('%s', default); %s",
                                      store->path, what, own, why);
        } else if (lies_in(store->path, own))
                subject_error(b, store_path(i),
                              "'%s' lies in the %s ('%s', %s); move one of the two", store->path,
                              what, own, place(b, s, buffer));
}

static int check_places(struct config_builder *b, const bool *good) {
        _cleanup_free_ char *database = resolve_leading(b->config->database),
                            *tmpdir = resolve_leading(b->config->tmpdir),
                            *cache = resolve_leading(b->config->cache_directory),
                            *quarantine = resolve_leading(b->config->quarantine_directory);

        if (!database || !tmpdir || !cache || !quarantine)
                return -ENOMEM;
        for (size_t i = 0; i < b->config->n_stores; i++) {
                if (!good[i])
                        continue;
                check_store_against(b, i, SECTION_SCANNER, "database", database);
                check_store_against(b, i, SECTION_SCANNER, "tmpdir", tmpdir);
                if (b->config->cache_size > 0)
                        check_store_against(b, i, SECTION_CACHE, "directory", cache);
                check_store_against(b, i, SECTION_QUARANTINE, "directory", quarantine);
                for (size_t j = 0; j < i; j++)
                        if (good[j])
                                check_store_pair(b, j, i);
        }
        return 0;
}

/* ---- Keys that depend on each other ---- */

static void check_timeouts(struct config_builder *b) {
        const struct config *c = b->config;
        struct subject scan = { global_key(SECTION_SCANNER, "scan_timeout") },
                       worker = { global_key(SECTION_SCANNER, "worker_timeout") };
        char scan_text[CONFIG_TEXT_MAX], worker_text[CONFIG_TEXT_MAX], buffer[PLACE_MAX];

        if (!is_set_right(b, scan) || !is_set_right(b, worker) ||
            c->worker_timeout_usec > c->scan_timeout_usec)
                return;
        (void)scan.key->text(scan.key, &c->scan_timeout_usec, scan_text);
        (void)worker.key->text(worker.key, &c->worker_timeout_usec, worker_text);
        if (origin_of(b, worker)->file)
                subject_error(b, worker, "%s is not longer than scan_timeout (%s, %s); raise it",
                              worker_text, scan_text, place(b, scan, buffer));
        else
                subject_error(
                        b, scan,
                        "%s is not shorter than worker_timeout (%s, default); raise that, too",
                        scan_text, worker_text);
}

static void check_store_timeout(struct config_builder *b, size_t i) {
        struct subject scan = { config_key_find(SECTION_STORE, "scan_timeout"), i },
                       worker = { global_key(SECTION_SCANNER, "worker_timeout") };
        const struct config_store *store = &b->config->stores[i];
        char scan_text[CONFIG_TEXT_MAX], worker_text[CONFIG_TEXT_MAX], buffer[PLACE_MAX];

        if (!is_set_right(b, scan) || !is_set_right(b, worker) ||
            b->config->worker_timeout_usec > store->scan_timeout_usec)
                return;
        (void)scan.key->text(scan.key, &store->scan_timeout_usec, scan_text);
        (void)worker.key->text(worker.key, &b->config->worker_timeout_usec, worker_text);
        subject_error(b, scan, "%s is not shorter than worker_timeout (%s, %s); raise that, too",
                      scan_text, worker_text, place(b, worker, buffer));
}

/* One that has no end would be forgotten. store: ignored outside of a store. */
static void check_outbreak(struct config_builder *b, enum config_section section, size_t store,
                           const struct config_rescan *rescan, uint64_t until) {
        struct subject s = { config_key_find(section, "rescan"), store };

        if (rescan->mode == RESCAN_OUTBREAK && until == 0 && is_set_right(b, s))
                subject_error(b, s,
                              "outbreak has no end; write outbreak_until = 2026-11-26T18:00Z or so "
                              "below it");
}

static void check_store_outbreak(struct config_builder *b, size_t i) {
        const struct config_store *store = &b->config->stores[i];

        check_outbreak(b, SECTION_STORE, i, &store->rescan,
                       store->outbreak_until_sec == UINT64_MAX ? b->config->outbreak_until_sec
                                                               : store->outbreak_until_sec);
}

int config_check(struct config_builder *b) {
        _cleanup_free_ bool *good = calloc(b->config->n_stores + 1, sizeof(*good));
        int r;

        if (!good)
                return -ENOMEM;

        config_resolve_workers(b->config);
        check_database(b);
        if (b->hub)
                check_folder(b, SECTION_HUB, "tmpdir", b->config->hub.tmpdir);
        else {
                check_folder(b, SECTION_SCANNER, "tmpdir", b->config->tmpdir);
                check_folder(b, SECTION_CACHE, "directory", b->config->cache_directory);
                check_folder(b, SECTION_QUARANTINE, "directory", b->config->quarantine_directory);
        }
        r = config_read_notice(b);
        if (r < 0)
                return r;
        check_timeouts(b);
        check_outbreak(b, SECTION_SCANNER, 0, &b->config->rescan, b->config->outbreak_until_sec);
        if (b->hub)
                return 0;
        if (b->config->n_stores == 0 && !b->incomplete)
                config_error(b, b->main_file, 0, NULL, NULL,
                             "no store to guard; add [store NAME] with path = /FOLDER, or try "
                             "storescanctl setup");
        for (size_t i = 0; i < b->config->n_stores; i++) {
                struct config_store *store = &b->config->stores[i];

                store->format = store->format_choice == FORMAT_AUTO
                                        ? STORE_FORMAT_FILES
                                        : (enum store_format)store->format_choice;
                good[i] = check_store(b, i);
                check_store_timeout(b, i);
                check_store_outbreak(b, i);
        }
        return check_places(b, good);
}
