/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is mail, what is on its way, and what is none of our business, by format. Must not open,
 * stat or list anything: the gate asks with nothing but the path that the kernel gave for an event
 * and the size of the file.
 *
 * Two mistakes are possible and not alike. Mail taken for control passes unscanned; control taken
 * for mail is scanned, stamped, and denied when it looks infected or can't be scanned, and a mail
 * server whose indexes are denied stops. So an exception from "mail" needs a name or a place that
 * no mail user can choose, and where servers keep nothing but mail, unknown names are mail.
 */

#include "store/format-places.h"

#include "store/util.h"

/* Of Dovecot, "PID:HOST", is the longest content of a lock that mail programs write: a host's name
 * has at most 64 characters. A mailbox begins with a line of 31 characters and needs headers. */
#define LOCK_SIZE_MAX 80

#define TEMP_PREFIX ".temp." /* of Dovecot, for what it renames when it is whole */

/* ---- Paths ---- */

const char *path_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

const char *path_folder(const char *path, unsigned level, size_t *ret_length) {
        const char *end = path_name(path), *start = NULL;

        for (; level > 0; level--) {
                if (end == path)
                        return NULL;
                start = --end; /* at the slash */
                while (start > path && start[-1] != '/')
                        start--;
                *ret_length = (size_t)(end - start);
                end = start;
        }
        return start;
}

bool path_folder_is(const char *path, unsigned level, const char *name) {
        size_t n = 0;
        const char *folder = path_folder(path, level, &n);

        return folder && n == strlen(name) && memcmp(folder, name, n) == 0;
}

/* Whether the path is below a folder of that name. The first part of a path does not count: that is
 * the store's root, which would then hold nothing else. */
static bool is_below(const char *path, const char *name) {
        size_t n = strlen(name);

        for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
                if (strncmp(p + 1, name, n) == 0 && p[1 + n] == '/')
                        return true;
        return false;
}

const char *name_after_digits(const char *name) {
        size_t n = strspn(name, "0123456789");

        return n > 0 ? name + n : NULL;
}

static bool is_number(const char *name) {
        const char *rest = name_after_digits(name);

        return rest && *rest == '\0';
}

static bool ends_with(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && streq(s + n - m, suffix);
}

static bool has_prefix_of(const char *name, const char *const *prefixes, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (startswith(name, prefixes[i]))
                        return true;
        return false;
}

/* ---- Maildir ---- */

/* Every file in cur/ or new/ is a message, whatever it is called; nothing else is. Folders of
 * LAYOUT=fs can't have these names: Dovecot keeps them for itself. */
enum place maildir_place(const char *path, uint64_t size) {
        if (path_folder_is(path, 1, "cur") || path_folder_is(path, 1, "new"))
                return PLACE_ITEM;
        return path_folder_is(path, 1, "tmp") ? PLACE_IN_PROGRESS : PLACE_CONTROL;
}

/* Not tmp/: a folder may be bound to any name, so that elsewhere it need not be where mail comes
 * in. */
bool maildir_is_control_name(const char *path) {
        static const char *const prefixes[] = { "dovecot", "courierimap", "maildirfolder",
                                                "subscriptions", "maildirsize" };

        return has_prefix_of(path_name(path), prefixes, ELEMENTSOF(prefixes));
}

/* ---- dbox ---- */

bool name_is_dbox(const char *name, char letter) {
        const char *rest = name[0] == letter && name[1] == '.' ? name_after_digits(name + 2) : NULL;

        return rest && (*rest == '\0' || *rest == '.');
}

/* The server makes all names of files; of mailboxes it makes folders. Its files have their name in
 * any folder (the setting DIRNAME= may call dbox-Mails otherwise), and in the folder that is theirs
 * all is mail but its indexes. */
static enum place dbox_place(const char *path, char letter, const char *folder) {
        const char *name = path_name(path);

        if (name_is_dbox(name, letter))
                return PLACE_ITEM;
        if (startswith(name, TEMP_PREFIX))
                return PLACE_IN_PROGRESS;
        return path_folder_is(path, 1, folder) && !startswith(name, "dovecot") ? PLACE_ITEM
                                                                               : PLACE_CONTROL;
}

enum place sdbox_place(const char *path, uint64_t size) {
        return dbox_place(path, 'u', "dbox-Mails");
}

enum place mdbox_place(const char *path, uint64_t size) {
        return dbox_place(path, 'm', "storage");
}

bool dbox_is_control_name(const char *path) {
        static const char *const prefixes[] = { "dovecot", "subscriptions" };

        return has_prefix_of(path_name(path), prefixes, ELEMENTSOF(prefixes));
}

/* ---- mbox ---- */

/* A mail user chooses the names of files here, and may call one .temp.x or dovecot.index.cache.
 * Dovecot keeps .imap and all that ends with .lock for itself (mailbox names are refused: "Contains
 * reserved name"), but x.lock can come from a shell, so that its size has to tell it from a lock. */
static bool mbox_is_lock(const char *path, uint64_t size) {
        return size <= LOCK_SIZE_MAX && ends_with(path_name(path), ".lock");
}

enum place mbox_place(const char *path, uint64_t size) {
        return is_below(path, ".imap") || mbox_is_lock(path, size) ? PLACE_CONTROL : PLACE_ITEM;
}

bool mbox_is_control_name(const char *path) {
        return startswith(path_name(path), "dovecot.") || mbox_is_lock(path, 0);
}

/* ---- Cyrus ---- */

/* "7." in any folder; stage. holds what is being delivered, sync. what is being replicated. */
enum place cyrus_place(const char *path, uint64_t size) {
        const char *rest = name_after_digits(path_name(path));

        if (rest && streq(rest, "."))
                return PLACE_ITEM;
        return path_folder_is(path, 1, "stage.") || is_below(path, "sync.") ? PLACE_IN_PROGRESS
                                                                            : PLACE_CONTROL;
}

bool cyrus_is_control_name(const char *path) {
        return startswith(path_name(path), "cyrus.");
}

/* ---- MH ---- */

/* "7"; deleted, but there until somebody cleans up: ",7", or "#7", as the MH at hand was built. */
enum place mh_place(const char *path, uint64_t size) {
        const char *name = path_name(path);

        return is_number(name + strspn(name, ",#")) ? PLACE_ITEM : PLACE_CONTROL;
}

bool mh_is_control_name(const char *path) {
        static const char *const prefixes[] = { ".mh_sequences", ".xmhcache" };

        return has_prefix_of(path_name(path), prefixes, ELEMENTSOF(prefixes));
}

/* ---- Attachments and other files ---- */

enum place sis_place(const char *path, uint64_t size) {
        return startswith(path_name(path), TEMP_PREFIX) ? PLACE_IN_PROGRESS : PLACE_ITEM;
}

enum place files_place(const char *path, uint64_t size) {
        return PLACE_ITEM;
}
