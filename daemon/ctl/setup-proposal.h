/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What "storescanctl setup" proposes: stores, and remarks on what it can't propose; and both as text of a
 * configuration. Pure: looks at nothing, so that all of it is tested on texts.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"
#include "store/format.h"
#include "store/util.h"

#define SETUP_NAME_MAX    24
#define SETUP_FORMAT_FIND ((unsigned)_STORE_FORMAT_MAX) /* by a look into it */
#define SETUP_HOMES_MAX   100                           /* that get a store each */

struct setup_store {
        char name[SETUP_NAME_MAX];
        char *path; /* absolute, no slash behind */
        char *from; /* which setting told, on one line */
        enum store_kind kind;
        unsigned format;
        /* Of who has looked at the folder: */
        char *problem;        /* why it can't be guarded yet; NULL: it can */
        bool has_filesystem;  /* of its own */
        const char *known_as; /* the store that guards it already, or is to; NULL: none */
};

struct setup {
        struct setup_store *stores;
        size_t n_stores;
        char **remarks; /* a line each: what is not covered, and what to do about it */
        size_t n_remarks;
        char *hub;   /* what to tell Postfix so that mail is scanned in transit; NULL: nothing */
        char *found; /* "Dovecot, Postfix" */
        bool no_memory;
};

/* What the functions below can't keep is told by no_memory alone. */
void setup_done(struct setup *setup);
void setup_found(struct setup *setup, const char *what);
_printf_(2, 3) void setup_remark(struct setup *setup, const char *format, ...);

/* Proposes a store, unless one of the same format has or holds that folder; "-2" and so on is put behind a
 * name that is taken. from is copied. */
void setup_add(struct setup *setup, const char *name, const char *path, unsigned format,
               enum store_kind kind, const char *from);

/* Compares with the stores that are configured in other files: what they guard is not proposed, and no
 * name of theirs is used for another folder. Their names are kept, not copied. */
void setup_compare(struct setup *setup, const struct config_store *stores, size_t n);

/* The folder above the first variable (%u, %{user}, ...) of an absolute path; "/var/vmail" of
 * "/var/vmail/%d/%n/Maildir". Without a variable the path itself. "" if that is the root. */
char *setup_fixed_part(const char *path);

/* The folder that holds all of these; "" if that is the root. NULL: no memory. */
char *setup_common_folder(char *const *paths, size_t n);

/* Its format, or "auto". */
const char *setup_format_word(const struct setup_store *store);

/* The configuration that is proposed, without the stores that are known. NULL: no memory. */
char *setup_format(const struct setup *setup);

/* How many stores setup_format() has that can be guarded now. */
size_t setup_count(const struct setup *setup);

/* A line is put in front of the text by which it is known again. NULL: no memory. */
char *setup_seal(const char *text);

/* Whether nobody has changed what setup_seal() made. */
bool setup_is_sealed(const char *text, size_t size);
