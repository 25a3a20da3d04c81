/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The notice that stands where something infected was: a template of the admin's, in which variables
 * are put in. Pure: who reads the template's file, and makes the values, is the caller.
 *
 *   %{signature} %{item} %{sender} %{date} %{host}   the values; "-" where there is none
 *   %%                                               a percent sign
 *
 * The first line counts most: where there is little room, it is all that is shown.
 */

#include <stddef.h>

#define NOTICE_TEMPLATE_MAX ((size_t)4096)
#define NOTICE_VALUE_MAX    200 /* of each value, in bytes; the rest is cut off */

/* Hostile text of any kind; NULL: there is none. */
struct notice_values {
        const char *signature, *item, *sender, *date, *host;
};

struct notice_error {
        unsigned line;    /* from 1; 0: the template as a whole */
        const char *text; /* static; what is wrong and what would be right, without a full stop */
};

/* Checks a template, as notice_new() would. 0 or -EINVAL, with *ret_error set. */
int notice_check(const char *template, size_t size, struct notice_error *ret_error);

/* The notice: valid UTF-8, printable but for the ends of lines ("\n", also of the last one), in which
 * every value is of one line. 0, -ENOMEM or, with *ret_error set, -EINVAL. */
int notice_new(const char *template, size_t size, const struct notice_values *values, char **ret,
               struct notice_error *ret_error);
