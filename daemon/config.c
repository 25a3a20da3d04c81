/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration as a whole: which files are read in which order, the object's life, and how a
 * mistake is said. Must not know what a key means: that is the table's (config-keys.c) and the
 * checks' (config-check.c).
 */

#include "daemon/config-private.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "daemon/io.h"

/* ---- The object ---- */

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config->n_stores; i++) {
                free(config->stores[i].path);
                free(config->stores[i].format_by);
        }
        for (size_t i = 0; i < config->n_origins; i++) {
                free(config->origins[i].file);
                free(config->origins[i].text);
        }
        free(config->stores);
        free(config->holds);
        free(config->origins);
        free(config->database);
        free(config->clamd);
        free(config->tmpdir);
        free(config->user);
        free(config->cache_directory);
        free(config->quarantine_directory);
        free(config->quarantine_sendmail);
        free(config->allowed_signatures);
        free(config->notice);
        free(config->notice_text);
        free(config->keys);
        free(config->hub.socket);
        free(config->hub.tmpdir);
        free(config->hub.trusted_networks);
        free(config->hub.attachment_names);
        free(config->hub.attachment_types);
        free(config->hub.key);
        free(config);
        return NULL;
}

/* Log records and stamps under way outlive a configuration. There are as many as admins think of. */
static const char *keep_name(const char *name) {
        static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        static struct kept {
                struct kept *next;
                char name[];
        } * names;
        struct kept *k;

        (void)pthread_mutex_lock(&mutex);
        for (k = names; k && !streq(k->name, name); k = k->next)
                ;
        if (!k && (k = malloc(sizeof(*k) + strlen(name) + 1))) {
                strcpy(k->name, name);
                k->next = names;
                names = k;
        }
        (void)pthread_mutex_unlock(&mutex);
        return k ? k->name : NULL;
}

static int set_defaults(struct config *config, const struct config_key *keys, size_t n,
                        size_t store) {
        char problem[CONFIG_PROBLEM_MAX];

        for (const struct config_key *key = keys; key < keys + n; key++) {
                int r;

                if (!key->default_text)
                        continue;
                r = key->parse(key, key->default_text, config_key_field(config, key, store),
                               problem);
                assert(r != -EINVAL); /* of the table itself, STORESCAN_DATABASE included */
                if (r < 0)
                        return r;
        }
        return 0;
}

int config_add_store(struct config *config, const char *name, size_t *ret) {
        size_t n_origins = config->n_origins + config_n_store_keys + 1, n = config->n_stores;
        struct config_origin *origins;
        struct config_store *stores;
        int r;

        stores = reallocarray(config->stores, n + 1, sizeof(*stores));
        if (!stores)
                return -ENOMEM;
        config->stores = stores;
        origins = reallocarray(config->origins, n_origins, sizeof(*origins));
        if (!origins)
                return -ENOMEM;
        config->origins = origins;

        stores[n] = (struct config_store){ .name = keep_name(name), .holds = config->holds };
        if (!stores[n].name)
                return -ENOMEM;
        memset(origins + config->n_origins, 0, (n_origins - config->n_origins) * sizeof(*origins));
        config->n_origins = n_origins;
        config->n_stores++;

        r = set_defaults(config, config_store_keys, config_n_store_keys, n);
        if (r < 0)
                return r;
        *ret = n;
        return 0;
}

int config_builder_init(struct config_builder *b, FILE *errors) {
        int r;

        *b = (struct config_builder){ .config = calloc(1, sizeof(struct config)),
                                      .errors = errors };
        if (!b->config)
                return -ENOMEM;
        b->config->origins = calloc(config_n_global_keys, sizeof(struct config_origin));
        b->config->holds = calloc(1, sizeof(*b->config->holds));
        if (!b->config->origins || !b->config->holds)
                return -ENOMEM;
        b->config->n_origins = config_n_global_keys;
        r = set_defaults(b->config, config_global_keys, config_n_global_keys, 0);
        return r;
}

void config_builder_done(struct config_builder *b) {
        b->config = config_free(b->config);
        free(b->main_file);
        b->main_file = NULL;
}

/* ---- Messages ---- */

size_t config_put_escaped(const char *text, FILE *out) {
        size_t n = 0;

        for (; *text; text++) {
                bool control = iscntrl((unsigned char)*text);

                if (out && control)
                        (void)fprintf(out, "\\x%02x", (unsigned char)*text);
                else if (out)
                        (void)fputc(*text, out);
                n += control ? strlen("\\x00") : 1;
        }
        return n;
}

void config_error(struct config_builder *b, const char *file, unsigned line, const char *section,
                  const char *key, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        b->n_errors++;
        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                text = NULL;
                b->no_memory = true;
                return;
        }

        (void)config_put_escaped(file, b->errors);
        if (line > 0)
                (void)fprintf(b->errors, ":%u", line);
        (void)fputs(": ", b->errors);
        if (section) {
                (void)fputc('[', b->errors);
                (void)config_put_escaped(section, b->errors);
                (void)fputs(key ? "] " : "]: ", b->errors);
        }
        if (key) {
                (void)config_put_escaped(key, b->errors);
                (void)fputs(": ", b->errors);
        }
        (void)config_put_escaped(text, b->errors);
        (void)fputs(".\n", b->errors);
}

/* ---- Files ---- */

static int read_all(int fd, char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = malloc(CONFIG_FILE_MAX + 1);
        ssize_t n;

        if (!data)
                return -ENOMEM;
        n = read_full(fd, data, CONFIG_FILE_MAX + 1);
        if (n < 0)
                return (int)n;
        if (n > CONFIG_FILE_MAX)
                return -EFBIG;
        *ret = TAKE_PTR(data);
        *ret_size = (size_t)n;
        return 0;
}

static int remember_main_file(struct config_builder *b, const char *file) {
        if (!b->main_file)
                b->main_file = strdup(file);
        return b->main_file ? 0 : -ENOMEM;
}

#define refuse_file(b, file, ...)                                      \
        do {                                                           \
                config_error((b), (file), 0, NULL, NULL, __VA_ARGS__); \
                (b)->incomplete = true;                                \
        } while (0)

/* Reads one file; 0 also after mistakes. With optional, one that does not exist is none. */
static int read_file(struct config_builder *b, const char *file, bool optional) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *data = NULL;
        struct stat st;
        size_t size = 0;
        int r;

        /* O_NONBLOCK: the open of a FIFO would wait for a writer. */
        fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT && optional) {
                if (lstat(file, &st) < 0)
                        return 0;
                errno = ENOENT; /* a dangling link was meant to be a file */
        }
        r = remember_main_file(b, file);
        if (r < 0)
                return r;
        if (fd < 0 || fstat(fd, &st) < 0) {
                refuse_file(b, file, "can't be opened: %s; %s", strerror(errno),
                            errno == ENOENT ? "create it, or correct the path"
                                            : "make it readable");
                return 0;
        }
        if (!S_ISREG(st.st_mode)) {
                refuse_file(b, file, "is not a regular file; put a configuration file there");
                return 0;
        }

        r = read_all(fd, &data, &size);
        if (r == -ENOMEM)
                return r;
        if (r == -EFBIG)
                refuse_file(b, file, "is larger than %u KiB; put a configuration file there",
                            CONFIG_FILE_MAX / 1024);
        else if (r < 0)
                refuse_file(b, file, "can't be read: %s; replace it", strerror(-r));
        return r < 0 ? 0 : config_read_text(b, file, data, size);
}

/* Names of conf.d that count: ?*.conf, as a shell would expand it. */
static int is_dropin(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return n > strlen(".conf") && entry->d_name[0] != '.' &&
               streq(entry->d_name + n - strlen(".conf"), ".conf");
}

/* By bytes: the order must not depend on the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* One that is thought to be there, in the place of the file of that name. */
struct dropin {
        const char *name, *text; /* text NULL: thought not to be there */
};

static int read_thought(struct config_builder *b, const char *dir, const struct dropin *thought) {
        _cleanup_free_ char *file = NULL;
        int r;

        if (!thought->text)
                return 0;
        if (asprintf(&file, "%s/%s", dir, thought->name) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        r = remember_main_file(b, file);
        return r < 0 ? r : config_read_text(b, file, thought->text, strlen(thought->text));
}

static int read_dropins(struct config_builder *b, const char *confdir,
                        const struct dropin *thought) {
        _cleanup_free_ char *dir = NULL;
        struct dirent **entries;
        int n, r = 0;

        if (asprintf(&dir, "%s/conf.d", confdir) < 0) {
                dir = NULL;
                return -ENOMEM;
        }
        n = scandir(dir, &entries, is_dropin, compare_names);
        if (n < 0) {
                if (errno == ENOENT)
                        return thought ? read_thought(b, dir, thought) : 0;
                if (errno == ENOMEM)
                        return -ENOMEM;
                refuse_file(b, dir, "can't be listed: %s; make it a readable folder, or remove it",
                            strerror(errno));
                return remember_main_file(b, dir);
        }

        for (int i = 0; i < n; i++) {
                int order = thought ? strcmp(thought->name, entries[i]->d_name) : 1;
                _cleanup_free_ char *file = NULL;

                if (r == 0 && order <= 0) {
                        r = read_thought(b, dir, thought);
                        thought = NULL;
                }
                if (r == 0 && order != 0 && asprintf(&file, "%s/%s", dir, entries[i]->d_name) < 0) {
                        file = NULL;
                        r = -ENOMEM;
                }
                if (r == 0 && file)
                        r = read_file(b, file, false);
                free(entries[i]);
        }
        free(entries);
        return r == 0 && thought ? read_thought(b, dir, thought) : r;
}

/* The last step of each load: checks, and hands the object over if nothing was wrong. */
static int finish(struct config_builder *b, struct config **ret) {
        int r = config_check(b);

        if (r < 0 || b->no_memory)
                return -ENOMEM;
        if (b->n_errors > 0)
                return -EINVAL;
        *ret = TAKE_PTR(b->config);
        return 0;
}

static int load_dir(struct config_builder *b, const char *confdir, const struct dropin *thought,
                    struct config **ret) {
        _cleanup_free_ char *file = NULL;
        int r;

        if (asprintf(&file, "%s/storescan.conf", confdir) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        r = read_file(b, file, true);
        if (r < 0)
                return r;
        r = read_dropins(b, confdir, thought);
        if (r < 0)
                return r;
        if (!b->main_file) {
                config_error(b, file, 0, NULL, NULL,
                             "no configuration: neither it nor %s/conf.d/*.conf exists; create it "
                             "with a [store NAME]",
                             confdir);
                return -EINVAL;
        }
        return finish(b, ret);
}

static int load(const char *path, const char *confdir, bool hub, FILE *errors,
                struct config **ret) {
        struct config_builder b;
        int r = config_builder_init(&b, errors);

        b.hub = hub;
        if (r >= 0 && path) {
                r = read_file(&b, path, false);
                if (r >= 0)
                        r = finish(&b, ret);
        } else if (r >= 0)
                r = load_dir(&b, confdir, NULL, ret);
        config_builder_done(&b);
        return r;
}

int config_load_dir(const char *confdir, FILE *errors, struct config **ret) {
        return load(NULL, confdir, false, errors, ret);
}

static int load_text(const char *name, const char *data, size_t size, bool former, FILE *errors,
                     struct config **ret) {
        struct config_builder b;
        int r = config_builder_init(&b, errors);

        b.former = former;
        if (r == 0)
                r = remember_main_file(&b, name);
        if (r == 0)
                r = config_read_text(&b, name, data, size);
        if (r == 0)
                r = finish(&b, ret);
        if (r == 0)
                (*ret)->former = former;
        config_builder_done(&b);
        return r;
}

int config_load_text(const char *name, const char *data, size_t size, FILE *errors,
                     struct config **ret) {
        return load_text(name, data, size, false, errors, ret);
}

int config_load_former(const char *name, const char *data, size_t size, FILE *errors,
                       struct config **ret) {
        return load_text(name, data, size, true, errors, ret);
}

int config_load(const char *path, FILE *errors, struct config **ret) {
        return load(path, STORESCAN_CONFDIR, false, errors, ret);
}

int config_load_with(const char *name, const char *text, FILE *errors, struct config **ret) {
        struct config_builder b;
        int r = config_builder_init(&b, errors);

        if (r >= 0)
                r = load_dir(&b, STORESCAN_CONFDIR, &(struct dropin){ name, text }, ret);
        config_builder_done(&b);
        return r;
}

int config_load_without_stores(const char *path, FILE *errors, struct config **ret) {
        return load(path, STORESCAN_CONFDIR, true, errors, ret);
}

int config_load_hub(const char *path, FILE *errors, struct config **ret) {
        struct config *config = NULL;
        char *tmpdir;
        int r = config_load_without_stores(path, errors, &config);

        if (r < 0)
                return r;
        tmpdir = strdup(config->hub.tmpdir);
        if (!tmpdir) {
                config_free(config);
                return -ENOMEM;
        }
        free(config->tmpdir);
        config->tmpdir = tmpdir;
        free(config->user);
        config->user = NULL;
        *ret = config;
        return 0;
}
