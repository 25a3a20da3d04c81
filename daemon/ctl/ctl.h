/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * storescanctl: what its verbs share. Each verb is one function, named by the table in ctl.c from
 * which help, the man page and the completion are checked.
 */

#include <stdbool.h>

/* Exit statuses, documented in storescanctl(1). The worst of all arguments is returned. */
enum {
        STATUS_OK = 0,
        STATUS_FOUND =
                1, /* the answer is not a good one: no stamp, not valid, not clean, mistakes */
        STATUS_ERROR = 2, /* no answer: usage, permission, I/O */
};

struct ctl {
        bool json;               /* one object a line, stable keys */
        const char *type, *keys; /* of a key; folder of keys. NULL: not given */
};

/* args are the n words behind the verb. Return a STATUS_*. */
typedef int verb_func(const struct ctl *ctl, char **args, int n);

verb_func verb_stamp_show;
verb_func verb_stamp_verify;
verb_func verb_stamp_clear;
verb_func verb_key_generate;
verb_func verb_key_list;
verb_func verb_key_public;
