/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the configuration share and nobody else may use, tests excepted: the key
 * table, the object under construction, where mistakes are written.
 *
 *     config.c        which files, in which order; the object's life; messages
 *     config-read.c   one file: lines, sections, keys
 *     config-keys.c   the key table, texts to values and back
 *     config-hub.c    values that only [hub] has
 *     config-notice.c the file that [remedy] notice names
 *     config-rescan.c values that say what is scanned again, and when
 *     config-sweep.c  values that only [sweep] has, and what stores inherit of them
 *     config-table.c  finding keys, sections, values and origins
 *     config-reload.c  from one configuration to the next
 *     config-print.c  the object as a file again
 *     config-allow.c  the list of [allow]
 *     config-clamd.c  the addresses of [scanner] clamd
 *     config-check.c  what can only be judged once all files are read
 *     config-formats.c  what format = auto stands for
 */

#include <stdarg.h>

#include "daemon/config.h"

#define STORES_MAX      1000
#define STORE_NAME_MAX  64
#define CONFIG_FILE_MAX (1U << 20)

enum config_section {
        SECTION_SCANNER,
        SECTION_STAMP,
        SECTION_GATE,
        SECTION_CACHE,
        SECTION_QUARANTINE,
        SECTION_REMEDY,
        SECTION_ALLOW,
        SECTION_SWEEP,
        SECTION_HUB,
        SECTION_STORE,
        _SECTION_MAX
};

/* The word in [brackets]. */
const char *config_section_word(enum config_section section);

/* ---- Keys ---- */

#define CONFIG_TEXT_MAX 48 /* of a value that is not a path */

struct config_key {
        enum config_section section;
        const char *name;
        const char *type;         /* what it takes, for people */
        const char *default_text; /* NULL: must be set */
        const char *help;

        /* Reads text into field, which keeps its value on failure. 0; -EINVAL with the problem
         * said; -ENOMEM. */
        int (*parse)(const struct config_key *key, const char *text, void *field,
                     char ret_problem[static CONFIG_PROBLEM_MAX]);
        /* The text of field: in buffer, or field's own; parse() of it gives field again. */
        const char *(*text)(const struct config_key *key, const void *field,
                            char buffer[static CONFIG_TEXT_MAX]);
        size_t offset; /* in struct config, or, in [store NAME], in struct config_store */

        uint64_t min, max;             /* of numbers, sizes and durations */
        const char *(*word)(unsigned); /* of enumerations: NULL behind the last */
        bool has_auto;                 /* the word "auto", of a number: 0 */

        /* What a change takes while storescand runs; neither: it counts at once. */
        bool restart;  /* a restart */
        bool engine;   /* another engine */
        bool inherits; /* takes "inherit": the value of [scanner] counts */
        bool list;     /* may be set more than once: each adds words */
        /* Of a store's sweep_KEY: the key of [sweep] whose value counts where it says "inherit". */
        const char *inherits_of;
};

extern const struct config_key config_global_keys[], config_store_keys[];
extern const size_t config_n_global_keys, config_n_store_keys;

/* The key of a section by its name; NULL when there is none. */
const struct config_key *config_key_find(enum config_section section, const char *name);

/* The same in any section: for hints. */
const struct config_key *config_key_find_anywhere(const char *name);

/* The key of the section whose name is nearest to name; NULL when none is near. */
const struct config_key *config_key_near(enum config_section section, const char *name);

/* Whether two words differ so little that one may be the other, mistyped. */
bool config_words_near(const char *a, const char *b);

/* Where a key's value lives; store is ignored outside of [store NAME]. */
void *config_key_field(const struct config *config, const struct config_key *key, size_t store);

/* A hint behind a complaint on a value that may hold a comment; "" for others. */
const char *config_hash_hint(const char *text);

/* What config_key.parse says: fills in the problem; -EINVAL. */
int config_problem(char problem[static CONFIG_PROBLEM_MAX], const char *format, ...) _printf_(2, 3);

/* Replaces a text. 0 or -ENOMEM. */
int config_set_text(char **field, const char *text);

/* parse() of values that only [hub] has; see config-hub.c. */
int config_parse_socket(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]);
int config_parse_networks(const struct config_key *key, const char *text, void *field,
                          char ret_problem[static CONFIG_PROBLEM_MAX]);
int config_parse_patterns(const struct config_key *key, const char *text, void *field,
                          char ret_problem[static CONFIG_PROBLEM_MAX]);
int config_parse_key_id(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]);

/* parse() and text() of what is scanned again; see config-rescan.c. */
int config_parse_rescan(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]);
const char *config_text_rescan(const struct config_key *key, const void *field,
                               char buffer[static CONFIG_TEXT_MAX]);
int config_parse_until(const struct config_key *key, const char *text, void *field,
                       char ret_problem[static CONFIG_PROBLEM_MAX]);
const char *config_text_until(const struct config_key *key, const void *field,
                              char buffer[static CONFIG_TEXT_MAX]);

/* parse() of addresses; see config-clamd.c. */
int config_parse_clamd(const struct config_key *key, const char *text, void *field,
                       char ret_problem[static CONFIG_PROBLEM_MAX]);

/* What workers = auto stands for, which other keys say. */
void config_resolve_workers(struct config *config);

/* parse() of a list that each line adds to; see config-allow.c. */
int config_parse_signatures(const struct config_key *key, const char *text, void *field,
                            char ret_problem[static CONFIG_PROBLEM_MAX]);

/* A duration within the key's range. */
int config_parse_duration(const struct config_key *key, const char *text, void *field,
                          char ret_problem[static CONFIG_PROBLEM_MAX]);
const char *config_text_duration(const struct config_key *key, const void *field,
                                 char buffer[static CONFIG_TEXT_MAX]);
/* parse() and text() of values that only [sweep] has, and of the keys of stores that inherit them; see
 * config-sweep.c. */
int config_parse_window(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]);
const char *config_text_window(const struct config_key *key, const void *field,
                               char buffer[static CONFIG_TEXT_MAX]);
int config_parse_inheriting(const struct config_key *key, const char *text, void *field,
                            char ret_problem[static CONFIG_PROBLEM_MAX]);
const char *config_text_inheriting(const struct config_key *key, const void *field,
                                   char buffer[static CONFIG_TEXT_MAX]);

/* ---- Origins ---- */

struct config_origin {
        char *file;    /* NULL: default */
        unsigned line; /* 0: the file as a whole */
        char *text;    /* the value as written */
        bool refused;  /* it was complained about: the key still has the value before */
};

/* The origin of a key. Moves when a store is added. */
struct config_origin *config_origin_of(const struct config *config, const struct config_key *key,
                                       size_t store);

/* The origin of a store: its first section line. Moves likewise. */
struct config_origin *config_origin_of_store(const struct config *config, size_t store);

/* A new origin, not refused. 0 or -ENOMEM. text may be NULL. */
int config_origin_set(struct config_origin *origin, const char *file, unsigned line,
                      const char *text);

/* ---- The object under construction ---- */

struct config_builder {
        struct config *config; /* owned */
        FILE *errors;
        size_t n_errors;
        bool no_memory;
        bool hub;    /* stores are not ours to look at */
        bool former; /* it was in force: what is not there now, or is something else, may come back */
        /* A file or a section was refused, and what it set is unknown: nothing is missed then. */
        bool incomplete;
        char *main_file; /* owned: where mistakes in defaults are reported; NULL: none read */
};

int config_builder_init(struct config_builder *b, FILE *errors);
void config_builder_done(struct config_builder *b);

/* Adds a store with default values; its index in *ret. 0 or -ENOMEM. */
int config_add_store(struct config *config, const char *name, size_t *ret);

/* Writes text with its control characters as \xNN, and returns how many characters that makes.
 * With out NULL: only that. Paths and values are anybody's text: nothing of them may look like a
 * line of its own, or command a terminal. */
size_t config_put_escaped(const char *text, FILE *out);

/* Writes the line "FILE:LINE: [SECTION] KEY: MESSAGE." and counts it. Parts that are NULL or 0 are
 * left out; control characters are escaped, so that it stays one line. */
void config_error(struct config_builder *b, const char *file, unsigned line, const char *section,
                  const char *key, const char *format, ...) _printf_(6, 7);

/* Text between the brackets: "scanner", "store NAME". */
#define CONFIG_LABEL_MAX (STORE_NAME_MAX + 16)
const char *config_label(const struct config *config, enum config_section section, size_t store,
                         char buffer[static CONFIG_LABEL_MAX]);

/* Reads one text into the object. 0, also after mistakes; -ENOMEM. */
int config_read_text(struct config_builder *b, const char *file, const char *data, size_t size);

/* Judges the whole. Mistakes are counted. 0 or -ENOMEM. */
int config_check(struct config_builder *b);

/* Reads and checks the notice's template; the built-in one where there is none. Mistakes are counted. 0
 * or -ENOMEM. */
int config_read_notice(struct config_builder *b);

/* Whether a value's text can stand in a file, and is read as it is. A resolved path may hold anything. */
bool config_can_be_written(const struct config_key *key, const char *text);

/* ": found mdbox, by '/srv/mail/a/storage/m.1'", of a store of format = auto that was looked into;
 * else NULL, without memory too. Owned by the caller. */
char *config_format_found(const struct config_store *store);

/* ---- Entry points for tests ---- */

/* config_load(NULL) with another folder than STORESCAN_CONFDIR. */
int config_load_dir(const char *confdir, FILE *errors, struct config **ret);

/* config_load() of a text that comes from no file; name stands for the file in messages. */
int config_load_text(const char *name, const char *data, size_t size, FILE *errors,
                     struct config **ret);
