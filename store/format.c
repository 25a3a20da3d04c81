/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of formats. Their rules are in format-places.c.
 */

#include "store/format.h"

#include <assert.h>

#include "store/format-places.h"
#include "store/util.h"

static const char *const kind_names[] = {
        [STORE_KIND_MAILBOX] = "mailbox",
        [STORE_KIND_PUBLIC_FOLDER] = "public-folder",
};
static_assert(ELEMENTSOF(kind_names) == _STORE_KIND_MAX, "a name for every kind");

/* clang-format off */
static const struct {
        const char *name;
        enum items items;
        bool is_mail;
        place_fn place;
        control_fn is_control_name;
} formats[] = {
        [STORE_FORMAT_MAILDIR] = { "maildir", ITEMS_ONE,  true,  maildir_place, maildir_is_control_name },
        [STORE_FORMAT_SDBOX]   = { "sdbox",   ITEMS_ONE,  true,  sdbox_place,   dbox_is_control_name },
        [STORE_FORMAT_MDBOX]   = { "mdbox",   ITEMS_MANY, true,  mdbox_place,   dbox_is_control_name },
        [STORE_FORMAT_MBOX]    = { "mbox",    ITEMS_MANY, true,  mbox_place,    mbox_is_control_name },
        [STORE_FORMAT_CYRUS]   = { "cyrus",   ITEMS_ONE,  true,  cyrus_place,   cyrus_is_control_name },
        [STORE_FORMAT_MH]      = { "mh",      ITEMS_ONE,  true,  mh_place,      mh_is_control_name },
        [STORE_FORMAT_SIS]     = { "sis",     ITEMS_ONE,  false, sis_place,     NULL },
        [STORE_FORMAT_FILES]   = { "files",   ITEMS_ONE,  false, files_place,   NULL },
};
/* clang-format on */
static_assert(ELEMENTSOF(formats) == _STORE_FORMAT_MAX, "a line for every format");

enum place format_place(enum store_format format, const char *path, uint64_t size) {
        return formats[format].place(path, size);
}

enum place format_place_unrooted(enum store_format format, const char *path, uint64_t size) {
        control_fn is_control_name = formats[format].is_control_name;

        return formats[format].place(path, size) == PLACE_CONTROL && is_control_name &&
                               is_control_name(path)
                       ? PLACE_CONTROL
                       : PLACE_ITEM;
}

enum items format_items(enum store_format format) {
        return formats[format].items;
}

bool format_is_mail(enum store_format format) {
        return formats[format].is_mail;
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
