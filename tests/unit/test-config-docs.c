/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The key table against its documentation: each key, its type and its default in
 * storescan.conf(5) and in the shipped etc/storescan.conf, and nothing in these that the table
 * does not have. Reads the source tree, at $SOURCE_ROOT.
 */

#include <ctype.h>

#include "tests/unit/config-fixture.h"
#include "tests/unit/unit.h"

#define SHIPPED_DATABASE "/var/lib/clamav" /* in the source tree, whatever the build chose */

static char *read_source(const char *path) {
        const char *source = getenv("SOURCE_ROOT");
        _cleanup_free_ char *full = NULL;
        char *text = NULL;
        size_t size = 0;
        FILE *f;

        ck_assert_int_gt(asprintf(&full, "%s/%s", source ? source : ".", path), 0);
        f = fopen(full, "re");
        ck_assert_msg(f, "%s: %m; set SOURCE_ROOT to the top of the source tree", full);
        ck_assert_int_gt(getdelim(&text, &size, '\0', f), 0);
        ck_assert_int_eq(fclose(f), 0);
        return text;
}

/* One key as a document has it. */
struct documented {
        char section[16], key[32];
        char *text; /* what is said of it; or, in the shipped file, its value */
};

#define DOCUMENTED_MAX 128

struct document {
        struct documented keys[DOCUMENTED_MAX];
        size_t n;
};

static void add_key(struct document *d, const char *section, const char *key, size_t n_key,
                    const char *text, size_t n_text) {
        struct documented *k = &d->keys[d->n++];

        ck_assert_uint_lt(d->n, DOCUMENTED_MAX);
        ck_assert_uint_lt(n_key, sizeof(k->key));
        (void)snprintf(k->section, sizeof(k->section), "%s", section);
        (void)snprintf(k->key, sizeof(k->key), "%.*s", (int)n_key, key);
        k->text = strndup(text, n_text);
        ck_assert_ptr_nonnull(k->text);
}

static void done(struct document *d) {
        for (size_t i = 0; i < d->n; i++)
                free(d->keys[i].text);
}

/* The table's keys and the document's must be the same, in the same order. */
static void assert_same_keys(const struct document *d) {
        struct config_key_info info;

        for (size_t i = 0; i < d->n; i++) {
                ck_assert_msg(config_key(i, &info), "[%s] %s is not in the table",
                              d->keys[i].section, d->keys[i].key);
                ck_assert_msg(streq(d->keys[i].section, info.section) &&
                                      streq(d->keys[i].key, info.key),
                              "document: [%s] %s; table: [%s] %s", d->keys[i].section,
                              d->keys[i].key, info.section, info.key);
        }
        ck_assert_msg(!config_key(d->n, &info), "[%s] %s is not documented", info.section,
                      info.key);
}

/* Copies a section's word: "scanner", or "store" of "store NAME". */
static void section_word(const char *text, char ret[static 16]) {
        (void)snprintf(ret, 16, "%.*s", (int)strcspn(text, " ]\""), text);
}

/* man(7) source as a reader sees it: without markup, on one line that ends in a blank. */
static char *plain(const char *source) {
        char *out = NULL, last = ' ';
        bool line_start = true;
        size_t size;
        FILE *f = open_memstream(&out, &size);

        ck_assert_ptr_nonnull(f);
        ck_assert_ptr_nonnull(source);
        for (const char *p = source; *p; p++) {
                if (line_start && *p == '.')
                        p += strcspn(p, " \n"); /* the macro's name */
                line_start = *p == '\n';
                if (p[0] == '\\' && p[1] == 'f') { /* a font: \fB */
                        p += 2;
                        continue;
                }
                if (*p == '\\' || *p == '"')
                        continue;
                /* Between arguments of a macro there are no blanks for the reader. */
                if (!isspace((unsigned char)*p) || last != ' ') {
                        last = isspace((unsigned char)*p) ? ' ' : *p;
                        (void)fputc(last, f);
                }
        }
        (void)fputs(last == ' ' ? "" : " ", f);
        ck_assert_int_eq(fclose(f), 0);
        return out;
}

/* In the section KEYS each ".SS [SECTION]" begins a section, and each ".TP" before ".BR KEY" a
 * key, whose text ends where the next begins. */
static void read_man_page(char *page, struct document *ret) {
        char section[16] = "", *keys = strstr(page, "\n.SH KEYS\n"), *end;

        ck_assert_ptr_nonnull(keys);
        keys += strlen("\n.SH KEYS");
        end = strstr(keys, "\n.SH ");
        ck_assert_ptr_nonnull(end);
        *end = '\0';

        for (char *p = keys, *next; p; p = next) {
                char *line = p + 1;

                next = strchr(line, '\n');
                if (startswith(line, ".SS ")) {
                        char *bracket = strchr(line, '[');

                        ck_assert_ptr_nonnull(bracket);
                        section_word(bracket + 1, section);
                } else if (startswith(line, ".TP\n.BR ")) {
                        const char *key = line + strlen(".TP\n.BR ");
                        char *tp = strstr(key, "\n.TP\n"), *ss = strstr(key, "\n.SS ");
                        char *stop = !tp || (ss && ss < tp) ? ss : tp;
                        size_t n = stop ? (size_t)(stop - key) : strlen(key);

                        add_key(ret, section, key, strcspn(key, " "), key, n);
                }
        }
}

START_TEST(man_page) {
        _cleanup_free_ char *page = read_source("units/man/storescan.conf.5");
        struct config_key_info info;
        struct document d = {};

        read_man_page(page, &d);
        assert_same_keys(&d);
        for (size_t i = 0; config_key(i, &info); i++) {
                _cleanup_free_ char *text = plain(d.keys[i].text);
                char expected[128];

                (void)snprintf(expected, sizeof(expected), "%s = %s ", info.key, info.type);
                ck_assert_msg(startswith(text, expected), "'%s' does not begin with '%s'", text,
                              expected);
                if (streq(info.key, "database"))
                        info.default_text = SHIPPED_DATABASE;
                (void)snprintf(expected, sizeof(expected), "%s%s ",
                               *info.default_text ? "Default: " : "Must be set.",
                               info.default_text);
                ck_assert_msg(strstr(text, expected), "'%s' does not have '%s'", text, expected);
        }
        done(&d);
}
END_TEST

/* Every line that is not prose is "[SECTION]" or ";KEY = DEFAULT". */
/* Whether name is among those of "NAME, NAME [...". */
static bool lists(const char *names, const char *name) {
        size_t n = strlen(name);

        for (const char *p = names; p && *p != '['; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
                if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == ' '))
                        return true;
        return false;
}

/* The keys that the man page says a restart is needed for are those of the table. */
START_TEST(restart_keys) {
        _cleanup_free_ char *page = read_source("units/man/storescan.conf.5"), *text = NULL;
        char *begin = strstr(page, "the log names those that have changed:"),
             *end = begin ? strstr(begin, "\n.PP") : NULL;

        ck_assert_ptr_nonnull(end);
        *end = '\0';
        text = plain(begin);
        for (size_t i = 0; i < config_n_global_keys; i++) {
                const struct config_key *key = &config_global_keys[i];
                const char *word = config_section_word(key->section), *names;
                char heading[32];

                (void)snprintf(heading, sizeof(heading), "[%s] ", word);
                names = strstr(text, heading);
                ck_assert_msg((names && lists(names + strlen(heading), key->name)) == key->restart,
                              "[%s] %s: a restart is%s needed for it", word, key->name,
                              key->restart ? "" : " not");
        }
}
END_TEST

START_TEST(shipped_file) {
        _cleanup_free_ char *file = read_source("etc/storescan.conf");
        struct config_key_info info;
        struct document d = {};
        char section[16] = "", *p = file;

        for (char *line = strsep(&p, "\n"); line; line = strsep(&p, "\n")) {
                const char *text = *line == ';' ? line + 1 : line, *value;

                if (*line == '#' || !*line)
                        continue;
                if (*text == '[') {
                        section_word(text + 1, section);
                        continue;
                }
                ck_assert_msg(*line == ';', "'%s' is set, not shown", line);
                value = strstr(text, " = ");
                ck_assert_msg(value, "'%s' is not KEY = DEFAULT", line);
                value += strlen(" = ");
                add_key(&d, section, text, strcspn(text, " "), value, strlen(value));
        }

        assert_same_keys(&d);
        for (size_t i = 0; config_key(i, &info); i++) {
                if (streq(info.key, "database"))
                        info.default_text = SHIPPED_DATABASE;
                ck_assert_ptr_nonnull(d.keys[i].text);
                if (*info.default_text)
                        ck_assert_str_eq(d.keys[i].text, info.default_text);
                else
                        ck_assert(d.keys[i].text[0] == '/'); /* an example */
        }
        done(&d);
}
END_TEST

/* As shipped it lacks a store and nothing else. */
START_TEST(shipped_file_loads) {
        _cleanup_free_ char *file = read_source("etc/storescan.conf");

        write_file("@/conf.d/database.conf", DATABASE);
        write_bytes("@/storescan.conf", file, strlen(file));
        (void)load(NULL, "@/storescan.conf: no store to guard; add [store NAME] with path = "
                         "/FOLDER, or try storescanctl setup.\n");
        write_file("@/conf.d/store.conf", STORE);
        config_free(load(NULL, ""));
}
END_TEST

/* With every ';' taken away it says what is so anyway. */
START_TEST(shown_defaults_load) {
        _cleanup_free_ char *file = read_source("etc/storescan.conf");
        char *out = file, *path;

        for (const char *p = file; *p; p++)
                if (*p != ';' || (p > file && p[-1] != '\n'))
                        *out++ = *p;
        *out = '\0';
        path = strstr(file, "/srv/mail");
        ck_assert_ptr_nonnull(path);
        memcpy(path, "/dev/null", strlen("/srv/mail"));

        write_file("@/conf.d/database.conf", DATABASE);
        write_file("@/conf.d/store.conf", "[store mail]\npath = @/a\n");
        write_bytes("@/storescan.conf", file, strlen(file));
        config_free(load(NULL, ""));
}
END_TEST

START_TEST(example_loads) {
        _cleanup_free_ char *file = read_source("etc/conf.d/public-folders.conf.example");

        write_file("@/storescan.conf", DATABASE);
        write_bytes("@/conf.d/50-public-folders.conf", file, strlen(file));
        write_file("@/conf.d/60-here.conf", "[store public]\npath = @/b\n");
        config_free(load(NULL, ""));
}
END_TEST

/* What is built in says the same as the notice that is installed. */
START_TEST(shipped_notice) {
        _cleanup_free_ char *file = read_source("etc/notice.txt");
        struct config *config;

        write_bytes("@/notice.txt", file, strlen(file));
        config = load_good(VALID "[remedy]\nnotice = @/notice.txt\n");
        ck_assert_str_eq(config->notice_text, file);
        config_free(config);
        if (access(STORESCAN_CONFDIR "/notice.txt", F_OK) == 0)
                return;
        config = load_good(VALID);
        ck_assert_str_eq(config->notice_text, file);
        config_free(config);
}
END_TEST

int main(void) {
        const TTest *const tests[] = { man_page,           restart_keys,        shipped_file,
                                       shipped_file_loads, shown_defaults_load, example_loads,
                                       shipped_notice };
        Suite *suite = suite_create("config-docs");
        TCase *tcase = tcase_create("config-docs");

        tcase_add_checked_fixture(tcase, make_root, remove_root);
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
