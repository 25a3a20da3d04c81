/* SPDX-License-Identifier: Apache-2.0 */

/* Owns what struct setup points to. Must not look at the system: setup.c does. */

#include "daemon/ctl/setup-proposal.h"

#include <stdarg.h>
#include <stdio.h>

#include "store/digest.h"

#define SEAL                                                                                   \
        "# Made by storescanctl setup. Change it as you like: then it is yours, and not made " \
        "anew.\n# "
#define WIDTH 98

/* ---- Life ---- */

void setup_done(struct setup *setup) {
        for (size_t i = 0; i < setup->n_stores; i++) {
                free(setup->stores[i].path);
                free(setup->stores[i].from);
                free(setup->stores[i].problem);
        }
        for (size_t i = 0; i < setup->n_remarks; i++)
                free(setup->remarks[i]);
        free(setup->stores);
        free(setup->remarks);
        free(setup->hub);
        free(setup->found);
        *setup = (struct setup){};
}

void setup_found(struct setup *setup, const char *what) {
        char *joined;

        if (asprintf(&joined, "%s%s%s", setup->found ?: "", setup->found ? ", " : "", what) < 0) {
                setup->no_memory = true;
                return;
        }
        free(setup->found);
        setup->found = joined;
}

void setup_remark(struct setup *setup, const char *format, ...) {
        char **remarks = reallocarray(setup->remarks, setup->n_remarks + 1, sizeof(*remarks));
        va_list ap;
        int n;

        if (!remarks) {
                setup->no_memory = true;
                return;
        }
        setup->remarks = remarks;
        va_start(ap, format);
        n = vasprintf(&remarks[setup->n_remarks], format, ap);
        va_end(ap);
        if (n < 0)
                setup->no_memory = true;
        else
                setup->n_remarks++;
}

/* ---- Stores ---- */

static bool lies_in(const char *child, const char *parent) {
        const char *rest = startswith(child, parent);

        return rest && (*rest == '\0' || *rest == '/');
}

static bool is_taken(const struct setup *setup, const struct config_store *stores, size_t n,
                     const char *name) {
        for (size_t i = 0; i < setup->n_stores; i++)
                if (streq(setup->stores[i].name, name))
                        return true;
        for (size_t i = 0; i < n; i++)
                if (streq(stores[i].name, name))
                        return true;
        return false;
}

/* A name that begins like base and that nobody has. */
static void find_name(const struct setup *setup, const struct config_store *stores, size_t n,
                      const char *base, char ret[static SETUP_NAME_MAX]) {
        char name[SETUP_NAME_MAX];

        (void)snprintf(name, sizeof(name), "%s", base);
        for (unsigned k = 2; is_taken(setup, stores, n, name); k++)
                (void)snprintf(name, sizeof(name), "%.12s-%u", base, k);
        memcpy(ret, name, sizeof(name));
}

/* Whether there is no need for it, or no place. */
static bool is_covered(struct setup *setup, const char *path, unsigned format, enum store_kind kind,
                       const char *from) {
        for (size_t i = 0; i < setup->n_stores; i++) {
                const struct setup_store *store = &setup->stores[i];

                if (streq(store->path, path)) {
                        if (store->format != format && format != SETUP_FORMAT_FIND)
                                setup_remark(setup,
                                             "%s is named by two settings with different formats, "
                                             "%s and %s: see which is right.",
                                             path, store->from, from);
                        return true;
                }
                if (store->format == format && store->kind == kind && lies_in(path, store->path))
                        return true;
        }
        return false;
}

void setup_add(struct setup *setup, const char *name, const char *path, unsigned format,
               enum store_kind kind, const char *from) {
        struct setup_store store = { .kind = kind, .format = format }, *stores;

        if (is_covered(setup, path, format, kind, from))
                return;
        find_name(setup, NULL, 0, name, store.name);
        stores = reallocarray(setup->stores, setup->n_stores + 1, sizeof(*stores));
        if (!stores) {
                setup->no_memory = true;
                return;
        }
        setup->stores = stores;
        store.path = strdup(path);
        store.from = strdup(from);
        if (!store.path || !store.from) {
                free(store.path);
                free(store.from);
                setup->no_memory = true;
                return;
        }
        stores[setup->n_stores++] = store;
}

void setup_compare(struct setup *setup, const struct config_store *stores, size_t n) {
        for (size_t i = 0; i < setup->n_stores; i++) {
                struct setup_store *store = &setup->stores[i];
                bool known = store->known_as != NULL, taken = false;

                for (size_t k = 0; k < n; k++) {
                        taken |= streq(stores[k].name, store->name);
                        if (!streq(stores[k].path, store->path))
                                continue;
                        store->known_as = stores[k].name;
                        known = true;
                }
                if (taken && !known)
                        find_name(setup, stores, n, store->name, store->name);
        }
}

/* ---- Paths ---- */

char *setup_fixed_part(const char *path) {
        size_t n = strcspn(path, "%");

        if (path[n])
                while (n > 0 && path[n - 1] != '/')
                        n--;
        while (n > 0 && path[n - 1] == '/')
                n--;
        return strndup(path, n);
}

/* Of what the path lies in. */
static size_t parent_length(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? (size_t)(slash - path) : 0;
}

char *setup_common_folder(char *const *paths, size_t n) {
        size_t common = n > 0 ? parent_length(paths[0]) : 0;

        for (size_t i = 1; i < n; i++)
                while (common > 0 &&
                       (common > parent_length(paths[i]) ||
                        memcmp(paths[0], paths[i], common) != 0 || paths[i][common] != '/'))
                        do
                                common--;
                        while (common > 0 && paths[0][common] != '/');
        return strndup(n > 0 ? paths[0] : "", common);
}

/* ---- Text ---- */

/* Breaks a remark into lines of comment. */
static void write_comment(FILE *out, const char *text) {
        while (*text) {
                size_t n = strlen(text), fits = n;

                if (n > WIDTH) {
                        for (fits = WIDTH; fits > 0 && text[fits] != ' '; fits--)
                                ;
                        if (fits == 0)
                                fits = strcspn(text, " ");
                }
                (void)fprintf(out, "# %.*s\n", (int)fits, text);
                text += fits;
                text += strspn(text, " ");
        }
}

const char *setup_format_word(const struct setup_store *store) {
        return store->format == SETUP_FORMAT_FIND ? "auto" : store_format_name(store->format);
}

static void write_store(FILE *out, const struct setup_store *store) {
        const char *mark = store->problem ? "#" : "";

        (void)fputc('\n', out);
        write_comment(out, store->from);
        if (store->problem)
                write_comment(out, store->problem);
        else if (!store->has_filesystem)
                write_comment(out, "Part of a larger file system: each folder gets a mark of its "
                                   "own. On a file system of its own it takes one mark.");
        (void)fprintf(out, "%s[store %s]\n%spath = %s\n%skind = %s\n%sformat = %s\n", mark,
                      store->name, mark, store->path, mark, store_kind_name(store->kind), mark,
                      setup_format_word(store));
        (void)fprintf(out, "%son_infected = detect\n%son_error = allow\n", mark, mark);
}

static void write_all(FILE *out, const struct setup *setup) {
        (void)fprintf(out, "# Found: %s.\n#\n", setup->found ?: "nothing");
        write_comment(out, "For a trial infected mail is only reported, and nothing is denied or "
                           "changed. Remove the lines on_infected and on_error of a store, and it "
                           "is guarded: infected mail is replaced, and what could not be scanned "
                           "is not opened.");
        for (size_t i = 0; i < setup->n_stores; i++)
                if (!setup->stores[i].known_as)
                        write_store(out, &setup->stores[i]);
        for (size_t i = 0; i < setup->n_stores; i++)
                if (setup->stores[i].known_as)
                        (void)fprintf(out, "\n# %s is [store %s] already.\n", setup->stores[i].path,
                                      setup->stores[i].known_as);
        for (size_t i = 0; i < setup->n_remarks; i++) {
                (void)fputs(i == 0 ? "\n# Not covered:\n#\n" : "#\n", out);
                write_comment(out, setup->remarks[i]);
        }
        if (setup->hub)
                (void)fputs(setup->hub, out);
}

char *setup_format(const struct setup *setup) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        bool failed;

        if (!out)
                return NULL;
        write_all(out, setup);
        failed = ferror(out);
        if (fclose(out) != 0 || failed) {
                free(text);
                return NULL;
        }
        return text;
}

size_t setup_count(const struct setup *setup) {
        size_t n = 0;

        for (size_t i = 0; i < setup->n_stores; i++)
                n += !setup->stores[i].problem && !setup->stores[i].known_as;
        return n;
}

/* ---- Seal ---- */

static bool compute_seal(const char *text, size_t size,
                         char ret[static BASE64URL_LENGTH(DIGEST_SIZE) + 1]) {
        uint8_t digest[DIGEST_SIZE];

        if (digest_buffer(text, size, digest) < 0)
                return false;
        base64url_encode(digest, sizeof(digest), ret);
        return true;
}

char *setup_seal(const char *text) {
        char seal[BASE64URL_LENGTH(DIGEST_SIZE) + 1], *sealed;

        if (!compute_seal(text, strlen(text), seal) ||
            asprintf(&sealed, SEAL "%s\n%s", seal, text) < 0)
                return NULL;
        return sealed;
}

bool setup_is_sealed(const char *text, size_t size) {
        const size_t head = strlen(SEAL), length = BASE64URL_LENGTH(DIGEST_SIZE);
        char seal[BASE64URL_LENGTH(DIGEST_SIZE) + 1];

        return size > head + length && memcmp(text, SEAL, head) == 0 &&
               text[head + length] == '\n' &&
               compute_seal(text + head + length + 1, size - head - length - 1, seal) &&
               memcmp(text + head, seal, length) == 0;
}
