/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Looking things up: keys and sections by their names, or by names near to them, and where the
 * value and the origin of a key lie. Owns no state.
 */

#include "daemon/config-private.h"

#include <assert.h>

#define WORD_MAX 32 /* longer words are near to none */

const char *config_section_word(enum config_section section) {
        static const char *const words[] = {
                [SECTION_SCANNER] = "scanner",
                [SECTION_STAMP] = "stamp",
                [SECTION_GATE] = "gate",
                [SECTION_CACHE] = "cache",
                [SECTION_QUARANTINE] = "quarantine",
                [SECTION_REMEDY] = "remedy",
                [SECTION_ALLOW] = "allow",
                [SECTION_SWEEP] = "sweep",
                [SECTION_HUB] = "hub",
                [SECTION_STORE] = "store",
        };
        static_assert(ELEMENTSOF(words) == _SECTION_MAX, "a word for every section");

        return words[section];
}

const char *config_label(const struct config *config, enum config_section section, size_t store,
                         char buffer[static CONFIG_LABEL_MAX]) {
        if (section != SECTION_STORE)
                return config_section_word(section);
        (void)snprintf(buffer, CONFIG_LABEL_MAX, "%s %s", config_section_word(section),
                       config->stores[store].name);
        return buffer;
}

/* The next key of a section behind previous (NULL: its first key). */
static const struct config_key *next_key(enum config_section section,
                                         const struct config_key *previous) {
        bool store = section == SECTION_STORE;
        const struct config_key *keys = store ? config_store_keys : config_global_keys;
        size_t n = store ? config_n_store_keys : config_n_global_keys;

        for (const struct config_key *k = previous ? previous + 1 : keys; k < keys + n; k++)
                if (k->section == section)
                        return k;
        return NULL;
}

const struct config_key *config_key_find(enum config_section section, const char *name) {
        const struct config_key *key = NULL;

        while ((key = next_key(section, key)))
                if (streq(key->name, name))
                        return key;
        return NULL;
}

const struct config_key *config_key_find_anywhere(const char *name) {
        const struct config_key *key = config_key_find(SECTION_STORE, name);

        /* Stores have most sections, and share names with the hub. */
        for (enum config_section s = 0; s < _SECTION_MAX && !key; s++)
                key = config_key_find(s, name);
        return key;
}

/* Levenshtein's distance of words of at most WORD_MAX characters. */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b) {
        unsigned row[WORD_MAX + 1];

        for (size_t j = 0; j <= n_b; j++)
                row[j] = (unsigned)j;
        for (size_t i = 1; i <= n_a; i++) {
                unsigned diagonal = row[0];

                row[0] = (unsigned)i;
                for (size_t j = 1; j <= n_b; j++) {
                        unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);

                        diagonal = row[j];
                        row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
                }
        }
        return row[n_b];
}

/* How far a mistyped word may be from a known one: every third character. */
static bool near_distance(const char *known, const char *word, unsigned *ret) {
        size_t n_known = strlen(known), n_word = strlen(word);
        unsigned d;

        if (n_known > WORD_MAX || n_word > WORD_MAX)
                return false;
        d = distance(known, n_known, word, n_word);
        if (d > (n_known + 2) / 3)
                return false;
        *ret = d;
        return true;
}

bool config_words_near(const char *known, const char *word) {
        unsigned d;

        return near_distance(known, word, &d);
}

const struct config_key *config_key_near(enum config_section section, const char *name) {
        const struct config_key *key = NULL, *nearest = NULL;
        unsigned d, least = WORD_MAX;

        while ((key = next_key(section, key)))
                if (near_distance(key->name, name, &d) && d < least) {
                        nearest = key;
                        least = d;
                }
        return nearest;
}

void *config_key_field(const struct config *config, const struct config_key *key, size_t store) {
        if (key->section == SECTION_STORE)
                return (char *)&config->stores[store] + key->offset;
        return (char *)(uintptr_t)config + key->offset;
}

/* Origins lie in one array: of each global key; then, for each store, of itself and its keys. */
struct config_origin *config_origin_of_store(const struct config *config, size_t store) {
        return &config->origins[config_n_global_keys + store * (config_n_store_keys + 1)];
}

struct config_origin *config_origin_of(const struct config *config, const struct config_key *key,
                                       size_t store) {
        if (key->section == SECTION_STORE)
                return config_origin_of_store(config, store) + 1 + (key - config_store_keys);
        return &config->origins[key - config_global_keys];
}

int config_origin_set(struct config_origin *origin, const char *file, unsigned line,
                      const char *text) {
        _cleanup_free_ char *file_copy = strdup(file), *text_copy = text ? strdup(text) : NULL;

        if (!file_copy || (text && !text_copy))
                return -ENOMEM;
        free(origin->file);
        free(origin->text);
        *origin = (struct config_origin){
                .file = TAKE_PTR(file_copy),
                .line = line,
                .text = TAKE_PTR(text_copy),
        };
        return 0;
}
