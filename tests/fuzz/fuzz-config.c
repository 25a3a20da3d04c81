/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text as a configuration: either there are mistakes, each reported in one clean line, or it
 * prints as a file that loads to the same values.
 */

#include <ctype.h>
#include <string.h>

#include "daemon/config-private.h"
#include "tests/fuzz/fuzz.h"

#define NAME "fuzz.conf"

static struct config *load(const char *data, size_t size, char **ret_errors) {
        struct config *config = NULL;
        size_t n;
        FILE *f = open_memstream(ret_errors, &n);
        int r;

        FUZZ_ASSERT(f);
        r = config_load_text(NAME, data, size, f, &config);
        FUZZ_ASSERT(fclose(f) == 0);
        FUZZ_ASSERT(r == 0 || r == -EINVAL);
        FUZZ_ASSERT((r == 0) == (config != NULL));
        FUZZ_ASSERT((r == 0) == (**ret_errors == '\0'));
        return config;
}

/* Each line "fuzz.conf:LINE: ...." or, of the whole, "fuzz.conf: ....". */
static void check_errors(const char *errors, size_t n_lines) {
        while (*errors) {
                const char *newline = strchr(errors, '\n'), *rest = startswith(errors, NAME ":");

                FUZZ_ASSERT(newline && newline[-1] == '.');
                FUZZ_ASSERT(rest);
                if (*rest != ' ') {
                        char *end;
                        unsigned long line = strtoul(rest, &end, 10);

                        FUZZ_ASSERT(line >= 1 && line <= n_lines && startswith(end, ": "));
                }
                for (const char *p = errors; p < newline; p++)
                        FUZZ_ASSERT(!iscntrl((unsigned char)*p));
                errors = newline + 1;
        }
}

static void check_same(const struct config *a, const struct config *b, const struct config_key *key,
                       size_t store) {
        char ta[CONFIG_TEXT_MAX], tb[CONFIG_TEXT_MAX];

        FUZZ_ASSERT(streq(key->text(key, config_key_field(a, key, store), ta),
                          key->text(key, config_key_field(b, key, store), tb)));
}

static void check_round_trip(const struct config *config) {
        char *printed = NULL, *errors = NULL;
        struct config *again;
        size_t size;
        FILE *f = open_memstream(&printed, &size);

        FUZZ_ASSERT(f);
        config_print(config, f);
        FUZZ_ASSERT(fclose(f) == 0);
        again = load(printed, size, &errors);
        FUZZ_ASSERT(again && again->n_stores == config->n_stores);

        for (size_t i = 0; i < config_n_global_keys; i++)
                check_same(config, again, &config_global_keys[i], 0);
        for (size_t s = 0; s < config->n_stores; s++) {
                FUZZ_ASSERT(streq(config->stores[s].name, again->stores[s].name));
                for (size_t i = 0; i < config_n_store_keys; i++)
                        check_same(config, again, &config_store_keys[i], s);
        }
        (void)config_free(again);
        free(printed);
        free(errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;
        struct config *config;
        char *errors = NULL;
        size_t n_lines = 1;

        for (size_t i = 0; i < size; i++)
                n_lines += text[i] == '\n';

        config = load(text, size, &errors);
        if (config)
                check_round_trip(config);
        else
                check_errors(errors, n_lines);
        (void)config_free(config);
        free(errors);
        return 0;
}
