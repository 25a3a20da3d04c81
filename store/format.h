/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Store formats: which files of a store hold mail. Decided by place, never by name alone, since on
 * some formats a mail user chooses names (an mbox may be called dovecot.index.cache).
 */

#include <stdbool.h>
#include <stddef.h>

enum store_kind { STORE_KIND_MAILBOX, STORE_KIND_PUBLIC_FOLDER, _STORE_KIND_MAX };

enum store_format {
        STORE_FORMAT_MAILDIR, /* Maildir, Maildir++ and LAYOUT=fs: one message a file */
        _STORE_FORMAT_MAX
};

enum place {
        PLACE_ITEM,        /* holds mail: judge it */
        PLACE_IN_PROGRESS, /* being delivered, no reader is sent there: allow, judge it once moved */
        PLACE_CONTROL, /* index, log, lock, control file: allow at once, never stamp, never deny */
};

/* Where in a store of this format a path is. path is relative to the store's root, without a
 * leading slash: "user/Maildir/cur/1795470147.M1P2.vm:2,S". */
enum place format_place(enum store_format format, const char *path);

/* The same for a path whose store root is not known (the opener came through another mount
 * namespace or a bind mount, or by file handle): absolute, or any text the kernel gave. What is
 * not positively recognised as control is an ITEM. */
enum place format_place_unrooted(enum store_format format, const char *path);

/* Stable words of the configuration file; "invalid" when out of range. */
const char *store_kind_name(enum store_kind kind);
const char *store_format_name(enum store_format format);

/* The value of a word, or -EINVAL. */
int store_kind_from_name(const char *name);
int store_format_from_name(const char *name);
