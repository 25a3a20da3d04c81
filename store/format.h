/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Store formats: which files of a store hold mail, and how many items a file holds. Decided by
 * place and pattern, never by name alone, since on some formats a mail user chooses names (an mbox
 * may be called dovecot.index.cache).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_kind { STORE_KIND_MAILBOX, STORE_KIND_PUBLIC_FOLDER, _STORE_KIND_MAX };

enum store_format {
        STORE_FORMAT_MAILDIR, /* Maildir, Maildir++ and LAYOUT=fs */
        STORE_FORMAT_SDBOX,   /* Dovecot: u.1, u.2, ... in dbox-Mails; also its ALT storage */
        STORE_FORMAT_MDBOX,   /* Dovecot: m.1, m.2, ... in storage; also its ALT storage */
        STORE_FORMAT_MBOX,    /* any file is a mailbox: mail roots and spools such as /var/mail */
        STORE_FORMAT_CYRUS,   /* a partition of Cyrus IMAP: 1., 2., ... */
        STORE_FORMAT_MH,      /* 1, 2, ... and, deleted, ",1" */
        STORE_FORMAT_SIS,     /* Dovecot's mail_attachment_dir: decoded attachments */
        STORE_FORMAT_FILES,   /* any file is an item: blobs of Zimbra, attachments of Kopano */
        _STORE_FORMAT_MAX
};

/* How many items a store file holds. */
enum items {
        ITEMS_ONE,  /* the file is the item, and once named it is not appended to */
        ITEMS_MANY, /* mbox, mdbox: mail is appended to a file that others have open */
};

enum place {
        PLACE_ITEM,        /* holds mail: judge it */
        PLACE_IN_PROGRESS, /* being delivered, no reader is sent there: allow, judge it once moved */
        PLACE_CONTROL, /* index, log, lock, control file: allow at once, never stamp, never deny */
};

/* Where in a store of this format a file of size bytes is. path begins with the name of the store's
 * root, without a leading slash, "mail/user/Maildir/cur/1795470147.M1P2.vm:2,S", since a root may be
 * the very folder that a rule speaks of. The size tells locks from mailboxes that have the name of
 * one; a file that grows has to be asked for again. */
enum place format_place(enum store_format format, const char *path, uint64_t size);

/* The same for a path whose store root is not known (the opener came through another mount
 * namespace or a bind mount, or by file handle): absolute, or any text the kernel gave. What is
 * not positively recognised as control is an ITEM. */
enum place format_place_unrooted(enum store_format format, const char *path, uint64_t size);

enum items format_items(enum store_format format);

/* Whether items are messages, so that their digest is that of the canonical form; else they are
 * other content (decoded attachments, any file), where every byte counts. */
bool format_is_mail(enum store_format format);

/* ---- Recognising a format ---- */

struct format_guess {
        enum store_format format;
        size_t by; /* index of the first path that told */
};

/* Which format the paths of a store, in part or all of them, speak for: as for format_place(),
 * folders with a slash behind. Returns 0; -ENOENT: they speak for none; -ENOTUNIQ: for two, ret[0]
 * and ret[1]. mbox is recognised by Dovecot's indexes only, and files only as a volume of Zimbra. */
int format_guess(const char *const *paths, size_t n, struct format_guess ret[static 2]);

/* ---- Words ---- */

/* Stable words of the configuration file; "invalid" when out of range. */
const char *store_kind_name(enum store_kind kind);
const char *store_format_name(enum store_format format);

/* The value of a word, or -EINVAL. */
int store_kind_from_name(const char *name);
int store_format_from_name(const char *name);
