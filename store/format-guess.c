/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which format a store has, from names that were seen in it: only such as one server makes and no
 * other does. Must not be asked by the gate: on mbox a mail user can make up any of them, and then
 * there are two answers.
 */

#include "store/format.h"

#include "store/format-places.h"
#include "store/util.h"

#define HEX "0123456789abcdef"

/* Whether the folder at level has a name of two hexadecimal digits. */
static bool folder_is_hex(const char *path, unsigned level) {
        size_t n = 0;
        const char *folder = path_folder(path, level, &n);

        return folder && n == 2 && strspn(folder, HEX) >= 2;
}

/* Messages have longer names than MH gives them. Not indexes that somebody keeps there. */
static bool tells_maildir(const char *path) {
        const char *rest = name_after_digits(path_name(path));

        return (path_folder_is(path, 1, "cur") || path_folder_is(path, 1, "new")) && rest &&
               *rest == '.' && rest[1] != '\0';
}

static bool tells_sdbox(const char *path) {
        return path_folder_is(path, 1, "dbox-Mails") && name_is_dbox(path_name(path), 'u');
}

static bool tells_mdbox(const char *path) {
        return path_folder_is(path, 1, "storage") &&
               (name_is_dbox(path_name(path), 'm') ||
                startswith(path_name(path), "dovecot.map.index"));
}

/* .imap/INBOX/dovecot.index.log. In a Maildir++ and a dbox, .imap is the folder of a mailbox. */
static bool tells_mbox(const char *path) {
        return path_folder_is(path, 2, ".imap") && startswith(path_name(path), "dovecot.index") &&
               !path_folder_is(path, 1, "cur") && !path_folder_is(path, 1, "new") &&
               !path_folder_is(path, 1, "tmp") && !path_folder_is(path, 1, "dbox-Mails");
}

static bool tells_cyrus(const char *path) {
        const char *name = path_name(path), *rest = name_after_digits(name);

        return streq(name, "cyrus.header") || streq(name, "cyrus.index") ||
               (rest && streq(rest, "."));
}

static bool tells_mh(const char *path) {
        return streq(path_name(path), ".mh_sequences");
}

/* ab/cd/HASH-GUID, ab/cd/hashes/HASH */
static bool tells_sis(const char *path) {
        size_t n = strspn(path_name(path), HEX);

        if (path_folder_is(path, 1, "hashes"))
                return n >= 32 && folder_is_hex(path, 2) && folder_is_hex(path, 3);
        return n >= 32 && path_name(path)[n] == '-' && folder_is_hex(path, 1) &&
               folder_is_hex(path, 2);
}

/* A volume of Zimbra: 0/7/msg/0/257-3.msg */
static bool tells_files(const char *path) {
        const char *rest = name_after_digits(path_name(path));

        rest = rest && *rest == '-' ? name_after_digits(rest + 1) : NULL;
        return rest && streq(rest, ".msg") && path_folder_is(path, 2, "msg");
}

static bool (*const tells[_STORE_FORMAT_MAX])(const char *path) = {
        [STORE_FORMAT_MAILDIR] = tells_maildir, [STORE_FORMAT_SDBOX] = tells_sdbox,
        [STORE_FORMAT_MDBOX] = tells_mdbox,     [STORE_FORMAT_MBOX] = tells_mbox,
        [STORE_FORMAT_CYRUS] = tells_cyrus,     [STORE_FORMAT_MH] = tells_mh,
        [STORE_FORMAT_SIS] = tells_sis,         [STORE_FORMAT_FILES] = tells_files,
};

/* Whether a folder cur/ has new/ and tmp/ beside it: a Maildir, though no mail may be in it yet. */
static bool is_maildir(const char *const *paths, size_t n, const char *path) {
        const char *head = path + strlen(path) - strlen("cur/");
        unsigned beside = 0;

        if (head < path || !streq(head, "cur/") || (head > path && head[-1] != '/'))
                return false;
        for (size_t i = 0; i < n; i++)
                if (strncmp(paths[i], path, (size_t)(head - path)) == 0) {
                        const char *rest = paths[i] + (head - path);

                        beside |= streq(rest, "new/") ? 1U : streq(rest, "tmp/") ? 2U : 0U;
                }
        return beside == 3;
}

static bool path_tells(const char *const *paths, size_t n, size_t i, enum store_format format) {
        if (*path_name(paths[i]) == '\0') /* a folder */
                return format == STORE_FORMAT_MAILDIR && is_maildir(paths, n, paths[i]);
        return tells[format](paths[i]);
}

int format_guess(const char *const *paths, size_t n, struct format_guess ret[static 2]) {
        struct format_guess found[2];
        size_t n_found = 0;

        for (size_t i = 0; i < n && n_found < 2; i++)
                for (unsigned f = 0; f < _STORE_FORMAT_MAX && n_found < 2; f++)
                        if ((n_found == 0 || found[0].format != f) &&
                            path_tells(paths, n, i, (enum store_format)f))
                                found[n_found++] = (struct format_guess){ f, i };
        if (n_found == 0)
                return -ENOENT;
        memcpy(ret, found, n_found * sizeof(*found));
        return n_found > 1 ? -ENOTUNIQ : 0;
}
