/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The lines of a program's tables of verbs and options, from which it runs, prints its help and
 * completes command lines. */

#include <getopt.h>

struct ctl;

/* args are the n words behind the verb. Returns an exit status. */
typedef int verb_func(const struct ctl *ctl, char **args, int n);

struct verb {
        const char *name, *sub; /* "stamp", "show"; sub is NULL for verbs of one word */
        /* "ID [FILE]", "STORE...": what can be proposed for each is known by its name (complete.h). */
        const char *args, *help;
        int min_args, max_args;
        unsigned takes; /* of the options' bits */
        verb_func *run;
};

struct verb_option {
        struct option option;
        const char *argument; /* NULL: none */
        unsigned takes;       /* the bits of verbs that take it; 0: all do */
        const char *help;
};
