/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration as a file again, which loads to the same values, and the key table for
 * documentation. Reads the object only.
 */

#include "daemon/config-private.h"

#include <ctype.h>
#include <ini.h>

#include "daemon/proto.h"

/* inih's shortest line, less newline and NUL: what every build of it can read. */
#define LINE_LENGTH_MAX (INI_MAX_LINE - 2)

/* Whether inih would give the text back as it is. */
bool config_can_be_written(const struct config_key *key, const char *text) {
        size_t n = strlen(text);

        if (strlen(key->name) + strlen("=") + n > LINE_LENGTH_MAX ||
            (n > 0 && isspace((unsigned char)text[n - 1])))
                return false;
        for (size_t i = 0; i < n; i++)
                if (iscntrl((unsigned char)text[i]) || (text[i] == ' ' && text[i + 1] == ';'))
                        return false;
        return true;
}

/* "default" or "FILE:LINE", and behind it what was found; returns the length. With out NULL: only
 * that. */
static size_t put_origin(const struct config_origin *origin, const char *found, FILE *out) {
        char line[16];
        size_t n = 0;

        if (origin->file) {
                (void)snprintf(line, sizeof(line), ":%u", origin->line);
                n = config_put_escaped(origin->file, out) + config_put_escaped(line, out);
        } else
                n = config_put_escaped("default", out);
        return n + config_put_escaped(found, out);
}

static void put_value(const struct config *config, const struct config_key *key, size_t store,
                      const char *text, FILE *out) {
        const struct config_origin *origin = config_origin_of(config, key, store);
        _cleanup_free_ char *found = NULL;
        size_t length;

        if (key->section == SECTION_STORE && streq(key->name, "format"))
                found = config_format_found(&config->stores[store]);

        /* As it was configured it stands in a file that could be read, and resolves to the same. */
        if (origin->text && !key->list && !config_can_be_written(key, text))
                text = origin->text;

        length = strlen(key->name) + strlen(" = ") + strlen(text);
        if (length + strlen(" ; ") + put_origin(origin, found ?: "", NULL) <= LINE_LENGTH_MAX) {
                (void)fprintf(out, "%s = %s ; ", key->name, text);
                (void)put_origin(origin, found ?: "", out);
                (void)fputc('\n', out);
                return;
        }
        (void)fputs("; ", out); /* comments on lines of their own may have any length */
        (void)put_origin(origin, found ?: "", out);
        (void)fprintf(out, "\n%s%s%s\n", key->name, length <= LINE_LENGTH_MAX ? " = " : "=", text);
}

/* Of a list, word by word: all together may be more than a line. */
static void put_key(const struct config *config, const struct config_key *key, size_t store,
                    FILE *out) {
        char buffer[CONFIG_TEXT_MAX], word[PROTO_SIGNATURE_MAX];
        const char *text = key->text(key, config_key_field(config, key, store), buffer);

        if (!key->list) {
                put_value(config, key, store, text, out);
                return;
        }
        while (*(text += strspn(text, " \t"))) {
                size_t n = strcspn(text, " \t");

                (void)snprintf(word, sizeof(word), "%.*s", (int)n, text);
                put_value(config, key, store, word, out);
                text += n;
        }
}

static void put_section(const struct config *config, enum config_section section, size_t store,
                        FILE *out) {
        bool in_store = section == SECTION_STORE;
        const struct config_key *keys = in_store ? config_store_keys : config_global_keys;
        size_t n = in_store ? config_n_store_keys : config_n_global_keys;
        char label[CONFIG_LABEL_MAX];

        (void)fprintf(out, "[%s]\n", config_label(config, section, store, label));
        for (size_t i = 0; i < n; i++)
                if (keys[i].section == section)
                        put_key(config, &keys[i], store, out);
}

void config_print(const struct config *config, FILE *out) {
        for (enum config_section s = 0; s < SECTION_STORE; s++) {
                put_section(config, s, 0, out);
                (void)fputc('\n', out);
        }
        for (size_t i = 0; i < config->n_stores; i++) {
                if (i > 0)
                        (void)fputc('\n', out);
                put_section(config, SECTION_STORE, i, out);
        }
}

int config_text(const struct config *config, char **ret, size_t *ret_size) {
        _cleanup_free_ struct config_store *stores = calloc(config->n_stores + 1, sizeof(*stores));
        struct config found = *config;
        FILE *out;

        if (!stores)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_stores; i++) {
                stores[i] = config->stores[i];
                if (stores[i].format_by)
                        stores[i].format_choice = stores[i].format;
                stores[i].format_by = NULL;
        }
        found.stores = stores;
        out = open_memstream(ret, ret_size);
        if (!out)
                return -ENOMEM;
        config_print(&found, out);
        if (fclose(out) == 0)
                return 0;
        free(*ret);
        *ret = NULL;
        return -ENOMEM;
}

bool config_key(size_t index, struct config_key_info *ret) {
        const struct config_key *key;

        if (index >= config_n_global_keys + config_n_store_keys)
                return false;
        key = index < config_n_global_keys ? &config_global_keys[index]
                                           : &config_store_keys[index - config_n_global_keys];
        *ret = (struct config_key_info){
                .section = config_section_word(key->section),
                .key = key->name,
                .type = key->type,
                .default_text = key->default_text ? key->default_text : "",
                .help = key->help,
        };
        return true;
}
