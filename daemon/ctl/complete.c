/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing; writes to standard output. What values there are is for the program to say. */

#include "daemon/ctl/complete.h"

#include <stdio.h>

#include "daemon/ctl/escape.h"
#include "store/util.h"

#define KIND_MAX 16

void complete_word(const struct complete *c, const char *word, const char *what) {
        _cleanup_free_ char *shown = escape_terminal(what, strlen(what));

        if (startswith(word, c->begun))
                printf("%s\t%s\n", word, shown ?: "");
}

static void propose_values(const struct complete *c, const struct verb *verb, const char *kind) {
        if (streq(kind, "PATH") || streq(kind, "FILE") || streq(kind, "FOLDER"))
                puts(COMPLETE_FILES);
        else if (c->values)
                c->values(c, verb, kind);
}

/* ---- Options ---- */

/* The option that has its value in the next word; NULL: the word is none such. */
static const struct verb_option *awaits_value(const struct complete *c, const char *word) {
        for (size_t i = 0; i < c->n_options; i++) {
                const struct verb_option *o = &c->options[i];

                if (o->argument && startswith(word, "--") && streq(word + 2, o->option.name))
                        return o;
        }
        for (const char *letter = word + 1; word[1] != '-' && *letter; letter++)
                for (size_t i = 0; i < c->n_options; i++) {
                        const struct verb_option *o = &c->options[i];

                        if (o->argument && o->option.val == *letter)
                                return letter[1] ? NULL : o;
                }
        return NULL;
}

/* verb: NULL while there is none, and any option may come. */
static void propose_options(const struct complete *c, const struct verb *verb) {
        for (size_t i = 0; i < c->n_options; i++) {
                const struct verb_option *o = &c->options[i];
                char word[32];

                if (verb && o->takes != 0 && !(o->takes & verb->takes))
                        continue;
                (void)snprintf(word, sizeof(word), "--%s", o->option.name);
                complete_word(c, word, o->help);
                (void)snprintf(word, sizeof(word), "-%c", o->option.val);
                complete_word(c, word, o->help);
        }
}

/* ---- Verbs and their arguments ---- */

static const struct verb *find_verb(const struct complete *c, const char *const words[static 2]) {
        for (size_t i = 0; i < c->n_verbs; i++) {
                const struct verb *v = &c->verbs[i];

                if (words[0] && streq(v->name, words[0]) &&
                    (!v->sub || (words[1] && streq(v->sub, words[1]))))
                        return v;
        }
        return NULL;
}

/* A verb of two words is explained by what may come second. */
static void propose_group(const struct complete *c, size_t first) {
        const char *name = c->verbs[first].name;
        char what[128] = "";

        for (size_t i = first; i < c->n_verbs && streq(c->verbs[i].name, name); i++) {
                size_t n = strlen(what);

                (void)snprintf(what + n, sizeof(what) - n, "%s%s", n > 0 ? ", " : "",
                               c->verbs[i].sub);
        }
        complete_word(c, name, what);
}

/* The first word of each verb, once; or the second words behind first. */
static void propose_verbs(const struct complete *c, const char *first) {
        for (size_t i = 0; i < c->n_verbs; i++) {
                const struct verb *v = &c->verbs[i];

                if (first && streq(v->name, first) && v->sub)
                        complete_word(c, v->sub, v->help);
                else if (!first && !v->sub)
                        complete_word(c, v->name, v->help);
                else if (!first && (i == 0 || !streq(v->name, v[-1].name)))
                        propose_group(c, i);
        }
}

/* The name of the argument at a position, as in "ID [FILE]" and "PATH...". False: there is none. */
static bool argument_kind(const char *args, int position, char ret[static KIND_MAX]) {
        while (*args) {
                size_t size = strcspn(args, " ");

                if (position == 0 || memchr(args, '.', size)) {
                        args += strspn(args, "[");
                        (void)snprintf(ret, KIND_MAX, "%.*s", (int)strcspn(args, " ].|"), args);
                        return true;
                }
                position--;
                args += size;
                args += strspn(args, " ");
        }
        return false;
}

static void propose_words(const struct complete *c, const struct verb *verb,
                          const char *const words[static 2], int n) {
        char kind[KIND_MAX];

        if (n == 0)
                propose_verbs(c, NULL);
        else if (!verb && n == 1)
                propose_verbs(c, words[0]);
        else if (verb && argument_kind(verb->args, n - (verb->sub ? 2 : 1), kind))
                propose_values(c, verb, kind);
}

void complete_run(struct complete *c, char **words, int n) {
        const struct verb_option *awaits = NULL;
        const char *plain[2] = {};
        const struct verb *verb;
        bool ended = false; /* by "--" */
        int n_plain = 0;

        if (n == 0)
                return;
        c->begun = words[n - 1];
        for (int i = 0; i < n - 1; i++) {
                if (awaits) {
                        if (streq(awaits->option.name, "config"))
                                c->config = words[i];
                        awaits = NULL;
                } else if (!ended && words[i][0] == '-') {
                        ended = streq(words[i], "--");
                        awaits = awaits_value(c, words[i]);
                } else {
                        if (n_plain < (int)ELEMENTSOF(plain))
                                plain[n_plain] = words[i];
                        n_plain++;
                }
        }
        verb = find_verb(c, plain);
        if (awaits)
                propose_values(c, NULL, awaits->argument);
        else if (!ended && c->begun[0] == '-')
                propose_options(c, verb);
        else
                propose_words(c, verb, plain, n_plain);
}
