/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One file of the configuration, read by libinih, which splits keys, values and comments. Lines,
 * their numbers and the sections are kept here, since inih cuts long lines and section names
 * without a word, tells nothing of a section without keys, names the first syntax error only, and
 * passes line numbers or not depending on how it was built.
 *
 * Owns the place in the text while it is read. Must not open files nor compare keys with each
 * other: a value is judged alone here.
 */

#include "daemon/config-private.h"

#include <ctype.h>
#include <ini.h>

#define QUOTED_MAX 60 /* of a line that is not understood */

enum reader_state {
        READER_OUTSIDE, /* before the first section */
        READER_INSIDE,  /* of the section that section and store name */
        READER_IGNORED, /* in a section that was complained about: its keys can't be judged */
};

struct reader {
        struct config_builder *b;
        const char *file;

        const char *next, *end; /* what is not read yet */
        unsigned line;          /* number of the last line read */

        /* The line that inih has got and should make a key of. */
        const char *pending;
        size_t pending_size;

        enum reader_state state;
        enum config_section section;
        size_t store;
};

static void trim(const char **p, size_t *n) {
        while (*n > 0 && isspace((unsigned char)(*p)[0])) {
                (*p)++;
                (*n)--;
        }
        while (*n > 0 && isspace((unsigned char)(*p)[*n - 1]))
                (*n)--;
}

/* ---- Sections ---- */

_printf_(3, 4) static void section_error(struct reader *r, const char *heading, const char *format,
                                         ...) {
        char text[CONFIG_PROBLEM_MAX];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        config_error(r->b, r->file, r->line, heading, NULL, "%s", text);
}

static void unknown_section(struct reader *r, const char *heading, const char *word) {
        for (enum config_section s = 0; s < _SECTION_MAX; s++)
                if (config_words_near(config_section_word(s), word)) {
                        section_error(r, heading, "unknown section; perhaps [%s%s] is meant",
                                      config_section_word(s), s == SECTION_STORE ? " NAME" : "");
                        return;
                }
        section_error(r, heading,
                      "unknown section; there are [scanner], [stamp], [gate], [cache], "
                      "[quarantine], [remedy], [allow], [sweep], [hub] and [store NAME]");
}

/* Finds or adds the store. False: its name was complained about, or there is no memory. */
static bool enter_store(struct reader *r, const char *heading, const char *name) {
        struct config *config = r->b->config;
        size_t n = strlen(name);

        if (n == 0) {
                section_error(r, heading, "store without a name; write [store NAME]");
                return false;
        }
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i])) {
                        section_error(r, heading,
                                      "a store can't be named '%s'; use A-Z a-z 0-9 _ . - only",
                                      name);
                        return false;
                }
        if (n > STORE_NAME_MAX) {
                section_error(r, heading, "name of %zu characters; shorten it to %d", n,
                              STORE_NAME_MAX);
                return false;
        }

        for (r->store = 0; r->store < config->n_stores; r->store++)
                if (streq(config->stores[r->store].name, name))
                        return true;
        if (config->n_stores >= STORES_MAX) {
                section_error(r, heading, "more than %d stores; join some of them", STORES_MAX);
                return false;
        }
        if (config_add_store(config, name, &r->store) < 0 ||
            config_origin_set(config_origin_of_store(config, r->store), r->file, r->line, NULL) <
                    0) {
                r->b->no_memory = true;
                return false;
        }
        return true;
}

/* heading: what is between the brackets, trimmed. */
static enum reader_state enter_section(struct reader *r, char *heading) {
        _cleanup_free_ char *word = strdup(heading);
        char *name;

        if (!word) {
                r->b->no_memory = true;
                return READER_IGNORED;
        }
        name = word + strcspn(word, " \t");
        if (*name) {
                *name++ = '\0';
                name += strspn(name, " \t");
        }

        for (r->section = 0; r->section < _SECTION_MAX; r->section++)
                if (streq(config_section_word(r->section), word))
                        break;
        if (r->section == _SECTION_MAX) {
                unknown_section(r, heading, word);
                return READER_IGNORED;
        }
        if (r->section == SECTION_STORE)
                return enter_store(r, heading, name) ? READER_INSIDE : READER_IGNORED;
        if (*name) {
                section_error(r, heading, "takes no name; write [%s]", word);
                return READER_IGNORED;
        }
        return READER_INSIDE;
}

/* line: trimmed, begins with '['. */
static enum reader_state read_section(struct reader *r, const char *line, size_t n) {
        const char *close = memchr(line, ']', n), *rest, *start = line + 1;
        _cleanup_free_ char *heading = NULL;
        size_t size;

        if (!close) {
                config_error(r->b, r->file, r->line, NULL, NULL,
                             "'%.*s' has no closing bracket; write [SECTION]",
                             (int)MIN(n, (size_t)QUOTED_MAX), line);
                return READER_IGNORED;
        }

        size = (size_t)(close - start);
        trim(&start, &size);
        heading = strndup(start, size);
        if (!heading) {
                r->b->no_memory = true;
                return READER_IGNORED;
        }

        rest = close + 1;
        size = (size_t)(line + n - rest);
        trim(&rest, &size);
        if (size > 0 && *rest != ';' && *rest != '#') {
                section_error(r, heading, "text behind the bracket; write '%.*s' on its own line",
                              (int)MIN(size, (size_t)QUOTED_MAX), rest);
                return READER_IGNORED;
        }
        return enter_section(r, heading);
}

/* ---- Keys ---- */

static void unknown_key(struct reader *r, const char *label, const char *name) {
        const struct config_key *near = config_key_near(r->section, name),
                                *elsewhere = config_key_find_anywhere(name);

        if (elsewhere)
                config_error(r->b, r->file, r->line, label, name,
                             "unknown key here; it belongs into [%s%s]",
                             config_section_word(elsewhere->section),
                             elsewhere->section == SECTION_STORE ? " NAME" : "");
        else if (near)
                config_error(r->b, r->file, r->line, label, name,
                             "unknown key; perhaps %s is meant", near->name);
        else
                config_error(r->b, r->file, r->line, label, name,
                             "unknown key; storescan.conf(5) lists the keys of [%s]",
                             config_section_word(r->section));
}

static int read_key(struct reader *r, const char *name, const char *value) {
        char problem[CONFIG_PROBLEM_MAX], label_buffer[CONFIG_LABEL_MAX];
        const char *label = config_label(r->b->config, r->section, r->store, label_buffer);
        const struct config_key *key = config_key_find(r->section, name);
        struct config_origin *origin;
        int k;

        if (!key) {
                unknown_key(r, label, name);
                return 0;
        }

        origin = config_origin_of(r->b->config, key, r->store);
        if (origin->file && streq(origin->file, r->file) && !key->list) {
                config_error(r->b, r->file, r->line, label, name,
                             "set already in line %u; remove one of the two", origin->line);
                return 0;
        }
        k = config_origin_set(origin, r->file, r->line, value);
        if (k < 0)
                return k;

        if (!*value) {
                origin->refused = true;
                if (key->default_text)
                        config_error(r->b, r->file, r->line, label, name,
                                     "has no value; write one (%s), or remove the line for the "
                                     "default, %s",
                                     key->type, key->default_text);
                else
                        config_error(r->b, r->file, r->line, label, name,
                                     "has no value; write one (%s)", key->type);
                return 0;
        }

        k = key->parse(key, value, config_key_field(r->b->config, key, r->store), problem);
        if (k != -EINVAL)
                return k;
        origin->refused = true;
        config_error(r->b, r->file, r->line, label, name, "%s%s", problem, config_hash_hint(value));
        return 0;
}

/* Called by inih for the line that next_line() has just given it. */
static int on_key(void *user, const char *section, const char *name, const char *value) {
        struct reader *r = user;

        r->pending = NULL;
        if (!*name)
                config_error(r->b, r->file, r->line, NULL, NULL,
                             "no key in front of the '='; write KEY = VALUE");
        else if (r->state == READER_INSIDE) {
                if (read_key(r, name, value) < 0)
                        r->b->no_memory = true;
        } else if (r->state == READER_OUTSIDE)
                config_error(r->b, r->file, r->line, NULL, name,
                             "key before the first section; put it below its [SECTION]");
        return 1;
}

/* ---- Lines ---- */

/* inih called on_key() for the line before, or it saw no key in it. */
static void settle_pending(struct reader *r) {
        if (!r->pending)
                return;
        config_error(r->b, r->file, r->line, NULL, NULL,
                     "'%.*s' is not understood; write KEY = VALUE, or # in front of a comment",
                     (int)MIN(r->pending_size, (size_t)QUOTED_MAX), r->pending);
        r->pending = NULL;
}

/* A line that inih can't take still sets its key, to a value that is refused: the key is neither
 * missing, nor may it be set again. */
static void refuse_long_line(struct reader *r, const char *line, size_t n, size_t max) {
        struct config_origin *origin = NULL;
        const struct config_key *key = NULL;
        char name[32];

        config_error(r->b, r->file, r->line, NULL, NULL,
                     "line of %zu characters; shorten it to %zu (a long path by a symbolic link)",
                     n, max);
        (void)snprintf(name, sizeof(name), "%.*s", (int)MIN(n, sizeof(name) - 1), line);
        name[strcspn(name, "=: \t")] = '\0';
        if (r->state == READER_INSIDE)
                key = config_key_find(r->section, name);
        if (!key)
                return;
        origin = config_origin_of(r->b->config, key, r->store);
        if (config_origin_set(origin, r->file, r->line, NULL) < 0)
                r->b->no_memory = true;
        origin->refused = true;
}

/* Judges a trimmed line. True: it is for inih to split. */
static bool take_line(struct reader *r, const char *line, size_t n, size_t max) {
        if (n == 0)
                return false;
        if (memchr(line, '\0', n)) {
                config_error(r->b, r->file, r->line, NULL, NULL,
                             "contains a NUL byte; save the file as plain text (UTF-8)");
                r->b->incomplete = true;
                if (*line == '[')
                        r->state = READER_IGNORED;
                return false;
        }
        if (*line == '#' || *line == ';')
                return false;
        if (*line == '[') {
                r->state = read_section(r, line, n);
                if (r->state == READER_IGNORED)
                        r->b->incomplete = true;
                return false;
        }
        if (n > max) {
                refuse_long_line(r, line, n, max);
                return false;
        }
        return true;
}

/* fgets() for inih. Lines come trimmed: inih would take an indented one for the continuation of
 * the value before. What is not for inih becomes an empty line. */
static char *next_line(char *buffer, int size, void *stream) {
        struct reader *r = stream;
        const char *line = r->next, *newline;
        size_t n;

        settle_pending(r);
        if (size < 2 || line == r->end)
                return NULL;

        newline = memchr(line, '\n', (size_t)(r->end - line));
        r->next = newline ? newline + 1 : r->end;
        n = (size_t)((newline ? newline : r->end) - line);
        r->line++;
        if (r->line == 1 && n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
                line += 3; /* UTF-8's byte order mark */
                n -= 3;
        }
        trim(&line, &n);

        if (take_line(r, line, n, (size_t)size - 2)) {
                r->pending = line;
                r->pending_size = n;
                memcpy(buffer, line, n);
        } else
                n = 0;
        memcpy(buffer + n, "\n", 2);
        return buffer;
}

int config_read_text(struct config_builder *b, const char *file, const char *data, size_t size) {
        struct reader r = { .b = b, .file = file, .next = data, .end = data + size };
        int k = ini_parse_stream(next_line, &r, on_key, &r);

        settle_pending(&r);
        return k == -2 || b->no_memory ? -ENOMEM : 0;
}
