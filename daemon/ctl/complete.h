/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What could stand where the cursor is in a command line, for the completion of shells. They run
 * "PROGRAM --complete WORD...", with all words behind the program's name up to the one that the cursor is
 * in, and get one proposal a line: the word and, behind a tab, what it is. COMPLETE_FILES stands for names
 * of files, which shells know better.
 */

#include <stddef.h>

#include "daemon/ctl/verbs.h"

#define COMPLETE_OPTION "--complete"
#define COMPLETE_FILES  ":files"

struct complete {
        const struct verb *verbs;
        size_t n_verbs;
        const struct verb_option *options;
        size_t n_options;
        /* Proposes what there is of a kind, such as "STORE", for a verb or (NULL) an option. May be NULL. */
        void (*values)(const struct complete *complete, const struct verb *verb, const char *kind);

        /* Set by complete_run(). */
        const char *begun;  /* what is there of the word */
        const char *config; /* the value of --config before it; NULL: none */
};

void complete_run(struct complete *complete, char **words, int n);

/* Proposes a word, unless another one was begun. what: may be empty. */
void complete_word(const struct complete *complete, const char *word, const char *what);
