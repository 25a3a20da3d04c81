/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of formats and their places. Must not open, stat or list anything: the gate asks with
 * nothing but the path that the kernel gave for an event.
 */

#include "store/format.h"

#include <assert.h>

#include "store/util.h"

static const char *const kind_names[] = {
        [STORE_KIND_MAILBOX] = "mailbox",
        [STORE_KIND_PUBLIC_FOLDER] = "public-folder",
};
static_assert(ELEMENTSOF(kind_names) == _STORE_KIND_MAX, "a name for every kind");

/* Name of the folder that a file lies in, with its length; empty when the path has no folder. */
static const char *parent_name(const char *path, size_t *ret_length) {
        const char *slash = strrchr(path, '/'), *start = slash;

        if (!slash) {
                *ret_length = 0;
                return path;
        }
        while (start > path && start[-1] != '/')
                start--;
        *ret_length = (size_t)(slash - start);
        return start;
}

static bool parent_is(const char *path, const char *name) {
        size_t n;
        const char *parent = parent_name(path, &n);

        return n == strlen(name) && memcmp(parent, name, n) == 0;
}

/* Maildir: every file in cur/ or new/ is a message, whatever it is called; nothing else is. */
static enum place maildir_place(const char *path) {
        if (parent_is(path, "cur") || parent_is(path, "new"))
                return PLACE_ITEM;
        return parent_is(path, "tmp") ? PLACE_IN_PROGRESS : PLACE_CONTROL;
}

/* Control files by name, asked only where the folder's place in the store is unknown. */
static bool maildir_is_control_name(const char *path) {
        static const char *const prefixes[] = { "dovecot", "courierimap", "maildirfolder",
                                                "subscriptions", "maildirsize" };
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (startswith(name, prefixes[i]))
                        return true;
        return false;
}

static enum place maildir_place_unrooted(const char *path) {
        enum place place = maildir_place(path);

        /* A folder may be bound to any name: tmp/ elsewhere need not be one where mail comes in. */
        return place == PLACE_CONTROL && maildir_is_control_name(path) ? PLACE_CONTROL : PLACE_ITEM;
}

static const struct {
        const char *name;
        enum place (*place)(const char *path);
        enum place (*place_unrooted)(const char *path);
} formats[] = {
        [STORE_FORMAT_MAILDIR] = { "maildir", maildir_place, maildir_place_unrooted },
};
static_assert(ELEMENTSOF(formats) == _STORE_FORMAT_MAX, "a line for every format");

enum place format_place(enum store_format format, const char *path) {
        return formats[format].place(path);
}

enum place format_place_unrooted(enum store_format format, const char *path) {
        return formats[format].place_unrooted(path);
}

const char *store_kind_name(enum store_kind kind) {
        return (unsigned)kind < _STORE_KIND_MAX ? kind_names[kind] : "invalid";
}

const char *store_format_name(enum store_format format) {
        return (unsigned)format < _STORE_FORMAT_MAX ? formats[format].name : "invalid";
}

int store_kind_from_name(const char *name) {
        for (int i = 0; i < _STORE_KIND_MAX; i++)
                if (streq(kind_names[i], name))
                        return i;
        return -EINVAL;
}

int store_format_from_name(const char *name) {
        for (int i = 0; i < _STORE_FORMAT_MAX; i++)
                if (streq(formats[i].name, name))
                        return i;
        return -EINVAL;
}
